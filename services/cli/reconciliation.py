"""The result of a reconciliation as tables for a terminal."""

import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import islice
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.queries.reconcile import Different, Line, Result
from services.views.reconciliation import assumptions, summary
from services.visible import visible

FIRST = 20
"""How many lines of each group a table shows."""

_WIDTH = 100
_LINE = ("shipment", "account", "date", "TPP")


def table(result: Result, assumed: Mapping[str, Any]) -> str:
    """The result for a terminal: how the statement was read, the first lines of each group, and the totals."""
    text = StringIO()
    console = Console(file=text, width=None if sys.stdout.isatty() else _WIDTH, highlight=False, markup=False)
    console.print(summary(result), soft_wrap=True)
    if odd := assumptions(assumed):
        console.print(odd, soft_wrap=True)
    _rows(
        console,
        "Only in the statement",
        ("row", *_LINE, "repeats row"),
        [(f"{one.row:,}", *_cells(one.line), _number(one.duplicate_of)) for one in islice(result.missing_here, FIRST)],
        len(result.missing_here),
    )
    _rows(
        console,
        "Only in the ledger",
        _LINE,
        [_cells(line) for line in islice(result.missing_there, FIRST)],
        len(result.missing_there),
    )
    _rows(
        console,
        "Different",
        ("row", "line", "field", "ledger", "statement"),
        [row for one in islice(result.different, FIRST) for row in _differences(one)],
        len(result.different),
    )
    totals = [(f"{result.here:,}", f"{result.there:,}", f"{result.difference:+,}" if result.difference else "0")]
    _rows(console, "Totals", ("ledger TPP", "statement TPP", "difference"), totals)
    return text.getvalue()


def _rows(
    console: Console, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], count: int | None = None
) -> None:
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        numeric = heading in ("row", "repeats row", "difference") or heading.endswith("TPP")
        fixed = numeric or heading in ("date", "field")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=fixed, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print()
    console.print(title if count is None else f"{title} ({count:,})")
    console.print(table)
    if count is not None and count > FIRST:
        console.print(f"… and {count - FIRST:,} more; use --format json or xlsx to see all")


def _cells(line: Line) -> tuple[str, ...]:
    return visible(line.shipment_id), visible(line.account), line.date, f"{line.amount:,}"


def _differences(one: Different) -> list[tuple[str, ...]]:
    """A row for each field that differs; the first names the line as the ledger has it."""
    row, name = f"{one.row:,}", f"{visible(one.here.shipment_id)}\n{visible(one.here.account)}"
    rows: list[tuple[str, ...]] = []
    for field in one.fields:
        rows.append((row, name, field, _side(field, getattr(one.here, field)), _side(field, getattr(one.there, field))))
        row, name = "", ""
    return rows


def _side(field: str, value: Any) -> str:
    """The value of a field on one side; an id in quotes, so that blanks are visible."""
    if field == "amount":
        return f"{value:,}"
    return repr(value) if field == "shipment_id" else visible(value)


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
