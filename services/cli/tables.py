"""Rows as a table for a terminal, as JSON or as CSV."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import IO, Any

import click
import orjson

from schemas.columns import TABLES, Kind, excel_text
from schemas.times import instant_text
from services.visible import print_bytes, visible

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
    "left_without_approval": "left unapproved",
    "codes": "codes",
    "reasons": "reasons",
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
POLICIES: Columns = {
    "name": "policy",
    "value": "value",
    "record": "record",
    "happened": "since",
    "by": "by",
    "reason": "reason",
}
SNAPSHOTS: Columns = {
    "snapshot_id": "snapshot",
    "as_of": "last day",
    "record": "record",
    "accounts": "accounts",
    "entries": "entries",
    "digest": "digest",
}
STATEMENT: Columns = {
    "account": "account",
    "booked": "booked",
    "kind": "cause",
    "shipment_id": "shipment",
    "record": "record",
    "pending": "pending",
    "posted": "posted",
    "attested": "attested",
    "credits": "credits",
    "change": "change",
    "balance": "balance",
    "late_for": "late for",
}


def write_statement(rows: Iterable[Sequence[Any]], form: str, stream: IO[bytes]) -> None:
    """Writes rows of `statement` as a table for people or as JSON, with instants as RFC 3339."""
    names = [column.name for column in TABLES["statement"]]
    instants = [column.name for column in TABLES["statement"] if column.kind is Kind.INSTANT]
    entries = [dict(zip(names, row, strict=True)) for row in rows]
    for entry in entries:
        entry.update({name: instant_text(entry[name]) for name in instants if entry[name] is not None})
    if form == "json":
        stream.write(_json(entries))
        return
    one = len({entry["account"] for entry in entries}) == 1
    late = any(entry["late_for"] for entry in entries)
    shown = {k: v for k, v in STATEMENT.items() if not (k == "account" and one) and not (k == "late_for" and not late)}
    text = StringIO()
    _table(entries, shown, text)
    stream.write(text.getvalue().encode())


def write(rows: Sequence[Mapping[str, Any]], columns: Columns, form: str, empty: str, *, excel: bool = False) -> None:
    """Prints rows on standard output in one of the forms table, json and csv; `empty` in place of an empty table.

    `excel`: as of `excel_text`, in csv.
    """

    def cell(value: Any) -> Any:
        return excel_text(value) if excel and isinstance(value, str) else value

    if form == "json":
        print_json(rows)
    elif form == "csv":
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
        print_bytes(text.getvalue().encode())
    elif rows:
        _table(rows, columns)
    else:
        click.echo(visible(empty))


def print_json(value: Any) -> None:
    """Prints a value as JSON, indented by two."""
    print_bytes(_json(value))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _table(rows: Sequence[Mapping[str, Any]], columns: Columns, file: IO[str] | None = None) -> None:
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
    Console(file=file, width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else visible(str(value))
