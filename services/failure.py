"""Errors that end a command with one sentence."""

from collections.abc import Iterable
from difflib import get_close_matches


class Failure(Exception):
    """A command cannot be carried out. The message is one sentence that says why; the exit code is 2."""


class NotFound(Failure):
    """What a command names exactly does not exist; the exit code is 1."""


class BrokerError(Failure):
    """A broker cannot be started, reached or used. The message says what to do."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that does not exist: the known one that is most like it; empty without one.

    >>> did_you_mean("tpp.decision", ["tpp.alerts", "tpp.decisions"])
    '; did you mean tpp.decisions?'
    >>> did_you_mean("orders", ["tpp.alerts", "tpp.decisions"])
    ''
    """
    found = get_close_matches(name, sorted(known), 1, 0.7)
    return f"; did you mean {found[0]}?" if found else ""
