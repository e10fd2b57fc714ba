"""Rows as a table for people, as JSON or as CSV."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import IO, Any

import orjson

from schemas.columns import TABLES, Kind, excel_text
from schemas.times import instant_text
from services.cli.grid import Grid, terminal_width, text_of
from services.cli.options import tell
from services.failure import NotFound
from services.printing import print_bytes, print_text
from services.visible import visible

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
    "record": "record",
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
    "record": "record",
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
RETENTION: Columns = {
    "shipment_id": "shipment",
    "state": "state",
    "last": "last day",
    "keep_until": "keep until",
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
    "entry": "entry",
    "pending": "pending",
    "posted": "posted",
    "attested": "attested",
    "credits": "credits",
    "change": "change",
    "balance": "balance",
    "late_for": "late for",
}
_KEYS = frozenset(("account", "shipment_id", "snapshot_id", "about", "due"))
_TEXTS = frozenset(("codes", "reasons", "to", "subject_line", "citation"))


def write_statement(rows: Iterable[Sequence[Any]], form: str, stream: IO[bytes], *, printed: bool) -> None:
    """Writes rows of `statement` as a table for people or as JSON, with instants as RFC 3339.

    `printed`: whether the stream is standard output, of which a table takes width and encoding.
    """
    names = [column.name for column in TABLES["statement"]]
    instants = [column.name for column in TABLES["statement"] if column.kind is Kind.INSTANT]
    entries = [dict(zip(names, row, strict=True)) for row in rows]
    for entry in entries:
        entry.update({name: instant_text(entry[name]) for name in instants if entry[name] is not None})
    if form == "json":
        stream.write(_json(entries))
        return
    accounts = {entry["account"] for entry in entries}
    late = any(entry["late_for"] for entry in entries)
    left = {"account"} if len(accounts) == 1 else set()
    shown = {k: v for k, v in STATEMENT.items() if k not in left and (late or k != "late_for")}
    title = f"account {visible(accounts.pop())}\n\n" if left else ""
    if not entries:
        return
    if printed:
        print_text(title + _table(entries, shown, terminal_width(), sys.stdout.encoding))
    else:
        stream.write(f"{title}{_table(entries, shown, None, 'utf-8')}\n".encode())


def write(
    rows: Sequence[Mapping[str, Any]],
    columns: Columns,
    form: str,
    empty: str,
    *,
    excel: bool = False,
    sought: bool = False,
) -> None:
    """Prints rows on standard output in one of the forms table, json and csv; `empty` in place of an empty table.

    `sought`: whether the user named what to look for; then `empty` goes to standard error, in every form.
    `excel`: as of `excel_text`, in csv.
    """

    def cell(value: Any) -> Any:
        return excel_text(value) if excel and isinstance(value, str) else value

    if sought and not rows:
        tell(empty)
    if form == "json":
        print_json(rows)
    elif form == "csv":
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
        print_bytes(text.getvalue().encode())
    elif rows:
        print_text(_table(rows, columns, terminal_width(), sys.stdout.encoding))
    elif not sought:
        print_text(visible(empty))


@contextmanager
def empty_list(form: str) -> Iterator[None]:
    """Prints the empty list as JSON, if that is the form, where what is named does not exist."""
    try:
        yield
    except NotFound:
        if form == "json":
            print_json([])
        raise


def print_json(value: Any) -> None:
    """Prints a value as JSON, indented by two."""
    print_bytes(_json(value))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _table(rows: Sequence[Mapping[str, Any]], columns: Columns, width: int | None, encoding: str) -> str:
    return text_of(Grid(columns, rows, _KEYS, _TEXTS), width, encoding)
