"""What reviewers propose on present holds and nobody has withdrawn; and shipments as they stand, with who decided."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.rows import stored
from ledger.registers.shipments import HELD_STATES
from schemas.event_types import EVENT_RECORDED, REVIEW_PROPOSED
from schemas.models.incoming import ReviewProposed
from schemas.wire.read import Event, read_record

_WITHDRAW = "withdraw"


class Proposal(NamedTuple):
    """What a reviewer proposes on a present hold: the record of it, when, and what."""

    record: int
    happened: int | None
    data: ReviewProposed


class Standing(NamedTuple):
    """A shipment as it stands: its state, the records of its present hold and of what last concerned it."""

    id: str
    state: str
    held: int | None
    last: int
    asked: int
    export_date: str
    country: str
    tpp: int

    @property
    def is_held(self) -> bool:
        """Whether it is held."""
        return self.state in HELD_STATES


def standing(connection: Connection, ids: Iterable[str]) -> dict[str, Standing]:
    """Those of these shipments that there are, by id."""
    s = tables.shipment
    columns = (s.c.id, s.c.state, s.c.held, s.c.last, s.c.asked, s.c.export_date, s.c.ship_to, s.c.tpp)
    rows = connection.execute(select(*columns).where(s.c.id.in_(list(ids))))
    return {row.id: Standing(*row) for row in rows}


def proposals(connection: Connection, held: Mapping[str, int]) -> dict[str, list[Proposal]]:
    """What stands proposed, oldest first, on the holds of these shipments; `held` gives the record of each.

    Of each reviewer the newest proposal stands, until somebody sends a withdrawal.
    """
    if not held:
        return {}
    j = tables.journal
    query = (
        select(j.c.n, j.c.happened, j.c.shipment_id, j.c.event, j.c.answers)
        .where(j.c.shipment_id.in_(list(held)), j.c.type == REVIEW_PROPOSED, j.c.n > min(held.values()))
        .order_by(j.c.n)
    )
    found: dict[str, dict[str, Proposal]] = {}
    for row in connection.execute(query):
        if row.n <= held[row.shipment_id]:
            continue
        with stored(f"journal record {row.n}"):
            one = _proposal(row)
        if one is None:
            continue
        mine = found.setdefault(row.shipment_id, {})
        if one.data.action == _WITHDRAW:
            mine.clear()
        else:
            mine.pop(one.data.reviewer, None)
            mine[one.data.reviewer] = one
    return {shipment: list(mine.values()) for shipment, mine in found.items() if mine}


def proposal_of(connection: Connection, record: int) -> Proposal | None:
    """What a record proposes, whether it stands or not; None if it proposes nothing."""
    j = tables.journal
    query = select(j.c.n, j.c.happened, j.c.event, j.c.answers)
    row = connection.execute(query.where(j.c.n == record, j.c.type == REVIEW_PROPOSED)).first()
    return None if row is None else _proposal(row)


def _proposal(row: Any) -> Proposal | None:
    if orjson.loads(row.answers[0])["type"] != EVENT_RECORDED:
        return None
    event = read_record(bytes(row.event))
    if not isinstance(event, Event) or not isinstance(event.data, ReviewProposed):
        return None
    return Proposal(row.n, row.happened, event.data)


class Ended(NamedTuple):
    """The record that last decided a shipment: when, the event, and its answers."""

    n: int
    happened: int | None
    event: bytes
    answers: Sequence[str]


def last_of(connection: Connection, record: int) -> Ended | None:
    """A record as it stands in the journal; None if there is none of that number."""
    j = tables.journal
    row = connection.execute(select(j.c.n, j.c.happened, j.c.event, j.c.answers).where(j.c.n == record)).first()
    return None if row is None else Ended(row.n, row.happened, bytes(row.event), row.answers)


def newest_record(connection: Connection, shipment: str) -> int:
    """The newest record that a shipment's own event made, whatever came of it; 0 if there is none."""
    j = tables.journal
    return connection.execute(select(func.max(j.c.n)).where(j.c.shipment_id == shipment)).scalar() or 0
