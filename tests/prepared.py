"""Events that are prepared before what comes before them is decided, and preparations that trust too much."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any
from unittest.mock import patch

from rulebook import Screening
from schemas.plan import Case, Facts
from services.engine.before import prepare
from services.engine.context import DecisionContext
from services.engine.engine import Engine, Texts
from services.engine.message import Message, ReadMessage

FIELDS = tuple(one.name for one in fields(Facts))
"""What a case says of facts."""
Trusts = Callable[[Case, Case], bool]
"""Whether what was prepared of one case is used for another."""


@contextmanager
def every_request() -> Iterator[None]:
    """Requests are prepared however few there are."""
    with patch.object(prepare, "LEAST", 1):
        yield


def ahead(engine: Engine, messages: Sequence[Message], lag: int | None = None) -> list[Texts]:
    """The answers to events, decided one by one, each prepared when `lag` of those before it were not yet decided.

    Without `lag` all are prepared before the first is decided.
    """
    read = engine.read(messages)
    with every_request():
        return _ahead(engine, read, lag)


def _ahead(engine: Engine, read: Sequence[ReadMessage], lag: int | None) -> list[Texts]:
    lag = len(read) if lag is None else lag
    waiting = engine.prepare(read[:lag])
    answers = []
    for number in range(len(read)):
        waiting += engine.prepare(read[number + lag : number + lag + 1])
        answers += engine.decide([waiting[number]])
    return answers


def same_ahead(opened: Callable[[str], Any], steps: Sequence[Mapping[str, Any]], lag: int | None) -> bool:
    """Whether steps of which each is prepared ahead are answered as they are without; `opened` makes a ledger of a URL."""
    with opened(":memory:") as run:
        plain = [run.engine.run([line])[0] for line in run.messages(steps)]
    with opened(":memory:") as run:
        return ahead(run.engine, run.messages(steps), lag) == plain


@contextmanager
def trusting(trusts: Trusts) -> Iterator[None]:
    """What was prepared is used where this says so."""

    def screen(self: DecisionContext, case: Case) -> Screening:
        found = self.prepared.get(id(case.asked))
        return found if found is not None and trusts(found.shipment.case, case) else self.book.screen(case)

    with patch.object(DecisionContext, "screen", screen):
        yield


def forgetting(name: str) -> Trusts:
    """Compares all but one member of the facts."""
    plain = Facts()

    def trusts(one: Case, other: Case) -> bool:
        first, second = (
            replace(each, facts=replace(each.facts, **{name: getattr(plain, name)})) for each in (one, other)
        )
        return first == second

    return trusts
