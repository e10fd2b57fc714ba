"""Records of the journal: those of a shipment, those of events and positions, and those to be published."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.store import Store
from ledger.registers.records import AnsweredEvent, AnswerTexts, Key
from schemas.codes import ReasonCode
from schemas.event_types import SHIPMENT_REQUESTED

EARLY_MOST = 10
"""How many records of a shipment are named, the first ones."""
_END = select(tables.head.c.n, tables.head.c.sequence)
_FEW = 20
"""How many records are fetched at a time where their size is bounded."""


@dataclass(frozen=True, slots=True)
class ShipmentRecord:
    """One record of a shipment: its number and time, the event's bytes, and the answers that are about the shipment."""

    n: int
    happened: int | None
    event: bytes
    answers: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record to be published: its number, its answers, and when it was made, in microseconds since 1970 (UTC)."""

    n: int
    answers: AnswerTexts
    recorded: int


@dataclass(frozen=True, slots=True)
class TakenEvent:
    """An event of which the ledger has a record: its bytes, and the position, as JSON, at which it first came."""

    event: bytes
    position: str


@dataclass(frozen=True, slots=True)
class SharedPosition:
    """A position, as JSON, with a message of which there are several records, and their numbers."""

    position: str
    records: list[int]


@dataclass(frozen=True, slots=True)
class Published:
    """The position of the relay: the last completely published record, and how many events it sent.

    `lost`: events published up to this sequence number may be of an end that the ledger has lost; 0 if none is.
    """

    n: int = 0
    sent: int = 0
    lost: int = 0


def last_recorded(connection: Connection) -> int | None:
    """When the last record was made, in microseconds since 1970 (UTC); None if there is none."""
    head = connection.execute(select(tables.head.c.n, tables.head.c.recorded)).one()
    return int(head.recorded) if head.n else None


def last_ticked(connection: Connection) -> int | None:
    """The instant of the latest tick, in microseconds since 1970 (UTC); None before the first."""
    ticked = connection.execute(select(tables.head.c.ticked)).scalar_one()
    return None if ticked is None else int(ticked)


def state(connection: Connection, shipment: str) -> str | None:
    """The state of a shipment; None if it does not exist."""
    found: str | None = connection.execute(
        select(tables.shipment.c.state).where(tables.shipment.c.id == shipment)
    ).scalar()
    return found


def records(
    connection: Connection, shipment: str, before: int | None = None, limit: int | None = None
) -> list[ShipmentRecord]:
    """The records that concern a shipment, oldest first: those of its own events, and others that decided it.

    Those before the record `before`, and of them the last `limit`; every one by default.
    """
    j, m = tables.journal, tables.mention
    own = select(j.c.n).where(j.c.shipment_id == shipment)
    mentioned = select(m.c.n).where(m.c.shipment_id == shipment)
    query = select(j.c.n, j.c.happened, j.c.event, j.c.answers).where(j.c.n.in_(own) | j.c.n.in_(mentioned))
    if before is not None:
        query = query.where(j.c.n < before)
    found = []
    for row in connection.execute(query.order_by(j.c.n.desc()).limit(limit)):
        answers = (orjson.loads(text) for text in row.answers if shipment in text)
        about = tuple(answer for answer in answers if answer["data"].get("shipment_id") == shipment)
        found.append(ShipmentRecord(row.n, row.happened, row.event, about))
    return found[::-1]


def answer_texts(connection: Connection, shipment: str) -> list[str]:
    """Every answer that is about a shipment, as it was published, in the order of publication."""
    j, m = tables.journal, tables.mention
    mentioned = select(m.c.n).where(m.c.shipment_id == shipment)
    query = select(j.c.n, j.c.answers).where((j.c.shipment_id == shipment) | j.c.n.in_(mentioned)).order_by(j.c.n)
    found = []
    for row in connection.execute(query):
        with stored(f"journal record {row.n}"):
            found += [text for text in row.answers if orjson.loads(text)["data"].get("shipment_id") == shipment]
    return found


def outbox(connection: Connection, after: int, most: int, size: int | None = None) -> list[OutboxRecord]:
    """The next records after a number, in order; no more of them once their answers have `size` characters.

    Numbers are gap-free and in the order of commit, so none is skipped.
    """
    j = tables.journal
    query = select(j.c.n, j.c.answers, j.c.recorded).where(j.c.n > after).order_by(j.c.n).limit(most)
    if size is None:
        return [OutboxRecord(row.n, row.answers, row.recorded) for row in connection.execute(query)]
    found: list[OutboxRecord] = []
    with connection.execute(query, execution_options={"yield_per": _FEW}) as rows:
        for row in rows:
            found.append(OutboxRecord(row.n, row.answers, row.recorded))
            size -= sum(map(len, row.answers))
            if size <= 0:
                break
    return found


def taken(connection: Connection, store: Store, wanted: Mapping[str, Collection[str]]) -> dict[Key, TakenEvent]:
    """The wanted events of which the ledger has a record; `wanted`: ids by source."""
    j = tables.journal
    found: dict[Key, TakenEvent] = {}
    for source, ids in wanted.items():
        query = select(j.c.id, j.c.event, j.c.position).where(j.c.source == source, store.among(j.c.id, ids))
        for row in connection.execute(query):
            found[source, row.id] = TakenEvent(bytes(row.event), row.position)
    return found


def answered_event(connection: Connection, key: Key) -> AnsweredEvent | None:
    """The event of a source and an id with its first answers; None if the ledger has no record of it."""
    j = tables.journal
    query = select(j.c.n, j.c.event, j.c.answers).where(j.c.source == key[0], j.c.id == key[1])
    row = connection.execute(query).first()
    return None if row is None else AnsweredEvent(row.n, bytes(row.event), row.answers)


def is_position_known(connection: Connection, position: str) -> bool:
    """Whether a record has this position, given as JSON; reads the whole journal if none has."""
    j = tables.journal
    return connection.execute(select(j.c.n).where(j.c.position == position).limit(1)).first() is not None


def taken_twice(connection: Connection) -> Iterator[SharedPosition]:
    """The messages of which two or more records exist: the same bytes at the same position; reads the whole journal.

    A position alone names no message: topics that were made anew count from 0 again.
    """
    j = tables.journal
    twice = select(j.c.position).group_by(j.c.position).having(func.count() > 1)
    query = select(j.c.position, j.c.n, j.c.event).where(j.c.position.in_(twice)).order_by(j.c.position, j.c.n)
    rows = connection.execute(query, execution_options={"yield_per": 500})
    for position, group in groupby(rows, lambda row: str(row.position)):
        numbers: dict[bytes, list[int]] = {}
        for row in group:
            numbers.setdefault(sha256(row.event).digest(), []).append(row.n)
        yield from (SharedPosition(position, found) for found in numbers.values() if len(found) > 1)


def decided_early(connection: Connection, shipment: str) -> list[int]:
    """The records of a shipment that overtook others, by number, at most EARLY_MOST.

    One that did was refused because the shipment did not exist, which was requested later; or, of those that came
    through a topic, a later record of another partition has an event of an earlier time.
    """
    j = tables.journal
    query = select(j.c.n, j.c.type, j.c.happened, j.c.position, j.c.answers).where(j.c.shipment_id == shipment)
    early: deque[int] = deque(maxlen=EARLY_MOST)
    is_requested = False
    first: dict[int, int] = {}
    """The earliest time of the later records, by partition."""
    for row in connection.execute(query.order_by(j.c.n.desc()), execution_options={"yield_per": 500}):
        answer, partition = orjson.loads(row.answers[0]), orjson.loads(row.position).get("partition")
        is_unknown = any(one["code"] == ReasonCode.SHIPMENT_UNKNOWN for one in answer["data"].get("reasons", ()))
        is_overtaking = partition is not None and any(
            time < row.happened for other, time in first.items() if other != partition
        )
        if (is_unknown and is_requested) or is_overtaking:
            early.appendleft(row.n)
        is_requested = is_requested or (row.type == SHIPMENT_REQUESTED and not is_unknown)
        if partition is not None:
            first[partition] = min(row.happened, first.get(partition, row.happened))
    return list(early)


def published(connection: Connection) -> Published:
    """The position of the relay."""
    found = connection.execute(tables.relay.select()).one_or_none()
    return Published(found.n, found.sent, found.lost or 0) if found else Published()


def published_answer(connection: Connection, sequence: int) -> str | None:
    """The outgoing event of a sequence number, as it is published; None if the ledger has given out none of it."""
    found = _publishing(connection, sequence)
    return None if found is None else str(found[1].answers[sequence - found[0]])


def record_of(connection: Connection, sequence: int) -> int:
    """The number of the record whose answers have a sequence number; 0 if the ledger has given out none of it."""
    found = _publishing(connection, sequence)
    return 0 if found is None else found[1].n


def _publishing(connection: Connection, sequence: int) -> tuple[int, OutboxRecord] | None:
    """The record whose answers have a sequence number, and the first of its numbers."""
    j = tables.journal
    low, high = 1, last_record(connection)
    while low <= high:
        n = (low + high) // 2
        row = connection.execute(select(j.c.answers, j.c.recorded).where(j.c.n == n)).one()
        first = int(orjson.loads(row.answers[0])["sequence"])
        if sequence < first:
            high = n - 1
        elif sequence < first + len(row.answers):
            return first, OutboxRecord(n, row.answers, row.recorded)
        else:
            low = n + 1
    return None


class End(NamedTuple):
    """The end of the ledger: the number of its last record, and the last sequence number that it has given out."""

    n: int
    sequence: int


def end(connection: Connection) -> End:
    """The end of the ledger; zeros if nothing is recorded."""
    return End(*connection.execute(_END).one())


class Mark(NamedTuple):
    """What a ledger that goes on from a record keeps: the restore that it comes from, None if none, and the record.

    `recorded` is when the record was made; None if it is not there.
    """

    epoch: int | None
    n: int
    recorded: int | None


def mark(connection: Connection, n: int) -> Mark:
    """The mark of a record; a ledger that was or is being restored, or has lost the record, gives another one."""
    j = tables.journal
    recorded = select(j.c.recorded).where(j.c.n == n).scalar_subquery()
    found = connection.execute(select(tables.head.c.epoch, recorded)).one_or_none()
    return Mark(None, n, None) if found is None else Mark(found[0], n, found[1])


def last_record(connection: Connection) -> int:
    """The number of the last journal record; 0 if nothing is recorded."""
    return int(connection.execute(select(tables.head.c.n)).scalar_one())
