"""Until when records must be kept: 15 CFR 762.6(a)."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.database.rows import stored
from schemas.codes import State
from schemas.event_types import SHIPMENT_RETURNED
from schemas.kinds import LEFT_WITHOUT_APPROVAL
from schemas.models.incoming import Returned
from schemas.times import day_of
from schemas.wire.read import Event, read_record

YEARS = 5
"""Five years from the latest of the export, any known reexport or diversion, or any other termination."""

_LEFT = frozenset({State.DISPATCHED, State.HELD_AT_DISPATCH})
_ENDED = frozenset({State.CANCELLED, State.DENIED, State.EXPIRED})
_SHIPMENT = "shipment/"


class Kept(NamedTuple):
    """A shipment with its state, its last day and the day until which its records must be kept.

    `state` is None if goods left of a shipment that was never requested; both days are None while it may still leave.
    """

    shipment_id: str
    state: str | None
    last: date | None
    keep_until: date | None


def retention(connection: Connection) -> Iterator[Kept]:
    """Every shipment of the ledger, by its id.

    Its last day is that of the last export or return that the ledger knows, without an approval too, or that on which
    it was cancelled, denied or lapsed.
    """
    j, s = tables.journal, tables.shipment
    gone = _departures(connection)
    back = _returns(connection)
    found = {}
    query = select(s.c.id, s.c.state, s.c.export_date, j.c.happened).join_from(s, j, s.c.last == j.c.n)
    for row in connection.execute(query, execution_options={"yield_per": 1_000}):
        with stored(f"shipment {row.id}"):
            days = [days[row.id] for days in (gone, back) if row.id in days]
            if row.state in _LEFT:
                days.append(date.fromisoformat(row.export_date))
            elif row.state in _ENDED:
                days += [day_of(row.happened)] if row.happened is not None else []
            else:
                days = []
        found[row.id] = (row.state, max(days, default=None))
    found |= {name: (None, day) for name, day in gone.items() if name not in found}
    for name in sorted(found):
        state, last = found[name]
        yield Kept(name, state, last, last and _years_after(last))


def _departures(connection: Connection) -> Mapping[str, date]:
    """The last day on which goods of a shipment left without an approval."""
    o = tables.obligation
    query = select(o.c.subject, o.c.due).where(o.c.kind == LEFT_WITHOUT_APPROVAL).order_by(o.c.due)
    with stored("an obligation"):
        return {row.subject.removeprefix(_SHIPMENT): date.fromisoformat(row.due) for row in connection.execute(query)}


def _returns(connection: Connection) -> Mapping[str, date]:
    """The last day on which units of a shipment came back."""
    j = tables.journal
    found: dict[str, date] = {}
    query = select(j.c.event).where(j.c.type == SHIPMENT_RETURNED)
    for raw in connection.execute(query, execution_options={"yield_per": 1_000}).scalars():
        event = read_record(raw)
        if isinstance(event, Event) and isinstance(event.data, Returned):
            name, day = event.data.shipment_id, event.data.date
            found[name] = max(found.get(name, day), day)
    return found


def _years_after(day: date) -> date:
    """The same day five years later; of 29 February the 1st of March, which is not earlier."""
    try:
        return day.replace(year=day.year + YEARS)
    except ValueError:
        return date(day.year + YEARS, 3, 1)
