"""What ends a command with one sentence."""


class Failure(Exception):
    """A command cannot be done. The message is one sentence that says why; the exit code is 2."""


class BrokerError(Failure):
    """A broker cannot be started, reached or used. The message says what to do."""
