"""The context of a decision: the ledger in its transaction, the rulebook, the program's version; and who watches."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import orjson

from ledger.journal import Journal, Turn
from rulebook import Book, Screening
from schemas.plan import Case, ListInForce
from schemas.times import day_of
from schemas.wire.read import Event
from services.engine.answers import Answers
from services.engine.indexes import Indexes
from services.engine.message import ReadMessage


class Basis(NamedTuple):
    """What a decision rests on as JSON, and the policies and lists in it: while they are here, their ids are theirs."""

    policies: Mapping[str, bool]
    lists: Sequence[ListInForce]
    json: orjson.Fragment


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """The context in which handlers decide an event.

    `indexes`: those of the restricted-party lists in force. `over_http`: whether the event came over HTTP, where a
    second person's word that another agrees is not enough. `prepared`: what was screened before the turn, by the
    identity of the request.
    """

    journal: Journal
    book: Book
    software: str
    indexes: Indexes
    over_http: bool = False
    prepared: Mapping[int, Screening] = field(default_factory=dict)
    _basis: dict[tuple[int, int], Basis] = field(default_factory=dict, init=False, repr=False, compare=False)

    def screen(self, case: Case) -> Screening:
        """What the law says of a case: as it was prepared, if that was of an equal case, else screened now."""
        found = self.prepared.get(id(case.asked))
        return found if found is not None and found.shipment.case == case else self.book.screen(case)

    def answer(self, event: Event[Any]) -> Answers:
        """The answers to an event, still empty."""
        return Answers(self.journal.transaction, event)

    def basis(self) -> orjson.Fragment:
        """What a decision rests on besides the events: the law, its status and readings, the lists, the program.

        It is made JSON once for the policies and lists that are in force.
        """
        policies, lists = self.journal.policies.in_force(), self.journal.lists.in_force()
        known = self._basis.get((id(policies), id(lists)))
        if known is None:
            known = self._basis[id(policies), id(lists)] = Basis(policies, lists, self._stated(policies, lists))
        return known.json

    def _stated(self, policies: Mapping[str, bool], lists: Sequence[ListInForce]) -> orjson.Fragment:
        stated = {
            "rulebook_digest": self.book.digest,
            "law_status": self.book.status,
            "switches": self.book.switches,
            "policies": policies,
            "lists": [{"name": one.name, "version": one.version, "digest": f"sha256:{one.sha256}"} for one in lists],
            "software": self.software,
        }
        return orjson.Fragment(orjson.dumps(stated))

    @property
    def today(self) -> date | None:
        """The UTC day of the latest tick; None before the first."""
        ticked = self.journal.transaction.ticked
        return None if ticked is None else day_of(ticked)


@dataclass(frozen=True, slots=True)
class HandledEvent:
    """The result of a handler: the answers to an event, and the shipment that it is about, if any.

    `raised`: the account whose limit it raised.
    """

    answers: Answers
    shipment_id: str | None = None
    raised: str | None = None


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
