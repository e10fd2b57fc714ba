"""The work list: held shipments with their reasons, and obligations."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Select, Subquery, case, exists, false, func, null, select, tuple_

from ledger.database import tables
from ledger.database.paging import PAGE, pages
from ledger.database.rows import stored
from ledger.database.store import by_code_points, like, within
from ledger.queries.shipment_list import ShipmentFilter, ShipmentRequest, records, requests
from ledger.registers.shipments import HELD_STATES
from schemas.kinds import LEFT_WITHOUT_APPROVAL, RETENTION
from schemas.times import DAY_MICROSECONDS, day_of, end_of_day

Place = tuple[ColumnElement[Any], ColumnElement[Any]]
"""What a list is ordered by: no two of its rows have the same."""

_SHIPMENT = "shipment/"
_AGES = (1, 7, 30)
"""The days at which holds are counted apart."""
SOON_DAYS = 7
_COLUMNS = (
    tables.shipment.c.state, tables.shipment.c.held, tables.shipment.c.asked, tables.shipment.c.export_date,
    tables.shipment.c.ship_to, tables.shipment.c.tpp, tables.shipment.c.codes,
    tables.journal.c.happened.label("asked_at"),
)  # fmt: skip


class HoldOrder(StrEnum):
    """The order of holds, after those that left without an approval: oldest, soonest or largest first."""

    AGE = "age"
    EXPORT_DATE = "export-date"
    TPP = "tpp"


class HoldPlace(NamedTuple):
    """The place of a hold in the list: whether it left without an approval, and what it is ordered by."""

    held: bool
    key: int | str
    tie: int | str


class Waits(NamedTuple):
    """A question about a hold: whether it waits for room on an account that matches `every`, and not `but`."""

    every: str
    but: str


@dataclass(frozen=True, slots=True)
class HoldFilter:
    """Which holds: of a code, with a party, to a country, that wait for room on an account that matches a pattern.

    `until`: those that have waited since this day or an earlier one. `leaves`: with an export date from the first of
    these days to the second, inclusive. `left`: those that left without an approval alone, or the others alone. `ids`:
    these shipments. `kinds`: those with exactly these codes and, where it is given, this answer to `waits`.
    """

    code: str | None = None
    party: str | None = None
    country: str | None = None
    account: str | None = None
    until: date | None = None
    leaves: tuple[date | None, date | None] = (None, None)
    left: bool | None = None
    ids: Collection[str] | None = None
    kinds: Collection[tuple[str, bool]] | None = None
    waits: Waits | None = None


EVERY = HoldFilter()


@dataclass(frozen=True, slots=True)
class Hold:
    """A held shipment, or one that left without an approval: `left` is the day. `record` is that of the present hold.

    `since` is the day since which it waits: on which it left, else on which the request or amendment in force came.
    Of a shipment that was never requested only the departure is known.
    """

    id: str
    state: str | None
    record: int
    happened: int
    export_date: str
    country: str | None
    tpp: int | None
    left: str | None
    since: date
    reasons: Sequence[dict[str, Any]]
    request: ShipmentRequest | None
    place: HoldPlace


@dataclass(frozen=True, slots=True)
class HoldCount:
    """Holds of one code: how many, their TPP, and the day since which the oldest waits."""

    code: str
    holds: int
    tpp: int
    since: date


def holds(
    connection: Connection,
    wanted: HoldFilter = EVERY,
    order: HoldOrder = HoldOrder.AGE,
    after: HoldPlace | None = None,
    limit: int | None = None,
) -> Iterator[Hold]:
    """Held shipments with the reasons of their present holds, those after a place and at most `limit`.

    First come those that left without an approval, held or not, known or not, until that obligation is met.
    """
    for held, (query, keys) in enumerate((_left(connection, wanted), _held(connection, wanted, order))):
        if (after is not None and after.held > held) or wanted.left is bool(held):
            continue
        start = (after.key, after.tie) if after is not None and after.held == held else None
        for page in pages(connection, query, keys, lambda row: (row.key, row.tie), start, limit):
            yield from _read(connection, page, held=bool(held))
            limit = None if limit is None else limit - len(page)


def _left(connection: Connection, wanted: HoldFilter) -> tuple[Select[Any], Place]:
    """Shipments that left without an approval, each once, and their places: in the order of those records."""
    s, j, left = tables.shipment, tables.journal, departed()
    query = (
        select(left.c.id, left.c.n, left.c.due.label("left"), *_COLUMNS, left.c.n.label("key"), left.c.id.label("tie"))
        .select_from(left.outerjoin(s, s.c.id == left.c.id).outerjoin(j, j.c.n == s.c.asked))
        .where(*_conditions(connection, wanted))
    )
    if wanted.until is not None:
        query = query.where(left.c.due <= wanted.until.isoformat())
    return query, (left.c.n, by_code_points(connection, left.c.id))


def _held(connection: Connection, wanted: HoldFilter, order: HoldOrder) -> tuple[Select[Any], Place]:
    """Held shipments that did not leave without an approval, and their places in an order."""
    s, j = tables.shipment, tables.journal
    keys: dict[HoldOrder, ColumnElement[Any]] = {
        HoldOrder.AGE: s.c.first,
        HoldOrder.EXPORT_DATE: s.c.export_date,
        HoldOrder.TPP: -s.c.tpp,
    }
    none = (null().label("n"), null().label("left"))
    query = (
        select(s.c.id, *none, *_COLUMNS, keys[order].label("key"), s.c.first.label("tie"))
        .join_from(s, j, j.c.n == s.c.asked)
        .where(s.c.state.in_(HELD_STATES), s.c.id.not_in(select(departed().c.id)))
        .where(*_conditions(connection, wanted))
    )
    if wanted.until is not None:
        query = query.where(j.c.happened <= end_of_day(wanted.until))
    return query, (keys[order], s.c.first)


def departed() -> Subquery:
    """The open obligations of shipments that left without an approval: of each shipment the first."""
    o, earlier = tables.obligation, tables.obligation.alias()
    before = exists().where(
        earlier.c.subject == o.c.subject,
        earlier.c.kind == LEFT_WITHOUT_APPROVAL,
        earlier.c.state == "open",
        tuple_(earlier.c.n, earlier.c.due) < tuple_(o.c.n, o.c.due),
    )
    of = func.substr(o.c.subject, len(_SHIPMENT) + 1)
    return select(of.label("id"), o.c.n, o.c.due).where(tables.left_open(), ~before).subquery()


def _conditions(connection: Connection, wanted: HoldFilter) -> list[ColumnElement[bool]]:
    """The conditions on the table of shipments."""
    s, w = tables.shipment, tables.waiting
    first, last = wanted.leaves
    found = ShipmentFilter(party=wanted.party, country=wanted.country, first=first, last=last).conditions(connection)
    if wanted.code is not None:
        found.append(within(connection, s.c.codes, wanted.code))
    if wanted.account is not None:
        found.append(s.c.id.in_(select(w.c.shipment_id).where(like(connection, w.c.account, wanted.account))))
    if wanted.ids is not None:
        found.append(s.c.id.in_(wanted.ids))
    if wanted.kinds is not None:
        answer = false() if wanted.waits is None else waits(connection, wanted.waits)
        found.append(reduce(or_, ((s.c.codes == codes) & (answer == yes) for codes, yes in wanted.kinds), false()))
    return found


def waits(connection: Connection, asked: Waits) -> ColumnElement[bool]:
    """The condition that a shipment waits for room on such an account."""
    w = tables.waiting
    mine = (w.c.shipment_id == tables.shipment.c.id) & like(connection, w.c.account, asked.every)
    return exists().where(mine, ~like(connection, w.c.account, asked.but))


def _read(connection: Connection, page: Sequence[Any], *, held: bool) -> list[Hold]:
    """The holds of a page, with what their records say."""
    decided = {row.n: row for row in records(connection, {row.held or row.n for row in page}, "answers")}
    asked = requests(connection, {row.asked for row in page if row.asked})
    found = []
    for row in page:
        record = row.held or row.n
        with stored(f"the hold of shipment {row.id}"):
            found.append(
                Hold(
                    row.id, row.state, record, decided[record].happened, row.export_date or row.left, row.ship_to,
                    row.tpp, row.left, _since(row), _reasons(row.id, decided[record].answers),
                    asked[row.asked] if row.asked else None, HoldPlace(held, row.key, row.tie),
                )
            )  # fmt: skip
    return found


def _since(row: Any) -> date:
    """The day since which a shipment waits."""
    return day_of(row.asked_at) if row.left is None else date.fromisoformat(row.left)


def _reasons(shipment: str, answers: Iterable[str]) -> list[dict[str, Any]]:
    """The reasons of the hold that answers tell of a shipment."""
    decided = (data for data in map(_data, answers) if data.get("shipment_id") == shipment)
    return next((data["reasons"] for data in decided if data.get("outcome") == "held"), [])


def _data(answer: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(answer)["data"]
    return data


def hold_counts(connection: Connection, wanted: HoldFilter = EVERY) -> list[HoldCount]:
    """Holds by code, the most frequent first; one of several codes counts under each of them.

    Shipments that left without an approval also count under that kind, which comes first.
    """
    found: dict[str, HoldCount] = {}
    for query in (_left(connection, wanted)[0], _held(connection, wanted, HoldOrder.AGE)[0]):
        for row in connection.execute(query, execution_options={"yield_per": PAGE}):
            with stored(f"the hold of shipment {row.id}"):
                since, tpp = _since(row), row.tpp or 0
                for code in ([LEFT_WITHOUT_APPROVAL] if row.left else []) + (row.codes or "").split():
                    one = found.get(code, HoldCount(code, 0, 0, since))
                    found[code] = HoldCount(code, one.holds + 1, one.tpp + tpp, min(one.since, since))
    return sorted(found.values(), key=lambda one: (one.code != LEFT_WITHOUT_APPROVAL, -one.holds, one.code))


def held_count(connection: Connection) -> int:
    """How many shipments are held, by the index of their states."""
    s = tables.shipment
    return int(connection.execute(select(func.count()).where(s.c.state.in_(HELD_STATES))).scalar_one())


@dataclass(frozen=True, slots=True)
class HoldAges:
    """How many holds have waited up to 1, 7 and 30 days, and longer: of all, each once, and by reason code."""

    all: Sequence[int]
    by_code: dict[str, list[int]]


def hold_ages(connection: Connection, now: int) -> HoldAges:
    """The holds of shipments by their age at an instant, in microseconds: since the request in force came.

    Reads one row of the journal for each hold.
    """
    s, j = tables.shipment, tables.journal
    asked = select(j.c.happened).where(j.c.n == s.c.asked).scalar_subquery()
    held = select(s.c.codes, asked.label("since")).where(s.c.state.in_(HELD_STATES)).subquery()
    age = case(*((held.c.since > now - days * DAY_MICROSECONDS, at) for at, days in enumerate(_AGES)), else_=len(_AGES))
    query = select(held.c.codes, age.label("age"), func.count().label("holds")).group_by(held.c.codes, "age")
    every, by_code = [0] * (len(_AGES) + 1), dict[str, list[int]]()
    for row in connection.execute(query):
        every[row.age] += row.holds
        for code in row.codes.split():
            by_code.setdefault(code, [0] * (len(_AGES) + 1))[row.age] += row.holds
    return HoldAges(every, by_code)


def departures(connection: Connection, shipment: str) -> list[dict[str, Any]]:
    """The obligations of a shipment that left without an approval, as decisions name obligations, with their states."""
    o = tables.obligation
    chosen = (o.c.subject == f"{_SHIPMENT}{shipment}") & (o.c.kind == LEFT_WITHOUT_APPROVAL)
    query = select(o.c.kind, o.c.due, o.c.citation, o.c.state).where(chosen).order_by(o.c.due)
    return [dict(row) for row in connection.execute(query).mappings()]


def ended(connection: Connection, subjects: Collection[str]) -> dict[tuple[str, str, str], str]:
    """The obligations of these subjects that were met or withdrawn: their states by subject, kind and day."""
    t = tables.obligation
    query = select(t.c.subject, t.c.kind, t.c.due, t.c.state).where(t.c.subject.in_(subjects), t.c.state != "open")
    return {(row.subject, row.kind, row.due): row.state for row in connection.execute(query)}


def waiting_on(connection: Connection, account: str) -> list[str]:
    """The held shipments that found no room on an account, the oldest first."""
    s, w = tables.shipment, tables.waiting
    query = select(s.c.id).join_from(w, s, s.c.id == w.c.shipment_id).where(w.c.account == account).order_by(s.c.first)
    return list(connection.execute(query).scalars())


class ObligationPlace(NamedTuple):
    """The place of an obligation in the list: 0 overdue, 1 to be met, 2 records to keep; then its key."""

    rank: int
    due: str
    subject: str
    kind: str


@dataclass(frozen=True, slots=True)
class ListedObligation:
    """An obligation of a subject, `shipment/ID` or `party/ID`; `record` is the one whose decision it follows from.

    `overdue` is None where no day is known.
    """

    subject: str
    kind: str
    due: str
    citation: str
    state: str
    record: int
    overdue: bool | None
    place: ObligationPlace


def obligations(
    connection: Connection,
    today: date | None,
    due_by: date | None = None,
    state: str | None = "open",
    after: ObligationPlace | None = None,
    limit: int | None = None,
    *,
    ranked: date | None = None,
    subject: str | None = None,
    most: int = PAGE,
) -> Iterator[ListedObligation]:
    """Obligations in a state, or in every state: what is overdue on a day, what falls due, then records to keep.

    Each part by day; those after a place and at most `limit`. `due_by`: those due on or before this day. `ranked`: the
    day on which what comes first is overdue, so that no place changes from page to page; `today` by default. `most`
    are read at a time.
    """
    t, ranked = tables.obligation, ranked or today
    late = (t.c.state == "open") & (t.c.due < ranked.isoformat()) if ranked else false()
    rank = case((t.c.kind == RETENTION, 2), (late, 0), else_=1)
    keys = (rank, t.c.due, by_code_points(connection, t.c.subject), by_code_points(connection, t.c.kind))
    query = select(t.c.subject, t.c.kind, t.c.due, t.c.citation, t.c.state, t.c.n, rank.label("rank"))
    if state is not None:
        query = query.where(t.c.state == state)
    if due_by is not None:
        query = query.where(t.c.due <= due_by.isoformat())
    if subject is not None:
        query = query.where(t.c.subject == subject)
    for page in pages(connection, query, keys, _place, after, limit, most=most):
        for row in page:
            awaited = row.state == "open" and row.kind != RETENTION
            overdue = None if today is None else awaited and row.due < today.isoformat()
            yield ListedObligation(row.subject, row.kind, row.due, row.citation, row.state, row.n, overdue, _place(row))


def _place(row: Any) -> ObligationPlace:
    return ObligationPlace(row.rank, row.due, row.subject, row.kind)


def ledger_day(connection: Connection) -> date | None:
    """The UTC day of the last tick, the only way in which time passes; None before the first."""
    ticked = connection.execute(select(tables.head.c.ticked)).scalar_one()
    return None if ticked is None else day_of(ticked)


def obligations_due(connection: Connection, now: int) -> dict[str, int]:
    """How many open obligations are `overdue`, `due` today, and due `soon`, within SOON_DAYS; records to keep left out.

    The day is that of the last tick; before the first, of `now`, in microseconds.
    """
    t, today = tables.obligation, ledger_day(connection) or day_of(now)
    soon = today + timedelta(days=SOON_DAYS)
    state = case((t.c.due < today.isoformat(), "overdue"), (t.c.due == today.isoformat(), "due"), else_="soon")
    chosen = (t.c.state == "open", t.c.due <= soon.isoformat(), t.c.kind != RETENTION)
    query = select(state.label("status"), func.count().label("many")).where(*chosen).group_by("status")
    found = {str(row.status): int(row.many) for row in connection.execute(query)}
    return {name: found.get(name, 0) for name in ("overdue", "due", "soon")}
