"""The result of a reconciliation as tables for a terminal."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ledger.queries.reconcile import Different, Line, Result
from services.cli.terminal.grid import Grid, text_of
from services.views.reconciliation import assumptions, differences, summary

FIRST = 20
"""How many lines of each group a table shows."""

_LINE = ("shipment", "account", "date", "TPP")


def table(result: Result, assumed: Mapping[str, Any], width: int | None, encoding: str) -> str:
    """The result for people: how the statement was read, the first lines of each group, and the totals.

    `width` and `encoding` are those of `text_of`.
    """
    groups = [
        _rows(
            "Only in the statement",
            ("row", *_LINE, "repeats row"),
            [(one.row, *_cells(one.line), one.duplicate_of) for one in islice(result.missing_here, FIRST)],
            len(result.missing_here),
        ),
        _rows(
            "Only in the ledger",
            _LINE,
            [_cells(line) for line in islice(result.missing_there, FIRST)],
            len(result.missing_there),
        ),
        _rows(
            "Different",
            ("row", "shipment", "account", "field", "ledger", "statement", "difference"),
            [row for one in islice(result.different, FIRST) for row in _differences(one)],
            len(result.different),
        ),
    ]
    totals = [(result.here, result.there, f"{result.difference:+,}" if result.difference else "0")]
    groups.append(_rows("Totals", ("ledger TPP", "statement TPP", "difference"), totals))
    tables = "".join(
        f"\n{title}\n\n{text_of(grid, width, encoding)}\n{more}" for title, grid, more in groups if grid.rows
    )
    said = "".join(f"{one}\n" for one in (summary(result), assumptions(assumed)) if one)
    return f"{said}{tables}".rstrip("\n")


def _rows(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]], count: int | None = None
) -> tuple[str, Grid, str]:
    """A group: its title, its first rows, and a line that says how many more there are."""
    named = [dict(zip(headings, row, strict=True)) for row in rows]
    grid = Grid({heading: heading for heading in headings}, named, frozenset(headings))
    if count is None:
        return title, grid, ""
    more = f"… and {count - FIRST:,} more; use --format json or xlsx to see all\n" if count > FIRST else ""
    return f"{title} ({count:,})", grid, more


def _cells(line: Line) -> tuple[Any, ...]:
    return line.shipment_id, line.account, line.date, line.amount


def _differences(one: Different) -> list[tuple[Any, ...]]:
    """A row for each field that differs, with the line as the ledger has it."""
    return [(one.row, one.here.shipment_id, one.here.account, *each) for each in differences(one)]
