"""Verifies one record after another: its event, its answers and its entries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from ledger.queries.entries import PARTS, Parts
from schemas.event_types import EVENT_REJECTED, LEDGER_SOURCE, SNAPSHOT_CLOSED
from schemas.periods import Period, booked, period
from schemas.times import day_of, microseconds
from schemas.wire.read import Event, read_record
from services.engine.answers import answer_id, position_text
from services.proof.derived import Basis
from services.proof.report import VerificationReport
from services.proof.verifier import Invalid, moves

_LIMITED = ("approved", "released")
_DECIDED_AMONG_MANY = ("expired", "held", "released")
"""What a record decides of shipments besides its answer."""


@dataclass(slots=True)
class Standing:
    """An account after the entries so far: their number, and the sums of PARTS."""

    entries: int = 0
    parts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """A shipment that a record decided besides its answer, and the number of the record."""

    shipment_id: str
    n: int


class Records:
    """Verifies records in order, and collects what follows from them."""

    def __init__(self, connection: Connection, found: VerificationReport) -> None:
        self._connection, self._found = connection, found
        self._closed: list[Period] = []
        self.sequence, self.recorded = 0, 0
        self._skipped = False
        self.decided: set[Mention] = set()
        self.bases: dict[Basis, int] = {}
        self.standing: dict[str, Standing] = {}

    @property
    def closed(self) -> str | None:
        """The last day of the periods that were closed, `YYYY-MM-DD`; None if none was."""
        last = max((one.last for one in self._closed), default=None)
        return last.isoformat() if last else None

    def skip(self) -> None:
        """Notes that the next record follows one that cannot be read, whose answers are not known."""
        self._skipped = True

    def check(self, row: Any, leaf: dict[str, Any]) -> None:
        """Notes what is wrong with the next record, a row of `journal`, and its leaf."""
        try:
            answers = [orjson.loads(line) for line in row.answers]
            for why in self._wrong(row, leaf, answers):
                self._found.add("journal", row.n, row.n, why)
            self._entries(row, leaf["entries"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self._found.add("journal", row.n, row.n, f"the record cannot be read: {type(error).__name__}: {error}")
        if row.type == SNAPSHOT_CLOSED:
            with self._found.reading(self._connection, "snapshot"):
                self._closed.append(period(answers[0]["data"]["period"]))

    def _wrong(self, row: Any, leaf: dict[str, Any], answers: Sequence[dict[str, Any]]) -> Iterator[str]:
        if row.recorded < self.recorded:
            yield "its recording time is before that of the previous record"
        self.recorded = row.recorded
        if self._skipped:
            self.sequence, self._skipped = int(answers[0]["sequence"]) - 1, False
        for answer in answers:
            self.sequence += 1
            if int(answer["sequence"]) != self.sequence or answer["source"] != LEDGER_SOURCE:
                yield f"an answer does not have the sequence number {self.sequence}"
                self.sequence = int(answer["sequence"])
        if row.type == EVENT_REJECTED:
            yield from _rejection(row, answers[0])
        elif row.type != SNAPSHOT_CLOSED:
            yield from _event(row, answers)
        decisions = [answer["data"] for answer in answers]
        try:
            moves(leaf, decisions)
        except Invalid as error:
            yield error.args[1]
        for index, data in enumerate(decisions):
            if data.get("outcome") in _LIMITED:
                yield from _over(data)
            if index and data.get("outcome") in _DECIDED_AMONG_MANY:
                self.decided.add(Mention(data["shipment_id"], row.n))
            if "basis" in data:
                basis = Basis(data["basis"]["rulebook_digest"], data["basis"]["software"])
                self.bases.setdefault(basis, row.n)

    def _entries(self, row: Any, entries: Sequence[dict[str, Any]]) -> None:
        day, late = booked(day_of(row.happened), self._closed) if entries else (None, None)
        for entry in sorted(entries, key=lambda one: int(one["entry"])):
            path, n, add = entry["account"], entry["entry"], self._found.add
            key = f"{path} entry {n}"
            standing = self.standing.setdefault(path, Standing())
            standing.entries += 1
            standing.parts = [old + entry[part] for old, part in zip(standing.parts, PARTS, strict=True)]
            if n != standing.entries:
                add("entry", key, row.n, f"it is not entry {standing.entries} of its account")
                standing.entries = n
            balance = Parts(*standing.parts).change
            if entry["balance"] != balance:
                add("entry", key, row.n, f"its balance is not {balance}, the sum of the entries")
            if day is None or (entry["booked"], entry["late_for"]) != (day.isoformat(), late):
                add("entry", key, row.n, "it is not booked on the day of its event or the first open day")
            self._found.entries += 1


def _rejection(row: Any, answer: dict[str, Any]) -> Iterator[str]:
    if (row.source, row.id) != (answer["source"], answer["id"]):
        yield "its id is not that of its rejection"
    if row.shipment_id is not None:
        yield "a rejection belongs to no shipment"
    if orjson.loads(row.position) != answer["data"]["position"] or answer["subject"] != position_text(
        answer["data"]["position"]
    ):
        yield "its position differs from the one in the rejection"


def _event(row: Any, answers: Sequence[dict[str, Any]]) -> Iterator[str]:
    event = read_record(row.event)
    if not isinstance(event, Event):
        yield "its bytes are not a valid event"
        return
    named = (event.source, event.id, event.type, microseconds(event.happened))
    if named != (row.source, row.id, row.type, row.happened):
        yield "its source, id, type or time is not that of its event"
    base = answer_id(event.source, event.id)
    if [answer["id"] for answer in answers] != [f"{base}-{n}" if n else base for n in range(len(answers))]:
        yield "the ids of its answers do not follow from its event"
    shipments = {answers[0]["data"].get("shipment_id"), getattr(event.data, "shipment_id", None)}
    if row.shipment_id is not None and row.shipment_id not in shipments:
        yield "its shipment is not the one that its event names"


def _over(data: Mapping[str, Any]) -> Iterator[str]:
    for debit in data["debits"]:
        if debit["state"] in ("pending", "posted") and debit["limit"] is not None and debit["balance"] > debit["limit"]:
            yield f"{debit['account']} was debited beyond its limit"
