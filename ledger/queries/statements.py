"""Statements of accounts: opening, entries and closing of each (docs/contract/books.md)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.queries.entries import NOTHING, Parts, Span, StatementRow, entries, openings
from schemas import accounts


def matching(connection: Connection, pattern: str) -> list[str]:
    """The paths of the accounts that match a pattern, sorted."""
    paths = connection.execute(select(tables.account.c.path)).scalars()
    return sorted(path for path in paths if accounts.matches(pattern, path))


def statement(connection: Connection, paths: Sequence[str], span: Span) -> Iterator[StatementRow]:
    """The rows of `statement` for accounts in the order of their paths: opening, entries and closing of each."""
    before = openings(connection, span)
    rows = entries(connection, span, paths if len(paths) == 1 else None)
    wanted = set(paths)
    groups = groupby((row for row in rows if row.account in wanted), key=attrgetter("account"))
    account, moved = next(groups, (None, iter(())))
    for path in paths:
        parts = before.get(path, NOTHING)
        balance = parts.change
        yield _edge("opening", path, span.first, parts, balance)
        if path == account:
            for row in moved:
                yield row
                balance = row.balance
            account, moved = next(groups, (None, iter(())))
        yield _edge("closing", path, span.last, NOTHING, balance)


def _edge(kind: str, path: str, day: date | None, parts: Parts, balance: int) -> StatementRow:
    """An opening or a closing, which has no entry and no cause."""
    return StatementRow(
        kind=kind, booked=day.isoformat() if day else None, happened=None, recorded=None, record=None, account=path,
        entry=None, shipment_id=None, source=None, event_id=None, **parts._asdict(), change=parts.change,
        balance=balance, late_for=None,
    )  # fmt: skip


def absent(connection: Connection, patterns: Iterable[str]) -> list[str]:
    """Those of the patterns that name an account exactly, without `*`, which the ledger does not have."""
    return [path for path in patterns if "*" not in path and not matching(connection, path)]
