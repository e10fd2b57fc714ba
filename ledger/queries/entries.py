"""The rows of the books: entries, accounts over a period, and statements (docs/contract/books.md)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from ledger.database import tables
from ledger.queries.balances import NOW, Moment, balances, bounds
from schemas import accounts

PARTS = ("pending", "posted", "attested", "credits")
Row = tuple[Any, ...]
_NO_CAUSE = (None, None, None, None)
"""Of an opening and a closing: no entry, shipment, source and event."""


@dataclass(frozen=True, slots=True)
class Span:
    """Booked days, both included, None where open; of the records that `moment` lets in."""

    first: date | None = None
    last: date | None = None
    moment: Moment = NOW

    @property
    def until(self) -> list[ColumnElement[bool]]:
        """The conditions on entries and their records up to the last day."""
        booked = tables.entry.c.booked
        return [*bounds(self.moment), *([booked <= self.last.isoformat()] if self.last else [])]

    @property
    def within(self) -> ColumnElement[bool]:
        """The condition that an entry is not of before the first day."""
        return tables.entry.c.booked >= (self.first.isoformat() if self.first else "")


def change(parts: Sequence[int]) -> int:
    """What four parts do to a balance: pending + posted + attested - credits."""
    return parts[0] + parts[1] + parts[2] - parts[3]


def kind(type: str) -> str:
    """The type of an event as the books tell it.

    >>> kind("tpp.shipment.requested.v1")
    'shipment.requested'
    """
    return type.removeprefix("tpp.").removesuffix(".v1")


def openings(connection: Connection, span: Span) -> dict[str, tuple[int, int, int, int]]:
    """The parts of each account before the span's first day; only those that had entries by then."""
    a, e, j = tables.account, tables.entry, tables.journal
    if span.first is None:
        return {}
    query = (
        select(a.c.path, *(func.sum(e.c[part]) for part in PARTS))
        .join_from(e, a, e.c.account == a.c.id)
        .join(j, e.c.n == j.c.n)
        .where(*bounds(span.moment), ~span.within)
        .group_by(a.c.path)
    )
    return {row[0]: (int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in connection.execute(query)}


def entries(connection: Connection, span: Span, paths: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of `statement` between opening and closing, by account, booked day and entry.

    The balance is the running one in this order; `paths`: of these accounts alone.
    """
    a, e, j = tables.account, tables.entry, tables.journal
    path = a.c.path.collate("C") if connection.dialect.name == "postgresql" else a.c.path
    query = (
        select(
            j.c.type, e.c.booked, j.c.happened, j.c.recorded, e.c.n, a.c.path, e.c.entry, e.c.shipment_id,
            j.c.source, j.c.id, e.c.pending, e.c.posted, e.c.attested, e.c.credits, e.c.late_for,
        )
        .join_from(e, a, e.c.account == a.c.id)
        .join(j, e.c.n == j.c.n)
        .where(*span.until, span.within)
        .order_by(path, e.c.booked, e.c.entry)
    )  # fmt: skip
    if paths is not None:
        query = query.where(a.c.path.in_(paths))
    before = openings(connection, span)
    account, balance = None, 0
    for row in connection.execute(query, execution_options={"yield_per": 5_000}):
        if row[5] != account:
            account = row[5]
            balance = change(before.get(row[5], (0, 0, 0, 0)))
        moved = change(row[10:14])
        balance += moved
        yield (kind(row[0]), *row[1:14], moved, balance, row[14])


def without_recorded(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows of `statement` as rows of `entries`: when the ledger learned of an entry is no part of a snapshot."""
    return (row[:3] + row[4:] for row in rows)


def accounts_over(connection: Connection, span: Span, as_of: Moment) -> list[Row]:
    """The rows of `accounts`, by path: parts at the end of the span, and the number of entries within it.

    `as_of` is the moment for the limits; an account of which only a limit was set has no amounts.
    """
    a, e, j = tables.account, tables.entry, tables.journal
    before = openings(connection, span)
    limits = {one.account: one.limit for one in balances(connection, (), as_of)}
    query = (
        select(a.c.path, *(func.sum(e.c[part]) for part in PARTS), func.sum(case((span.within, 1), else_=0)))
        .join_from(e, a, e.c.account == a.c.id)
        .join(j, e.c.n == j.c.n)
        .where(*span.until)
        .group_by(a.c.path)
    )
    found: dict[str, Row] = {path: (path, limit, 0, 0, 0, 0, 0, 0, 0) for path, limit in limits.items()}
    for row in connection.execute(query):
        path, parts = row[0], [int(amount) for amount in row[1:5]]
        opening = change(before.get(path, (0, 0, 0, 0)))
        found[path] = (path, limits.get(path), opening, *parts, change(parts), int(row[5]))
    return [found[path] for path in sorted(found)]


def matching(connection: Connection, pattern: str) -> list[str]:
    """The paths of the accounts that fit a pattern, sorted."""
    paths = connection.execute(select(tables.account.c.path)).scalars()
    return sorted(path for path in paths if accounts.matches(pattern, path))


def statement(connection: Connection, paths: Sequence[str], span: Span) -> Iterator[Row]:
    """The rows of `statement` of accounts in the order of their paths: of each opening, entries and closing."""
    before = openings(connection, span)
    rows = entries(connection, span, paths if len(paths) == 1 else None)
    wanted = set(paths)
    groups = groupby((row for row in rows if row[5] in wanted), key=itemgetter(5))
    account, moved = next(groups, (None, iter(())))
    for path in paths:
        parts = before.get(path, (0, 0, 0, 0))
        balance = change(parts)
        yield ("opening", _day(span.first), None, None, None, path, *_NO_CAUSE, *parts, balance, balance, None)
        if path == account:
            for row in moved:
                yield row
                balance = row[15]
            account, moved = next(groups, (None, iter(())))
        yield ("closing", _day(span.last), None, None, None, path, *_NO_CAUSE, 0, 0, 0, 0, 0, balance, None)


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
