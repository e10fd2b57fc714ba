"""Errors that end a command with one sentence."""


class Failure(Exception):
    """A command cannot be carried out. The message is one sentence that says why; the exit code is 2."""


class NotFound(Failure):
    """What a command names exactly does not exist; the exit code is 1."""


class BrokerError(Failure):
    """A broker cannot be started, reached or used. The message says what to do."""
