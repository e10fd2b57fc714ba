"""Rows as a table for a terminal, as JSON or as CSV."""

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import orjson

Columns = Mapping[str, str]
"""Member of a row, and the heading under which it is printed."""

BALANCE: Columns = {
    "account": "account",
    "limit": "limit",
    "pending": "pending",
    "posted": "posted",
    "attested": "attested",
    "credits": "credits",
    "balance": "balance",
    "available": "available",
    "entries": "entries",
}
HOLDS: Columns = {
    "shipment_id": "shipment",
    "happened": "held since",
    "export_date": "export date",
    "tpp": "TPP",
    "codes": "codes",
    "reasons": "what to do",
}
OBLIGATIONS: Columns = {
    "due": "due",
    "kind": "kind",
    "about": "for",
    "state": "state",
    "to": "to",
    "subject_line": "subject line",
    "citation": "citation",
}


def write(rows: Sequence[Mapping[str, Any]], columns: Columns, form: str) -> None:
    """Prints rows on standard output in one of the forms table, json and csv."""
    if form == "json":
        click.get_binary_stream("stdout").write(orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n")
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(name) for name in columns] for row in rows)
    else:
        _table(rows, columns)


def _table(rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, heading in columns.items():
        numeric = any(isinstance(row.get(name), int) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(name))) for name in columns))
    console = Console(width=None if sys.stdout.isatty() else 200)
    if rows:
        console.print(table)
    else:
        console.print("nothing")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)
