"""Obligations in the parts of a page, each a list of its own, so that no part hides another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, literal, select

from ledger.database import tables
from ledger.database.paging import pages
from ledger.database.store import by_code_points, like
from ledger.queries.shipment_list import ShipmentFilter
from ledger.queries.work_list import ListedObligation, ObligationPlace
from schemas.kinds import LEFT_WITHOUT_APPROVAL, RETENTION

SOON_DAYS = 14
"""How many days ahead a part of the page looks."""


class Part(StrEnum):
    """A part of the open obligations: by their days, but for goods that left, and for records to keep."""

    LEFT = "left"
    OVERDUE = "overdue"
    TODAY = "today"
    SOON = "soon"
    LATER = "later"
    KEEP = "keep"


class DutyPlace(NamedTuple):
    """The place of an obligation in its part."""

    due: str
    subject: str
    kind: str


@dataclass(frozen=True, slots=True)
class DutyFilter:
    """Which obligations: of a kind, due on or before a day, of a shipment or of a party and its shipments."""

    kind: str | None = None
    due_by: date | None = None
    about: str | None = None

    def conditions(self, connection: Connection) -> list[ColumnElement[bool]]:
        """The conditions on the table of obligations."""
        t, s, found = tables.obligation, tables.shipment, list[ColumnElement[bool]]()
        if self.kind is not None:
            found.append(t.c.kind == self.kind)
        if self.due_by is not None:
            found.append(t.c.due <= self.due_by.isoformat())
        if self.about is not None:
            named = ShipmentFilter(party=self.about).conditions(connection)
            whose = select(literal("shipment/") + s.c.id).where(*named)
            found.append(t.c.subject.in_([f"shipment/{self.about}", f"party/{self.about}"]) | t.c.subject.in_(whose))
        return found


EVERY = DutyFilter()


def open_duties(
    connection: Connection, today: date, part: Part, wanted: DutyFilter, after: DutyPlace | None, limit: int
) -> list[ListedObligation]:
    """The open obligations of a part, the first due first: those after a place, at most `limit`."""
    conditions = (tables.obligation.c.state == "open", *_within(part, today), *wanted.conditions(connection))
    return list(_listed(connection, today, conditions, after, limit))


def ended_duties(
    connection: Connection, today: date, state: str, wanted: DutyFilter, after: DutyPlace | None, limit: int
) -> list[ListedObligation]:
    """The obligations that were `met` or `withdrawn`, the last due first: those after a place, at most `limit`."""
    conditions = (tables.obligation.c.state == state, *wanted.conditions(connection))
    return list(_listed(connection, today, conditions, after, limit, descending=True))


def one_duty(connection: Connection, today: date, subject: str, kind: str, due: str) -> ListedObligation | None:
    """An obligation in whatever state; None if there is none."""
    t = tables.obligation
    this = (t.c.subject == subject, t.c.kind == kind, t.c.due == due)
    return next(_listed(connection, today, this, None, 1), None)


def ended_of_parties(connection: Connection, today: date, most: int) -> list[ListedObligation]:
    """Obligations of parties that were met or withdrawn, those of the last decisions first, at most so many."""
    t = tables.obligation
    chosen = (like(connection, t.c.subject, "party/*"), t.c.state != "open")
    rows = connection.execute(select(*_COLUMNS).where(*chosen).order_by(t.c.n.desc(), t.c.kind, t.c.due).limit(most))
    return [_one(row, today) for row in rows]


def duty_counts(connection: Connection, today: date, wanted: DutyFilter = EVERY) -> Mapping[Part, int]:
    """How many open obligations each part has, but for those due later and records to keep, which are not counted."""
    t = tables.obligation
    soon = (today + timedelta(days=SOON_DAYS)).isoformat()
    part = case(
        (t.c.kind == LEFT_WITHOUT_APPROVAL, str(Part.LEFT)),
        (t.c.due < today.isoformat(), str(Part.OVERDUE)),
        (t.c.due == today.isoformat(), str(Part.TODAY)),
        else_=str(Part.SOON),
    )
    due = (t.c.due <= soon) | (t.c.kind == LEFT_WITHOUT_APPROVAL)
    chosen = (t.c.state == "open", t.c.kind != RETENTION, due, *wanted.conditions(connection))
    query = select(part.label("part"), func.count().label("many")).where(*chosen).group_by("part")
    found = {str(row.part): int(row.many) for row in connection.execute(query)}
    return {part: found.get(part, 0) for part in (Part.LEFT, Part.OVERDUE, Part.TODAY, Part.SOON)}


_T = tables.obligation
_COLUMNS = (_T.c.subject, _T.c.kind, _T.c.due, _T.c.citation, _T.c.state, _T.c.n)


def _within(part: Part, today: date) -> Sequence[ColumnElement[bool]]:
    t, day, soon = tables.obligation, today.isoformat(), (today + timedelta(days=SOON_DAYS)).isoformat()
    if part is Part.LEFT:
        return (t.c.kind == LEFT_WITHOUT_APPROVAL,)
    if part is Part.KEEP:
        return (t.c.kind == RETENTION,)
    bounds: dict[Part, tuple[ColumnElement[bool], ...]] = {
        Part.OVERDUE: (t.c.due < day,),
        Part.TODAY: (t.c.due == day,),
        Part.SOON: (t.c.due > day, t.c.due <= soon),
        Part.LATER: (t.c.due > soon,),
    }
    return (*bounds[part], t.c.kind.not_in((LEFT_WITHOUT_APPROVAL, RETENTION)))


def _listed(
    connection: Connection, today: date, conditions: Sequence[ColumnElement[bool]], after: DutyPlace | None,
    limit: int, *, descending: bool = False,
) -> Iterator[ListedObligation]:  # fmt: skip
    t = tables.obligation
    keys = (t.c.due, by_code_points(connection, t.c.subject), by_code_points(connection, t.c.kind))
    query = select(*_COLUMNS).where(*conditions)
    for page in pages(connection, query, keys, _place, after, limit, descending=descending):
        for row in page:
            yield _one(row, today)


def _place(row: Any) -> DutyPlace:
    return DutyPlace(row.due, row.subject, row.kind)


def _one(row: Any, today: date) -> ListedObligation:
    overdue = row.state == "open" and row.kind != RETENTION and row.due < today.isoformat()
    place = ObligationPlace(0, row.due, row.subject, row.kind)
    return ListedObligation(row.subject, row.kind, row.due, row.citation, row.state, row.n, overdue, place)
