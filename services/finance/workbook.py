"""XLSX workbooks of plain values: text never becomes a formula, number or link; the same rows give the same bytes."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from schemas.columns import Column, Kind, Row
from schemas.times import instant_text

MOST_ROWS = 1_048_575
"""How many rows a sheet has below its header."""

_EXACT = 10**15
_FIRST_DAY = "1900-03-01"
"""The first day that every spreadsheet counts alike: before it some have a 29 February 1900."""
_WIDEST = 60
_LOOKED_AT = 1_000
"""The most characters of a column's width, and how many rows it is fitted to."""
_CREATED = datetime(1980, 1, 1, tzinfo=UTC)
_WIDTHS = {Kind.TEXT: 10, Kind.DAY: 12, Kind.INSTANT: 28, Kind.NUMBER: 10, Kind.AMOUNT: 18}
"""The least width of a column, in characters."""
_UNDERSCORE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")

_Write = Callable[[int, int, Any], int]


class ExportRefused(ValueError):
    """The format cannot hold the rows; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook: its name, its columns and its rows."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Row]


class _PlainSheet(Worksheet):  # type: ignore[misc]
    """A worksheet in which every text reads back unchanged.

    The library escapes only every other one of adjacent `_xHHHH_`, and reads `<r>…</r>` as its own markup.
    """

    @staticmethod
    def _escape_control_characters(data: str) -> str:
        text = _UNDERSCORE.sub(_escaped, data)
        return _UNWRITABLE.sub(_escaped, text)

    def _xml_rich_inline_string(self, string: str, attributes: Any) -> None:
        self._xml_inline_string(string, preserve=False, attributes=attributes)


def _escaped(found: re.Match[str]) -> str:
    return f"_x{ord(found[0]):04X}_"


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> None:
    """Writes a workbook in constant memory, with its scratch files beside it; raises ExportRefused.

    If it raises, the file at `path` is incomplete.
    """
    options = {"constant_memory": True, "tmpdir": str(path.parent)}
    workbook = Workbook(str(path), options)
    try:
        workbook.set_properties({"created": _CREATED})
        formats = _Formats(
            workbook.add_format({"bold": True}),
            workbook.add_format({"num_format": "@"}),
            workbook.add_format({"num_format": "#,##0"}),
            workbook.add_format({"num_format": "yyyy-mm-dd"}),
        )
        for sheet in sheets:
            _write_sheet(workbook.add_worksheet(sheet.name, _PlainSheet), sheet, formats)
    finally:
        workbook.close()


@dataclass(frozen=True, slots=True)
class _Formats:
    bold: Any
    text: Any
    amount: Any
    day: Any


def _write_sheet(made: Any, sheet: Sheet, formats: _Formats) -> None:
    rows = iter(sheet.rows)
    first = list(islice(rows, _LOOKED_AT))
    made.freeze_panes(1, 0)
    made.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    for place, column in enumerate(sheet.columns):
        made.set_column(place, place, _width(column, [row[place] for row in first]))
        made.write_string(0, place, column.name, formats.bold)
    number = 0
    writers = _writers(made, sheet.columns, formats)
    for number, row in enumerate(chain(first, rows), 1):
        if number > MOST_ROWS:
            raise ExportRefused(f"table {sheet.name} exceeds the {MOST_ROWS:,} rows of a worksheet; use csv or parquet")
        for place, value in enumerate(row):
            if value is not None and writers[place](number, place, value):
                raise ExportRefused(
                    f"{sheet.columns[place].name} in row {number:,} of table {sheet.name} exceeds the 32,767 "
                    "characters of a worksheet cell; use csv or parquet"
                )
    made.autofilter(0, 0, number, len(sheet.columns) - 1)


def _width(column: Column, values: Iterable[Any]) -> int:
    """The width of a column that its name, with the arrow of its filter, and its first values need."""
    texts = (len(value) for value in values if isinstance(value, str))
    return min(max(_WIDTHS[column.kind], len(column.name) + 3, *texts, 0) + 1, _WIDEST)


def _writers(made: Any, columns: Sequence[Column], formats: _Formats) -> list[_Write]:
    """The function that writes a value, for each column."""
    write_string, write_number, write_datetime = made.write_string, made.write_number, made.write_datetime

    def write_text(row: int, place: int, value: str) -> int:
        return int(write_string(row, place, value, formats.text))

    def write_amount(row: int, place: int, value: int) -> int:
        if -_EXACT < value < _EXACT:
            return int(write_number(row, place, value, formats.amount))
        return int(write_string(row, place, str(value), formats.text))

    def write_instant(row: int, place: int, value: int) -> int:
        return int(write_string(row, place, instant_text(value), formats.text))

    def write_day(row: int, place: int, value: str) -> int:
        if value < _FIRST_DAY:
            return write_text(row, place, value)
        return int(write_datetime(row, place, date.fromisoformat(value), formats.day))

    kinds: dict[Kind, _Write] = {
        Kind.AMOUNT: write_amount,
        Kind.NUMBER: write_number,
        Kind.INSTANT: write_instant,
        Kind.DAY: write_day,
    }
    return [kinds.get(column.kind, write_text) for column in columns]
