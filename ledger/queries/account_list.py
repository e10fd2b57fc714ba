"""Accounts as they stand, page by page, with the days on which they are projected to be full."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, literal, or_, select

from ledger.database import tables
from ledger.database.paging import pages, some_of
from ledger.database.store import by_code_points, like
from ledger.database.sums import ExactSum
from ledger.queries.balances import Balance
from ledger.registers.accounts import projected
from schemas.times import DAY_MICROSECONDS, day_of

_PACES = (28, 90, 365)
"""Windows before the last tick, in days, whose paces bound a forecast."""
_THOUSAND = 1_000
_MOST = 1_001
"""How many accounts are read at a time; by use, all are compared each time."""


class AccountOrder(StrEnum):
    """The order of accounts: by path, or nearest to the limit first and then those without one."""

    PATH = "path"
    USED = "used"


class AccountPlace(NamedTuple):
    """The place of an account in the list: by use, whether it has no limit and how often it is used up, negated; by
    path, zeros.
    """

    unlimited: int
    whole: int
    part: int
    path: str


class Forecast(NamedTuple):
    """When an account is projected to be full, as days: as last announced, and the bounds that several paces give."""

    exhausted_on: str
    earliest: str | None
    latest: str | None


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account as it stands."""

    balance: Balance
    forecast: Forecast | None
    place: AccountPlace


def account_list(
    connection: Connection,
    patterns: Sequence[str] = (),
    order: AccountOrder = AccountOrder.PATH,
    after: AccountPlace | None = None,
    limit: int | None = None,
) -> Iterator[ListedAccount]:
    """The accounts that match one of the patterns, or all; those after a place and at most `limit`."""
    t, path = tables.account, by_code_points(connection, tables.account.c.path)
    unlimited, whole, part = _use() if order is AccountOrder.USED else (literal(0), literal(0), literal(0))
    query = select(t, unlimited.label("unlimited"), whole.label("whole"), part.label("part"))
    if patterns:
        query = query.where(or_(*(like(connection, t.c.path, pattern) for pattern in patterns)))
    keys = (unlimited, whole, part, path) if order is AccountOrder.USED else (path,)
    start = None if after is None else after[-len(keys) :]
    for page in pages(connection, query, keys, lambda row: _place(row)[-len(keys) :], start, limit, most=_MOST):
        forecasts = _forecasts(connection, [row for row in page if row.forecast is not None])
        for row in page:
            parts = row.pending, row.posted, row.attested, row.credits
            yield ListedAccount(Balance(row.path, row.limit, *parts, row.entries), forecasts.get(row.id), _place(row))


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as it stands: `full_on` is the day of exhaustion last announced."""

    balance: Balance
    full_on: str | None


def standing(connection: Connection, paths: Collection[str] | None = None) -> list[Standing]:
    """Every account as it stands, or those of these paths, in no order: one row of numbers for each."""
    t = tables.account
    parts = t.c.pending, t.c.posted, t.c.attested, t.c.credits
    query = select(t.c.path, t.c.limit, *parts, t.c.entries, t.c.forecast)
    found: list[Standing] = []
    for chosen in [query] if paths is None else (query.where(t.c.path.in_(some)) for some in some_of(paths)):
        found += [Standing(Balance(*row[:-1]), row[-1]) for row in connection.execute(chosen)]
    return found


def forecasts(connection: Connection, paths: Collection[str]) -> dict[str, Forecast]:
    """The forecasts of those of these accounts that have one, by path."""
    t = tables.account
    found = {}
    for some in some_of(paths):
        rows = connection.execute(select(t).where(t.c.path.in_(some), t.c.forecast.is_not(None))).all()
        known = _forecasts(connection, rows)
        found.update({row.path: known[row.id] for row in rows})
    return found


class Waits(NamedTuple):
    """What waits for room on an account: holds whose export date is to come, their TPP, and those whose is past."""

    holds: int = 0
    tpp: int = 0
    past: int = 0


def waits(connection: Connection, today: date, paths: Collection[str] | None = None) -> dict[str, Waits]:
    """What waits for room on each account, or on those of these paths; only accounts for which a hold waits."""
    w, s = tables.waiting, tables.shipment
    to_come = s.c.export_date >= today.isoformat()
    query = select(
        w.c.account,
        func.count(case((to_come, 1))).label("holds"),
        ExactSum(case((to_come, s.c.tpp), else_=0)).label("tpp"),
        func.count().label("every"),
    ).join_from(w, s, s.c.id == w.c.shipment_id)
    found = {}
    for chosen in [query] if paths is None else (query.where(w.c.account.in_(some)) for some in some_of(paths)):
        for row in connection.execute(chosen.group_by(w.c.account)):
            found[row.account] = Waits(int(row.holds), row.tpp, int(row.every) - int(row.holds))
    return found


class WaitingHold(NamedTuple):
    """A held shipment that waits for room: its TPP, and its export date."""

    id: str
    tpp: int
    export_date: str


def waiting_holds(connection: Connection, path: str, limit: int) -> list[WaitingHold]:
    """The held shipments that wait for room on an account, those that leave last first, at most `limit`."""
    w, s = tables.waiting, tables.shipment
    query = (
        select(s.c.id, s.c.tpp, s.c.export_date)
        .join_from(w, s, s.c.id == w.c.shipment_id)
        .where(w.c.account == path)
        .order_by(s.c.export_date.desc(), s.c.first)
        .limit(limit)
    )
    return [WaitingHold(*row) for row in connection.execute(query)]


def beside(connection: Connection, path: str) -> tuple[str | None, str | None]:
    """The paths of the account before this one and of the next, by path; this one need not exist."""
    key = by_code_points(connection, tables.account.c.path)
    before = select(tables.account.c.path).where(key < path).order_by(key.desc()).limit(1)
    after = select(tables.account.c.path).where(key > path).order_by(key).limit(1)
    return connection.execute(before).scalar(), connection.execute(after).scalar()


def fullest(connection: Connection, most: int) -> dict[str, int]:
    """The accounts nearest to their limits, with their `used` in millionths; none without a limit."""
    t, (unlimited, whole, part) = tables.account, _use()
    query = (
        select(t.c.path, whole.label("whole"), part.label("part"))
        .where(unlimited == 0)
        .order_by(whole, part, by_code_points(connection, t.c.path))
        .limit(most)
    )
    return {row.path: -(row.whole * _THOUSAND * _THOUSAND + row.part) for row in connection.execute(query)}


def _place(row: Any) -> AccountPlace:
    return AccountPlace(row.unlimited, row.whole, row.part, row.path)


def _use() -> tuple[ColumnElement[int], ColumnElement[int], ColumnElement[int]]:
    """Whether an account has no limit, then its `used` in whole limits and in millionths, negated.

    A product of a balance and 1,000 fits 64 bits, one of a million would not: it is divided in two steps.
    """
    t = tables.account
    balance = t.c.pending + t.c.posted + t.c.attested - t.c.credits
    rest = (balance % t.c.limit) * _THOUSAND
    part = (rest // t.c.limit) * _THOUSAND + (rest % t.c.limit) * _THOUSAND // t.c.limit
    none, closed, below = t.c.limit.is_(None), t.c.limit == 0, balance < 0
    whole = case((none, 0), (closed, -1), (below, 0), else_=-(balance // t.c.limit))
    return case((none, 1), else_=0), whole, case((none | closed | below, 0), else_=-part)


def _forecasts(connection: Connection, rows: Sequence[Any]) -> dict[int, Forecast]:
    """The forecasts of accounts that have one, by the account's id."""
    ticked = connection.execute(select(tables.head.c.ticked)).scalar_one()
    grown = {} if ticked is None or not rows else _growth(connection, [row.id for row in rows], ticked)
    found = {}
    for row in rows:
        days = _days(row, grown.get(row.id), ticked)
        found[row.id] = Forecast(row.forecast, min(days, default=None), max(days, default=None))
    return found


def _days(row: Any, grown: Mapping[int, int] | None, ticked: int) -> list[str]:
    """The days on which an account is full at each of the paces at which it is within a year."""
    left = None if row.limit is None else row.limit - (row.pending + row.posted + row.attested - row.credits)
    if grown is None or left is None or left <= 0:
        return []
    days = (projected(row.path, left, grown[pace], day_of(ticked), pace) for pace in _PACES)
    return [day.isoformat() for day in days if day is not None]


def _growth(connection: Connection, ids: Sequence[int], ticked: int) -> dict[int, dict[int, int]]:
    """How much accounts grew in each window before the last tick, by id and window in days."""
    e, j = tables.entry, tables.journal
    change = e.c.pending + e.c.posted - e.c.credits
    sums = [
        ExactSum(case((j.c.happened > ticked - pace * DAY_MICROSECONDS, change), else_=0)).label(f"grown{pace}")
        for pace in _PACES
    ]
    query = (
        select(e.c.account, *sums)
        .join_from(e, j, e.c.n == j.c.n)
        .where(e.c.account.in_(ids), j.c.happened > ticked - max(_PACES) * DAY_MICROSECONDS, j.c.happened <= ticked)
        .group_by(e.c.account)
    )
    return {row.account: {pace: getattr(row, f"grown{pace}") for pace in _PACES} for row in connection.execute(query)}
