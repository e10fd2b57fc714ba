"""Records of the journal: those of a shipment, those of events and positions, and those to be published."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.store import Store
from ledger.registers.records import AnswerTexts, Key


@dataclass(frozen=True, slots=True)
class ShipmentRecord:
    """One record of a shipment: its number and time, the event's bytes, and the answers that are about the shipment."""

    n: int
    happened: int | None
    event: bytes
    answers: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A record to be published: its number and its answers."""

    n: int
    answers: AnswerTexts


@dataclass(frozen=True, slots=True)
class TakenEvent:
    """An event of which the ledger has a record: its bytes, and the position, as JSON, at which it first came."""

    event: bytes
    position: str


@dataclass(frozen=True, slots=True)
class SharedPosition:
    """A position, as JSON, that several records have, and their numbers."""

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


def state(connection: Connection, shipment: str) -> str | None:
    """The state of a shipment; None if it does not exist."""
    found: str | None = connection.execute(
        select(tables.shipment.c.state).where(tables.shipment.c.id == shipment)
    ).scalar()
    return found


def records(connection: Connection, shipment: str) -> list[ShipmentRecord]:
    """Every record that concerns a shipment, oldest first: those of its own events, and others that decided it."""
    j, m = tables.journal, tables.mention
    mentioned = select(m.c.n).where(m.c.shipment_id == shipment)
    query = (
        select(j.c.n, j.c.happened, j.c.event, j.c.answers)
        .where((j.c.shipment_id == shipment) | j.c.n.in_(mentioned))
        .order_by(j.c.n)
    )
    found = []
    for row in connection.execute(query):
        answers = map(orjson.loads, row.answers)
        about = tuple(answer for answer in answers if answer["data"].get("shipment_id") == shipment)
        found.append(ShipmentRecord(row.n, row.happened, row.event, about))
    return found


def outbox(connection: Connection, after: int, most: int) -> list[OutboxRecord]:
    """The next records after a number, in order.

    Numbers are gap-free and in the order of commit, so none is skipped.
    """
    j = tables.journal
    query = select(j.c.n, j.c.answers).where(j.c.n > after).order_by(j.c.n).limit(most)
    return [OutboxRecord(row.n, row.answers) for row in connection.execute(query)]


def taken(connection: Connection, store: Store, wanted: Mapping[str, Collection[str]]) -> dict[Key, TakenEvent]:
    """The wanted events of which the ledger has a record; `wanted`: ids by source."""
    j = tables.journal
    found: dict[Key, TakenEvent] = {}
    for source, ids in wanted.items():
        query = select(j.c.id, j.c.event, j.c.position).where(j.c.source == source, store.among(j.c.id, ids))
        for row in connection.execute(query):
            found[source, row.id] = TakenEvent(bytes(row.event), row.position)
    return found


def positions_twice(connection: Connection) -> list[SharedPosition]:
    """The positions that two or more records have; reads the whole journal."""
    j = tables.journal
    twice = select(j.c.position).group_by(j.c.position).having(func.count() > 1)
    found: dict[str, SharedPosition] = {}
    for row in connection.execute(select(j.c.position, j.c.n).where(j.c.position.in_(twice)).order_by(j.c.n)):
        found.setdefault(row.position, SharedPosition(row.position, [])).records.append(row.n)
    return list(found.values())


def published(connection: Connection) -> Published:
    """The position of the relay."""
    found = connection.execute(tables.relay.select()).one_or_none()
    return Published(found.n, found.sent, found.lost or 0) if found else Published()


def published_answer(connection: Connection, sequence: int) -> str | None:
    """The outgoing event of a sequence number, as it is published; None if the ledger has given out none of it."""
    j = tables.journal
    low, high = 1, last_record(connection)
    while low <= high:
        n = (low + high) // 2
        answers = connection.execute(select(j.c.answers).where(j.c.n == n)).scalar_one()
        first = int(orjson.loads(answers[0])["sequence"])
        if sequence < first:
            high = n - 1
        elif sequence < first + len(answers):
            return str(answers[sequence - first])
        else:
            low = n + 1
    return None


def last_record(connection: Connection) -> int:
    """The number of the last journal record; 0 if nothing is recorded."""
    return int(connection.execute(select(tables.head.c.n)).scalar_one())
