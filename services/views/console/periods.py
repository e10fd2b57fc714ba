"""The pages of periods: what is closed, what can be closed next, what changed between two, and a statement compared."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from ledger.database.store import Connection
from ledger.queries.balances import balances
from ledger.queries.console.remembered import remembered
from ledger.queries.reconcile import Result
from ledger.queries.snapshots import (
    Closed,
    Snapshot,
    closed,
    closings,
    find,
    first_open,
    gap_before,
    is_over,
    last_closed,
    tables_of,
)
from schemas.periods import period
from services.views.reconciliation import assumptions, differences, summary

PAGE = 24
"""How many closed periods a page lists."""
MOST_CHANGES = 50
"""How many accounts a comparison lists, those that changed most."""
FIRST = 20
"""How many lines of each group of a reconciliation are shown, as many as `tpp reconcile` prints."""
NOW = "now"
"""What a period is compared with besides another one: the balances of now."""


def periods(connection: Connection, now: int, before: int | None = None) -> dict[str, Any]:
    """The closed periods, the last close first, and what can be closed next; `before` is the record of a close."""
    found = last_closed(connection, PAGE + 1, before)
    return {
        "rows": [_row(one) for one in found[:PAGE]],
        "older": found[PAGE - 1].snapshot.n if len(found) > PAGE else None,
        "newest": before is None,
        "next": next_periods(connection, now),
        "open_from": first_open(connection),
    }


def next_periods(connection: Connection, now: int) -> list[dict[str, Any]]:
    """The month, the quarter and the year of the first open day: which of them are over, and what each would close."""
    first = first_open(connection)
    if first is None:
        return []
    year, month = first[:4], int(first[5:7])
    found = []
    for name in (first[:7], f"{year}-Q{(month + 2) // 3}", year):
        try:
            one = period(name)
        except ValueError:
            continue
        if find(connection, name) is None:
            since = None if is_over(connection, one, now) else (one.last + timedelta(days=1)).isoformat()
            found.append({"name": name, "first": one.first, "last": one.last, "since": since})
    return found


def period_page(connection: Connection, name: str) -> dict[str, Any] | None:
    """A closed period: its facts, who closed it, its files; None if it is not closed."""
    found = closed(connection, name)
    if found is None:
        return None
    chosen = period(name)
    others = [one.snapshot.id for one in last_closed(connection, PAGE) if one.snapshot.id != name]
    return {
        "one": _row(found) | {"first": chosen.first.isoformat(), "previous": found.snapshot.previous},
        "gap": gap_before(connection, chosen, found.snapshot.n),
        "holds": len(tables_of(connection, found.snapshot).holds),
        "others": [NOW, *others],
    }


def compare(connection: Connection, first: str, second: str) -> dict[str, Any] | None:
    """What each account's balance was at the ends of two periods; `now` is the balances of now.

    The accounts that changed most come first, at most MOST_CHANGES. None if one of the periods is not closed.
    """
    sides = [_closings(connection, first), _closings(connection, second)]
    before, after = sides
    if before is None or after is None:
        return None
    changed = sorted(
        ((path, before.get(path, 0), after.get(path, 0)) for path in before.keys() | after.keys()),
        key=lambda row: (-abs(row[2] - row[1]), row[0]),
    )
    moved = [(path, old, new, new - old) for path, old, new in changed if old != new]
    return {
        "first": first,
        "second": second,
        "rows": moved[:MOST_CHANGES],
        "more": max(0, len(moved) - MOST_CHANGES),
        "changed": len(moved),
        "same": len(changed) - len(moved),
    }


def _closings(connection: Connection, name: str) -> dict[str, int] | None:
    """The balance of each account at the end of a period, as its close knows it."""
    if name == NOW:
        return {one.account: one.balance for one in balances(connection, ())}
    found = find(connection, name)
    return None if found is None else remembered(connection, _closed, found, least=0)


def _closed(connection: Connection, one: Snapshot) -> dict[str, int]:
    """As `closings`, of a snapshot: with its digest it names them for ever."""
    return closings(connection, period(one.id).last, one.record)


def _row(found: Closed) -> dict[str, Any]:
    one: Snapshot = found.snapshot
    return one.to_json() | {"by": found.by, "recorded": found.recorded, "first": period(one.id).first.isoformat()}


def reconciled(result: Result, assumed: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison of a statement with the ledger in the words of `tpp reconcile`, of each group the first lines."""
    return {
        "summary": summary(result),
        "assumed": assumptions(assumed),
        "agrees": result.agrees,
        "unknown": result.missing_here[:FIRST],
        "missing": result.missing_there[:FIRST],
        "different": [
            (one.row, one.here.shipment_id, one.here.account, *each)
            for one in islice(result.different, FIRST)
            for each in differences(one)
        ],
        "counts": {
            "unknown": len(result.missing_here), "missing": len(result.missing_there),
            "different": len(result.different),
        },
        "most": FIRST,
        "totals": (result.here, result.there, result.difference),
    }  # fmt: skip


def bad_cells(cells: Iterable[Any]) -> dict[str, Any]:
    """The cells of a statement that cannot be read, the first ones, and how many more there are."""
    rest = iter(cells)
    return {"bad": list(islice(rest, FIRST)), "bad_more": sum(1 for _ in rest)}
