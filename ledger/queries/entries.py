"""Entries of accounts over a span of booked days, and the accounts at its end (docs/contract/books.md)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, case, func, select

from ledger.database import tables
from ledger.database.paging import pages
from ledger.database.sums import ExactSum
from ledger.queries.balances import NOW, Moment, balances, bounds
from schemas.event_types import short_name

PARTS = ("pending", "posted", "attested", "credits")


class Parts(NamedTuple):
    """The four parts of an account or of an entry, in TPP."""

    pending: int = 0
    posted: int = 0
    attested: int = 0
    credits: int = 0

    @property
    def change(self) -> int:
        """The change of the balance."""
        return self.pending + self.posted + self.attested - self.credits


NOTHING = Parts()


class StatementRow(NamedTuple):
    """A row of the table `statement`: a tuple of its columns in their order, which export writers use directly.

    An opening and a closing have no entry, shipment, source or event.
    """

    kind: str
    booked: str | None
    happened: int | None
    recorded: int | None
    record: int | None
    account: str
    entry: int | None
    shipment_id: str | None
    source: str | None
    event_id: str | None
    pending: int
    posted: int
    attested: int
    credits: int
    change: int
    balance: int
    late_for: str | None


class AccountRow(NamedTuple):
    """A row of the table `accounts`: a tuple of its columns in their order."""

    account: str
    limit: int | None
    opening: int = 0
    pending: int = 0
    posted: int = 0
    attested: int = 0
    credits: int = 0
    closing: int = 0
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Booked days, inclusive, None for no bound; only of the records within `moment`."""

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
        """The condition that an entry is not booked before the first day."""
        return tables.entry.c.booked >= (self.first.isoformat() if self.first else "")


def openings(connection: Connection, span: Span) -> dict[str, Parts]:
    """The parts of each account before the span's first day; only those that had entries by then."""
    a, e, j = tables.account, tables.entry, tables.journal
    if span.first is None:
        return {}
    query = (
        select(a.c.path, *(ExactSum(e.c[part]) for part in PARTS))
        .join_from(e, a, e.c.account == a.c.id)
        .join(j, e.c.n == j.c.n)
        .where(*bounds(span.moment), ~span.within)
        .group_by(a.c.path)
    )
    return {path: Parts(*parts) for path, *parts in connection.execute(query)}


def entries(connection: Connection, span: Span, paths: Sequence[str] | None = None) -> Iterator[StatementRow]:
    """The rows of `statement` between opening and closing, by account, booked day and entry.

    The balance is the running balance in this order; `paths`: only these accounts.
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
    last, balance = None, 0
    for (
        type, booked, happened, recorded, n, account, entry, shipment, source, identifier, pending, posted, attested,
        credits, late_for,
    ) in connection.execute(query, execution_options={"yield_per": 5_000}):  # fmt: skip
        if account != last:
            last, balance = account, before.get(account, NOTHING).change
        change = pending + posted + attested - credits
        balance += change
        yield StatementRow(
            short_name(type), booked, happened, recorded, n, account, entry, shipment, source, identifier,
            pending, posted, attested, credits, change, balance, late_for,
        )  # fmt: skip


def has_account(connection: Connection, account: str) -> bool:
    """Whether the ledger has an account of this path."""
    a = tables.account
    return connection.execute(select(a.c.id).where(a.c.path == account)).first() is not None


def account_entries(
    connection: Connection, account: str, span: Span, after: int | None = None, limit: int | None = None, *,
    newest: bool = False,
) -> Iterator[StatementRow]:  # fmt: skip
    """The entries of an account as rows of `statement`, by number; those after one, at most `limit`.

    `newest`: the last one first, and those before `after`. The balance is the account's after the entry; none if
    the account does not exist.
    """
    a, e, j = tables.account, tables.entry, tables.journal
    query = (
        select(
            j.c.type, e.c.booked, j.c.happened, j.c.recorded, e.c.n, e.c.entry, e.c.shipment_id, j.c.source, j.c.id,
            *(e.c[part] for part in PARTS), e.c.balance, e.c.late_for,
        )
        .join_from(e, j, e.c.n == j.c.n)
        .where(e.c.account == select(a.c.id).where(a.c.path == account).scalar_subquery(), *span.until, span.within)
    )  # fmt: skip
    start = None if after is None else (after,)
    for page in pages(connection, query, (e.c.entry,), lambda row: (row.entry,), start, limit, descending=newest):
        for row in page:
            parts = Parts(row.pending, row.posted, row.attested, row.credits)
            yield StatementRow(
                short_name(row.type), row.booked, row.happened, row.recorded, row.n, account, row.entry,
                row.shipment_id, row.source, row.id, *parts, parts.change, row.balance, row.late_for,
            )  # fmt: skip


def parts_at(connection: Connection, account: str, entry: int) -> Parts:
    """The parts of an account after one of its entries; zeros if the account does not exist."""
    a, e = tables.account, tables.entry
    query = select(*(ExactSum(e.c[part]) for part in PARTS)).where(
        e.c.account == select(a.c.id).where(a.c.path == account).scalar_subquery(), e.c.entry <= entry
    )
    return Parts(*(part or 0 for part in connection.execute(query).one()))


def reached(connection: Connection, account: str, amounts: Iterable[int]) -> dict[int, int]:
    """Since when the balance of an account has been at least each of these amounts, as instants in microseconds.

    An amount that the balance is below is left out.
    """
    a, e, j = tables.account, tables.entry, tables.journal
    of = e.c.account == select(a.c.id).where(a.c.path == account).scalar_subquery()
    found = {}
    for amount in amounts:
        below = select(func.coalesce(func.max(e.c.entry), 0)).where(of, e.c.balance < amount).scalar_subquery()
        query = select(j.c.happened).join_from(e, j, e.c.n == j.c.n).where(of, e.c.entry == below + 1)
        if (happened := connection.execute(query).scalar()) is not None:
            found[amount] = happened
    return found


def accounts_over(connection: Connection, span: Span, as_of: Moment) -> list[AccountRow]:
    """The rows of `accounts`, by path: parts at the end of the span, and the number of entries within it.

    `as_of` is the moment for the limits; an account with a limit but without entries has no amounts.
    """
    a, e, j = tables.account, tables.entry, tables.journal
    before = openings(connection, span)
    limits = {one.account: one.limit for one in balances(connection, (), as_of)}
    query = (
        select(a.c.path, func.sum(case((span.within, 1), else_=0)), *(ExactSum(e.c[part]) for part in PARTS))
        .join_from(e, a, e.c.account == a.c.id)
        .join(j, e.c.n == j.c.n)
        .where(*span.until)
        .group_by(a.c.path)
    )
    found = {path: AccountRow(path, limit) for path, limit in limits.items()}
    for path, count, *sums in connection.execute(query):
        parts, opening = Parts(*sums), before.get(path, NOTHING).change
        found[path] = AccountRow(path, limits.get(path), opening, *parts, parts.change, int(count))
    return [found[path] for path in sorted(found)]
