"""The columns of the tables of the books, and their canonical CSV, from which a snapshot's digest is computed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from hashlib import sha256
from itertools import islice
from typing import Any

from schemas.times import instant_text

Row = Sequence[Any]
"""The values of a row, in the order of its columns: texts, integers or None."""

_BATCH = 512
_FORMULA = ("=", "+", "-", "@", "\t")
_QUOTED = ',"\r\n'


class Kind(Enum):
    """What a column holds; a day is a `YYYY-MM-DD` text, an instant an integer of microseconds since 1970 (UTC)."""

    TEXT = auto()
    DAY = auto()
    INSTANT = auto()
    NUMBER = auto()
    AMOUNT = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `empty`: whether a row may leave it empty."""

    name: str
    kind: Kind
    empty: bool = False


_PARTS = tuple(Column(name, Kind.AMOUNT) for name in ("pending", "posted", "attested", "credits"))
_ENTRY = (
    Column("kind", Kind.TEXT),
    Column("booked", Kind.DAY),
    Column("happened", Kind.INSTANT),
    Column("recorded", Kind.INSTANT),
    Column("record", Kind.NUMBER),
    Column("account", Kind.TEXT),
    Column("entry", Kind.NUMBER),
    Column("shipment_id", Kind.TEXT, empty=True),
    Column("source", Kind.TEXT),
    Column("event_id", Kind.TEXT),
    *_PARTS,
    Column("change", Kind.AMOUNT),
    Column("balance", Kind.AMOUNT),
    Column("late_for", Kind.TEXT, empty=True),
)
TABLES = {
    "statement": tuple(replace(column, empty=True) for column in _ENTRY),
    "entries": tuple(column for column in _ENTRY if column.name != "recorded"),
    "accounts": (
        Column("account", Kind.TEXT),
        Column("limit", Kind.AMOUNT, empty=True),
        Column("opening", Kind.AMOUNT),
        *_PARTS,
        Column("closing", Kind.AMOUNT),
        Column("entries", Kind.NUMBER),
    ),
    "holds": (
        Column("shipment_id", Kind.TEXT),
        Column("record", Kind.NUMBER),
        Column("happened", Kind.INSTANT),
        Column("codes", Kind.TEXT),
        Column("tpp", Kind.AMOUNT),
    ),
    "shipments": (
        Column("shipment_id", Kind.TEXT),
        Column("consignee", Kind.TEXT),
        Column("country", Kind.TEXT),
        Column("parts", Kind.TEXT),
        Column("quantities", Kind.TEXT),
        Column("export_date", Kind.DAY),
        Column("authorization", Kind.TEXT, empty=True),
    ),
    "totals": (Column("family", Kind.TEXT), *_PARTS, Column("closing", Kind.AMOUNT)),
}
"""The columns of each table, in order."""


def excel_text(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would take it for a formula.

    >>> excel_text("=1+1"), excel_text("S-1")
    ("'=1+1", 'S-1')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_text(table: str, rows: Iterable[Row], *, excel: bool = False) -> Iterator[bytes]:
    """The CSV of a table, in pieces: RFC 4180 with LF, UTF-8, the names of the columns first.

    A value is quoted only if it contains a comma, a quote, CR or LF. The `csv` module is not used: whether it quotes CR
    depends on the version of Python, so the digest would change; formatting by column is faster, too.
    `excel`: texts that a spreadsheet would take for formulas get an apostrophe in front.
    """
    columns = TABLES[table]
    line = f"{','.join(['%s'] * len(columns))}\n"
    yield (line % tuple(column.name for column in columns)).encode()
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        values = [_texts(column, cells, excel) for column, cells in zip(columns, zip(*batch, strict=True), strict=True)]
        yield "".join([line % row for row in zip(*values, strict=True)]).encode()


def _texts(column: Column, values: Sequence[Any], excel: bool) -> Sequence[Any]:
    """The values of a column in CSV; integers are left unchanged."""
    if column.kind is Kind.INSTANT:
        return ["" if value is None else instant_text(value) for value in values]
    if None in values:
        values = ["" if value is None else value for value in values]
    if column.kind is Kind.TEXT:
        if excel:
            values = list(map(excel_text, values))
        together = "".join(values)
        if any(character in together for character in _QUOTED):
            return [_quoted(value) for value in values]
    return values


def _quoted(text: str) -> str:
    if any(character in text for character in _QUOTED):
        return '"{}"'.format(text.replace('"', '""'))
    return text


def csv_digest(table: str, rows: Iterable[Row]) -> tuple[str, int]:
    """The SHA-256 of a table's CSV, in hexadecimal, and its number of bytes."""
    digest = sha256()
    size = 0
    for piece in csv_text(table, rows):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size
