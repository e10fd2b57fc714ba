"""Who watches an engine: told how long its transactions take and what they decided, and asked nothing."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from ledger.journal import Turn
from services.engine.message import ReadMessage


class Observer:
    """Watches an engine; this one sees nothing. No decision rests on it, and it must not raise."""

    def turn(self) -> Turn:
        """What is told of the next turn at the ledger."""
        return Turn()

    def timed(self) -> AbstractContextManager[None]:
        """What surrounds each time that the database works on something."""
        return nullcontext()

    @contextmanager
    def transaction(self, batch: Sequence[ReadMessage]) -> Iterator[None]:  # noqa: ARG002
        """What surrounds a transaction in which a batch is decided; it ends with the commit."""
        yield

    def decided(self, batch: Sequence[ReadMessage], answers: Sequence[Sequence[str]], since: int) -> None:
        """Told, after the commit, of the messages of a transaction and their answers.

        `since`: the last sequence number that was given out before it; an answer with that or a lower one is a repeat.
        """
