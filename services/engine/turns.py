"""A turn at the ledger: messages that wait are taken once the lock on writing is held, and decided to the end."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from services.engine.engine import Engine, Texts
from services.engine.message import ReadMessage


class Decided(NamedTuple):
    """What one transaction brought.

    `answers` are those to further messages, in order; `follows` follows from the last message answered until now;
    `more`: whether it asked for work that is not finished, from which more may follow.
    """

    answers: Sequence[Texts]
    follows: Texts = ()
    more: bool = False


def decide_waiting(engine: Engine, take: Callable[[], Sequence[ReadMessage]]) -> Iterator[Decided]:
    """Decides what `take` returns, which is called once, with the lock on writing held, and not if work is left.

    The answers are those of `Engine.decide`: the work that a message asks for is finished before the next message.
    What was decided is committed when it is yielded. Raises where the database fails; what was not yielded by then may
    be sent again, and gets the same answers if it was decided.
    """
    taken: list[ReadMessage] = []

    def once() -> Sequence[ReadMessage]:
        if not taken:
            taken.extend(take())
        return taken

    first = engine.take_turn(once)
    if not taken:
        return
    done = len(first)
    yield Decided(first, more=bool(first) and bool(engine.pending))
    while done < len(taken) or engine.pending:
        if engine.pending:
            follows = engine.go_on() or ()
            yield Decided((), follows if done else (), more=bool(engine.pending))
            continue
        some = engine.take_turn(taken[done:].copy)
        done += len(some)
        yield Decided(some, more=bool(some) and bool(engine.pending))
