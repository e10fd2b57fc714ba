"""What the ledger has when somebody answers a hold or an obligation: by it, the same answer is the same event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.rows import stored
from ledger.registers.facts import ALL
from ledger.registers.shipments import HELD_STATES
from schemas.codes import State
from schemas.event_types import REVIEW_PROPOSED
from schemas.kinds import FactKind
from schemas.models.incoming import ReviewProposed
from schemas.wire.read import Event, read_record


@dataclass(frozen=True, slots=True)
class ShipmentOccasion:
    """How a shipment stands: `record` is that of its present hold, else the last that concerned it; 0 if unknown.

    `event`: the bytes of the event of that record; None while the shipment is held or unknown.
    """

    record: int
    event: bytes | None = None


def of_shipment(connection: Connection, shipment: str) -> ShipmentOccasion:
    """How a shipment stands."""
    s, j = tables.shipment, tables.journal
    row = connection.execute(select(s.c.state, s.c.held, s.c.last).where(s.c.id == shipment)).one_or_none()
    if row is None:
        return ShipmentOccasion(0)
    with stored(f"shipment {shipment}"):
        state = State(row.state)
    if state in HELD_STATES:
        return ShipmentOccasion(int(row.held))
    return ShipmentOccasion(int(row.last), connection.execute(select(j.c.event).where(j.c.n == row.last)).scalar())


def decided_on(connection: Connection, shipment: str, record: int) -> int:
    """The newest record by which a review after this record may be answered otherwise: a proposal, or a policy."""
    j = tables.journal
    proposed = select(func.max(j.c.n)).where(j.c.shipment_id == shipment, j.c.type == REVIEW_PROPOSED)
    found = connection.execute(proposed).scalar() or 0
    return max(record, int(found), _newest(connection, FactKind.POLICY))


def proposed_on(connection: Connection, shipment: str, record: int, data: Mapping[str, Any]) -> int:
    """The newest record since which a proposal is a new one: this one, or what ended an earlier one by the same person.

    That is a withdrawal, or another proposal of the person's own.
    """
    j = tables.journal
    query = select(j.c.n, j.c.event).where(
        j.c.shipment_id == shipment, j.c.type == REVIEW_PROPOSED, j.c.n > record
    ).order_by(j.c.n.desc())  # fmt: skip
    for row in connection.execute(query, execution_options={"yield_per": 100}):
        event = read_record(row.event)
        if not isinstance(event, Event) or not isinstance(event.data, ReviewProposed):
            continue
        ends = event.data.action == "withdraw" or event.data.reviewer == data["reviewer"]
        if ends and event.data.model_dump(exclude_none=True) != data:
            return int(row.n)
    return record


def owed(connection: Connection, subject: str, kind: str, due: date) -> int | None:
    """The record that brought an obligation of a subject, `shipment/ID` or `party/ID`, met or not; None without one."""
    o = tables.obligation
    this = (o.c.subject == subject, o.c.kind == kind, o.c.due == due.isoformat())
    found: int | None = connection.execute(select(o.c.n).where(*this)).scalar()
    return found


def last_merge(connection: Connection) -> int:
    """The newest record that made two parties one; 0 if there is none."""
    return _newest(connection, FactKind.MERGE)


def _newest(connection: Connection, kind: FactKind) -> int:
    """The newest record of a fact of a kind that is about no single party or licence; 0 if there is none."""
    f = tables.fact
    query = select(func.max(f.c.n)).where(f.c.key == ALL, f.c.kind == kind)
    return int(connection.execute(query).scalar() or 0)
