"""Rows as a table for people, as JSON or as CSV."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import IO, TYPE_CHECKING, Any

import orjson

from schemas.columns import excel_text
from services.cli.terminal.grid import Grid, terminal_width, text_of
from services.cli.terminal.options import tell
from services.failure import NotFound
from services.printing import print_bytes, print_text
from services.visible import visible

if TYPE_CHECKING:
    from ledger.queries.entries import StatementRow

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
    "percent": "used",
    "exhausted_on": "full on",
    "entries": "entries",
}
BALANCE_CSV = (
    "account", "limit", "pending", "posted", "attested", "credits", "balance", "available", "entries", "used",
    "exhausted_on", "earliest", "latest",
)  # fmt: skip
HOLDS: Columns = {
    "shipment_id": "shipment",
    "since": "since",
    "age_days": "days",
    "export_date": "export date",
    "country": "country",
    "tpp": "TPP",
    "record": "record",
    "left_without_approval": "left unapproved",
    "named": "consignee",
    "lines": "lines",
    "codes": "codes",
    "reasons": "reasons",
    "ended_by": "ended by",
}
HOLDS_CSV = (
    "shipment_id", "record", "happened", "export_date", "tpp", "left_without_approval", "codes", "reasons", "state",
    "consignee", "consignee_id", "country", "lines", "since", "age_days", "ended_by",
)  # fmt: skip
REASONS: Columns = {
    "code": "reason",
    "holds": "holds",
    "tpp": "TPP",
    "since": "oldest since",
    "age_days": "days",
    "remedy": "what to do",
}
SHIPMENTS: Columns = {
    "shipment_id": "shipment",
    "state": "state",
    "named": "consignee",
    "country": "country",
    "export_date": "export date",
    "tpp": "TPP",
    "authorization": "authorization",
}
SHIPMENTS_CSV = (
    "shipment_id", "state", "consignee", "consignee_id", "country", "export_date", "tpp", "authorization",
)  # fmt: skip
ALERTS: Columns = {
    "happened": "time",
    "kind": "kind",
    "about": "about",
    "record": "record",
    "message": "message",
}
ALERTS_CSV = (
    "happened", "record", "type", "kind", "account", "shipment_id", "party", "list", "threshold", "balance", "limit",
    "projected_exhaustion", "holds_waiting", "message",
)  # fmt: skip
THRESHOLDS: Columns = {
    "account": "account",
    "thresholds": "thresholds",
    "by": "set by",
    "happened": "since",
    "record": "record",
}
OBLIGATIONS: Columns = {
    "due": "due",
    "state": "state",
    "kind": "kind",
    "about": "for",
    "record": "record",
    "to": "to",
    "subject_line": "subject line",
    "citation": "citation",
}
OBLIGATIONS_CSV = (
    "due", "kind", "about", "state", "record", "to", "subject_line", "citation", "overdue", "retention",
)  # fmt: skip
RECORDS_KEPT: Columns = {
    "due": "keep until",
    "state": "state",
    "about": "for",
    "record": "record",
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
LISTED: Columns = {
    "name": "list",
    "version": "version",
    "entries": "entries",
    "threshold": "threshold",
    "age_days": "days",
    "stale": "out of date",
    "loaded": "loaded",
    "content": "digest",
}
MATCHES: Columns = {
    "score": "score",
    "hit": "hit",
    "listed_name": "listed name",
    "matched_alias": "alias that matches",
    "list": "list",
    "entry": "entry",
    "words": "words",
}
NOTICES: Columns = {
    "receiver": "receiver",
    "id": "event",
    "since": "set aside",
    "tries": "tries",
    "next": "next try",
    "why": "why",
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
TOKENS: Columns = {
    "id": "id",
    "name": "name",
    "role": "role",
    "expires": "expires",
    "revoked": "revoked",
    "created": "created",
    "last_used": "last used",
    "sources": "sources",
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
_KEYS = frozenset(("account", "shipment_id", "snapshot_id", "about", "due", "id"))
_TEXTS = frozenset((
    "codes", "reasons", "to", "subject_line", "citation", "named", "lines", "ended_by", "message", "thresholds",
    "remedy", "authorization", "sources", "loaded", "content", "listed_name", "matched_alias", "words",
))  # fmt: skip
_BELOW = frozenset((
    "pending", "posted", "attested", "credits", "available", "entries", "left_without_approval", "created", "revoked",
    "last_used",
))  # fmt: skip
"""Columns that stand below a row where a table is too wide, besides the texts."""


def write_statement(rows: Iterable["StatementRow"], form: str, stream: IO[bytes], *, printed: bool) -> None:
    """Writes rows of `statement` as a table for people or as JSON, with instants as RFC 3339.

    `printed`: whether the stream is standard output, of which a table takes width and encoding.
    """
    from services.views.accounts import statement_to_json

    entries = list(map(statement_to_json, rows))
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
    columns: Iterable[str],
    form: str,
    empty: str,
    *,
    excel: bool = False,
    sought: bool = False,
) -> None:
    """Prints rows on standard output in one of the forms table, json and csv; `empty` in place of an empty table.

    `columns` are those of csv and, with their headings, of a table. `sought`: whether the user named what to look for;
    then `empty` goes to standard error, in every form.
    `excel`: as of `excel_text`, in csv.
    """

    def cell(value: Any) -> Any:
        if isinstance(value, bool):
            return str(value).lower()
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
        headings = columns if isinstance(columns, Mapping) else {name: name for name in columns}
        print_text(_table(rows, headings, terminal_width(), sys.stdout.encoding))
    elif not sought:
        print_text(visible(empty))


def write_parts(parts: Iterable[tuple[str, Sequence[Mapping[str, Any]], Columns]]) -> None:
    """Prints tables one below the other, each under its title; those without rows are left out."""
    width, encoding = terminal_width(), sys.stdout.encoding
    texts = [(title, _table(rows, columns, width, encoding)) for title, rows, columns in parts if rows]
    print_text("\n\n".join(f"{title}\n\n{text}" if title else text for title, text in texts))


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
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # a sum of more than 64 bits, such as that of a flow
        return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def _table(rows: Sequence[Mapping[str, Any]], columns: Columns, width: int | None, encoding: str) -> str:
    return text_of(Grid(columns, rows, _KEYS, _TEXTS, _BELOW), width, encoding)
