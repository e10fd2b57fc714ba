"""Rows that the ledger has written and reads again: one that cannot be read as one of ours is damage."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import NoResultFound

from ledger.database.store import LedgerCorrupt

FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, NoResultFound)
"""What reading a stored value raises if it is not as the ledger wrote it."""


@contextmanager
def stored(what: str) -> Iterator[None]:
    """Reads a stored row; raises LedgerCorrupt, which names it, if it is not as the ledger wrote it."""
    try:
        yield
    except FAILURES as error:
        raise LedgerCorrupt(
            f"the ledger is damaged: {what} cannot be read ({why(error)}); see `tpp audit verify`"
        ) from error


def why(error: BaseException) -> str:
    """The kind of a failure and its message, on one line and shortened."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
