"""Obligations in the parts of a page, each a list of its own, so that no part hides another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, TextClause, func, select

from ledger.database import tables
from ledger.database.paging import pages
from ledger.database.store import by_code_points, like
from ledger.queries.shipment_list import ShipmentFilter
from ledger.queries.work_list import ListedObligation, ObligationPlace
from schemas.kinds import LEFT_WITHOUT_APPROVAL, RETENTION

SOON_DAYS = 14
"""How many days ahead a part of the page looks."""

SHIPMENTS = 10_000
"""The most shipments of a party whose obligations are told."""


COUNTED = 10_000
"""The most obligations that a page counts, of a part or of all."""


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
    """Which obligations: of a kind, due on or before a day, of these subjects, as `subjects_of` gives them."""

    kind: str | None = None
    due_by: date | None = None
    subjects: Sequence[str] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions on the table of obligations."""
        t, found = tables.obligation, list[ColumnElement[bool]]()
        if self.kind is not None:
            found.append(t.c.kind == self.kind)
        if self.due_by is not None:
            found.append(t.c.due <= self.due_by.isoformat())
        if self.subjects is not None:
            found.append(t.c.subject.in_(self.subjects))
        return found


EVERY = DutyFilter()


def subjects_of(connection: Connection, about: str) -> list[str]:
    """The subjects of a shipment's obligations, or of a party's and its shipments', of which the last SHIPMENTS."""
    s = tables.shipment
    named = ShipmentFilter(party=about).conditions(connection)
    shipments = connection.execute(select(s.c.id).where(*named).order_by(s.c.first.desc()).limit(SHIPMENTS)).scalars()
    return [f"shipment/{about}", f"party/{about}", *(f"shipment/{one}" for one in shipments)]


def open_duties(
    connection: Connection, today: date, part: Part, wanted: DutyFilter, after: DutyPlace | None, limit: int
) -> list[ListedObligation]:
    """The open obligations of a part, the first due first: those after a place, at most `limit`."""
    return list(_listed(connection, today, _of(part, today, wanted), after, limit))


def ended_duties(
    connection: Connection, today: date, state: str, wanted: DutyFilter, after: DutyPlace | None, limit: int
) -> list[ListedObligation]:
    """The obligations that were `met` or `withdrawn`, the last due first: those after a place, at most `limit`."""
    conditions = (tables.obligation.c.state == state, *wanted.conditions())
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


@dataclass(frozen=True, slots=True)
class DutyCounts:
    """How many open obligations the parts have; of each COUNTED if there are more."""

    left: int
    overdue: int
    today: int
    soon: int


def duty_counts(connection: Connection, today: date, wanted: DutyFilter = EVERY) -> DutyCounts:
    """The counts of the parts that look back and a little ahead."""
    parts = (Part.LEFT, Part.OVERDUE, Part.TODAY, Part.SOON)
    return DutyCounts(*(_some(connection, *_of(part, today, wanted)) for part in parts))


def duty_kinds(connection: Connection) -> list[str]:
    """The kinds of obligations that the ledger has; looks at the key of each."""
    t = tables.obligation
    return sorted(connection.execute(select(t.c.kind).distinct()).scalars())


_T = tables.obligation
_COLUMNS = (_T.c.subject, _T.c.kind, _T.c.due, _T.c.citation, _T.c.state, _T.c.n)


def _of(part: Part, today: date, wanted: DutyFilter) -> Sequence[ColumnElement[bool] | TextClause]:
    """The conditions on the open obligations of a part."""
    if part is Part.LEFT:
        return (tables.left_open(), *wanted.conditions())
    state: ColumnElement[str] = tables.obligation.c.state
    if wanted.subjects is not None:
        state = state + ""  # few are meant: the index of the open ones, which are many, is not to be used
    return (state == "open", *_within(part, today), *wanted.conditions())


def _within(part: Part, today: date) -> Sequence[ColumnElement[bool]]:
    t, day, soon = tables.obligation, today.isoformat(), (today + timedelta(days=SOON_DAYS)).isoformat()
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
    connection: Connection, today: date, conditions: Sequence[ColumnElement[bool] | TextClause],
    after: DutyPlace | None, limit: int, *, descending: bool = False,
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


def overdue_count(connection: Connection, today: date) -> int:
    """How many open obligations are overdue on a day, records to keep left out; COUNTED if there are more."""
    t = tables.obligation
    return _some(connection, t.c.state == "open", t.c.due < today.isoformat(), t.c.kind != RETENTION)


def _some(connection: Connection, *chosen: ColumnElement[bool] | TextClause) -> int:
    """How many obligations fit the conditions; COUNTED if there are more."""
    some = select(tables.obligation.c.due).where(*chosen).limit(COUNTED).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())
