"""XLSX workbooks of plain values: text is never a formula, number or link, and the same rows give the same bytes."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from schemas.columns import Column, Kind, Row
from schemas.times import instant_text

MOST_ROWS = 1_048_575
"""How many rows a sheet has below its header."""

_EXACT = 10**15
_CREATED = datetime(1980, 1, 1, tzinfo=UTC)
_WIDTHS = {Kind.TEXT: 24, Kind.DAY: 12, Kind.INSTANT: 28, Kind.NUMBER: 10, Kind.AMOUNT: 18}
_UNDERSCORE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")

_Write = Callable[[int, int, Any], int]


class ExportRefused(ValueError):
    """Rows that the format cannot hold; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook: its name, its columns and its rows."""

    name: str
    columns: Sequence[Column]
    rows: Iterable[Row]


class _PlainSheet(Worksheet):  # type: ignore[misc]
    """A worksheet whose every text reads back as itself.

    The library escapes only every other one of adjoining `_xHHHH_`, and takes `<r>…</r>` for markup of its own.
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

    Where it raises, what stands at `path` is of no use.
    """
    options = {"constant_memory": True, "tmpdir": str(path.parent)}
    workbook = Workbook(str(path), options)
    try:
        workbook.set_properties({"created": _CREATED})
        bold = workbook.add_format({"bold": True})
        text = workbook.add_format({"num_format": "@"})
        amount = workbook.add_format({"num_format": "#,##0"})
        for sheet in sheets:
            made = workbook.add_worksheet(sheet.name, _PlainSheet)
            made.freeze_panes(1, 0)
            made.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
            for place, column in enumerate(sheet.columns):
                made.set_column(place, place, _WIDTHS[column.kind])
                made.write_string(0, place, column.name, bold)
            _write_rows(sheet, _writers(made, sheet.columns, text, amount))
    finally:
        workbook.close()


def _write_rows(sheet: Sheet, writers: Sequence[_Write]) -> None:
    for number, row in enumerate(sheet.rows, 1):
        if number > MOST_ROWS:
            raise ExportRefused(
                f"the table {sheet.name} has more than the {MOST_ROWS:,} rows that a sheet of a workbook holds: "
                "choose csv or parquet"
            )
        for place, value in enumerate(row):
            if value is not None and writers[place](number, place, value):
                raise ExportRefused(
                    f"{sheet.columns[place].name} in row {number:,} of the table {sheet.name} is longer than the "
                    "32,767 characters that a cell of a workbook holds: choose csv or parquet"
                )


def _writers(made: Any, columns: Sequence[Column], text: Any, amount: Any) -> list[_Write]:
    """How the values of each column are written."""
    write_string, write_number = made.write_string, made.write_number

    def write_text(row: int, place: int, value: str) -> int:
        return int(write_string(row, place, value, text))

    def write_amount(row: int, place: int, value: int) -> int:
        if -_EXACT < value < _EXACT:
            return int(write_number(row, place, value, amount))
        return int(write_string(row, place, str(value), text))

    def write_instant(row: int, place: int, value: int) -> int:
        return int(write_string(row, place, instant_text(value), text))

    kinds: dict[Kind, _Write] = {
        Kind.AMOUNT: write_amount,
        Kind.NUMBER: write_number,
        Kind.INSTANT: write_instant,
    }
    return [kinds.get(column.kind, write_text) for column in columns]
