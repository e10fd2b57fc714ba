"""How many holds there are of each kind, and which one comes before and after another; no record is read for it."""

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Subquery, func, select

from ledger.database import tables
from ledger.queries.work_list import Waits, departed, waits
from ledger.registers.shipments import HELD_STATES


@dataclass(frozen=True, slots=True)
class HoldGroup:
    """Holds that have the same codes and country: how many.

    `waits` is the answer to the question that was asked about each. `past`: their export date is past; `left`: they
    left without an approval.
    """

    codes: str
    country: str | None
    waits: bool
    past: bool
    left: bool
    holds: int


class Beside(NamedTuple):
    """Where a hold stands among those of its kind: its place from 1, how many there are, the one before, the next."""

    place: int
    holds: int
    before: str | None
    next: str | None


class AlsoWaiting(NamedTuple):
    """A shipment that waits for room on an account: its amount in TPP, and its export date."""

    id: str
    tpp: int
    export_date: str
    first: int


def hold_groups(connection: Connection, today: date, asked: Waits) -> list[HoldGroup]:
    """The holds by codes, country, whether they are past their date, and the answer to a question about each."""
    s, left = tables.shipment, departed()
    answer, past = waits(connection, asked).label("answer"), (s.c.export_date < today.isoformat()).label("past")
    groups = (s.c.codes, s.c.ship_to, "answer", "past")
    held = select(s.c.codes, s.c.ship_to, answer, past, func.count().label("holds")).where(
        s.c.state.in_(HELD_STATES), s.c.id.not_in(select(left.c.id))
    )
    gone = select(s.c.codes, s.c.ship_to, func.count().label("holds")).select_from(
        left.outerjoin(s, s.c.id == left.c.id)
    )
    found = [
        HoldGroup(row.codes, row.ship_to, bool(row.answer), bool(row.past), False, row.holds)
        for row in connection.execute(held.group_by(*groups))
    ]
    found += [
        HoldGroup(row.codes or "", row.ship_to, False, True, True, row.holds)
        for row in connection.execute(gone.group_by(s.c.codes, s.c.ship_to))
    ]
    return found


def beside(connection: Connection, shipment: str, today: date) -> Beside | None:
    """Where a hold stands among those that left without an approval, are past their date, or are still to leave.

    None if it is not held.
    """
    s, left = tables.shipment, departed()
    if row := connection.execute(select(left.c.n).where(left.c.id == shipment)).first():
        return _beside(connection, select(left.c.id, left.c.n.label("key")), row.n)
    chosen = (s.c.state.in_(HELD_STATES), s.c.id.not_in(select(left.c.id)))
    found = connection.execute(select(s.c.first, s.c.export_date).where(s.c.id == shipment, *chosen)).first()
    if found is None:
        return None
    day = today.isoformat()
    same = s.c.export_date < day if found.export_date < day else s.c.export_date >= day
    return _beside(connection, select(s.c.id, s.c.first.label("key")).where(*chosen, same), found.first)


def _beside(connection: Connection, query: Select[Any], key: int) -> Beside:
    among: Subquery = query.subquery()
    at: ColumnElement[int] = among.c.key
    before, later = func.max(at).filter(at < key), func.min(at).filter(at > key)
    counts = select(func.count(), func.count().filter(at <= key), before, later).select_from(among)
    holds, place, *keys = connection.execute(counts).one()
    named = select(among.c.key, among.c.id).where(at.in_([one for one in keys if one is not None]))
    ids = {row.key: row.id for row in connection.execute(named)}
    return Beside(place, holds, ids.get(keys[0]), ids.get(keys[1]))


def also_waiting(connection: Connection, account: str, but: str, most: int) -> tuple[list[AlsoWaiting], int]:
    """The oldest of the other holds that wait for room on an account, at most so many; and how many there are."""
    s, w = tables.shipment, tables.waiting
    query = select(s.c.id, s.c.tpp, s.c.export_date, s.c.first).join_from(w, s, s.c.id == w.c.shipment_id)
    query = query.where(w.c.account == account, s.c.id != but)
    rows = connection.execute(query.order_by(s.c.first).limit(most))
    count = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    return [AlsoWaiting(*row) for row in rows], int(count)
