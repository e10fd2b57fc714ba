"""Reads an external statement: CSV, XLSX or JSON. A problem in it is reported as one sentence."""

import csv
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import IO, Any
from xml.parsers.expat import ExpatError

from pydantic_core import PydanticCustomError

from ledger.queries.reconcile import Line, Statement
from schemas.models.values import TPP_MAX
from schemas.times import parse_day
from services.failure import Failure

FIELDS = ("shipment_id", "account", "date", "amount")
"""What a statement must have for each line."""

MOST_BYTES, MOST_ROWS, MOST_COLUMNS = 16 << 20, 200_000, 256
"""Limits of a statement: the bytes of its file, its rows, the columns of its header."""

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DELIMITERS = ",;\t"
_BLANKS = re.compile(r"[ \t\r\n]*").match
_LONGEST_ROW = 1 << 18
_WINDOWS = (1 << 12, _LONGEST_ROW)
"""The most characters of a JSON object: first attempt, and last."""
_AMOUNT = re.compile(r"[+-]?0*[0-9]{1,16}", re.ASCII)
_ABSENT = object()
_MOST_SHOWN = 60
_INVALID_WORKBOOK = (
    zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, AttributeError, EOFError, OSError,
    RuntimeError, ExpatError,
)  # fmt: skip
"""What is raised for a file that is not a workbook, or is damaged."""

_Row = Sequence[Any]


def read(name: str, columns: Mapping[str, str]) -> Statement:
    """The lines of a statement by their row numbers, from 1, not counting the header and blank rows.

    `columns`: the column names by field, where they differ from the field's. `-` is standard input. Raises Failure.
    """
    try:
        content = _content(sys.stdin.buffer) if name == "-" else _file(name)
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from error
    name = "standard input" if name == "-" else name
    if len(content) > MOST_BYTES:
        raise Failure(f"{name} has more than {MOST_BYTES:,} bytes: split the statement")
    rows = _rows(name, content, columns)
    header = ["" if cell is None else str(cell).strip() for cell in next(rows)]
    places = [_place(name, header, field, columns.get(field, field)) for field in FIELDS]
    lines: dict[int, Line] = {}
    for number, row in enumerate(rows, 1):
        _check_rows(name, number)
        lines[number] = _line(f"row {number:,} of {name}", row, places)
    return lines


def _file(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return _content(file)


def _content(file: IO[bytes]) -> bytes:
    """The bytes of a file; if it is too long, one byte more than allowed."""
    return file.read(MOST_BYTES + 1)


def _check_rows(name: str, number: int) -> None:
    if number > MOST_ROWS:
        raise Failure(f"{name} has more than {MOST_ROWS:,} rows: split the statement")


def _width(name: str, columns: int) -> int:
    if columns > MOST_COLUMNS:
        raise Failure(f"{name} has {columns:,} columns; at most {MOST_COLUMNS:,} are allowed")
    return columns


def _rows(name: str, content: bytes, columns: Mapping[str, str]) -> Iterator[_Row]:
    """The header and the rows of a statement, in the format that its bytes show."""
    end = Path(name).suffix.lower()
    if content.startswith(_OLE):
        raise Failure(f"{name} is encrypted or in the old XLS format; save it as XLSX without a password")
    if content.startswith(_ZIP) or end in (".xlsx", ".xlsm"):
        return _of_workbook(name, content)
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        where = f"byte {error.start + 1:,} (line {line:,})"
        raise Failure(f"{name} is neither XLSX nor UTF-8 text: invalid {where}") from error
    if not text.strip():
        raise Failure(f"{name} is empty")
    if end == ".json" or text.lstrip()[0] in "[{":
        return _of_json(name, text)
    return _of_csv(name, content, [columns.get(field, field) for field in FIELDS])


def _of_csv(name: str, content: bytes, wanted: Sequence[str]) -> Iterator[_Row]:
    """The rows of a CSV file, split at the delimiter that finds the most wanted columns, then the most columns."""

    def fit(delimiter: str) -> tuple[int, int]:
        header = [cell.strip().casefold() for cell in next(_split(name, content, delimiter, strict=False), ())]
        return sum(column.strip().casefold() in header for column in wanted), len(header)

    rows = _split(name, content, max(_DELIMITERS, key=fit))
    header = next(rows, [])
    _width(name, len(header))
    yield header
    for number, row in enumerate(rows, 1):
        if any(cell.strip() for cell in row[len(header) :]):
            raise Failure(f"row {number:,} of {name} has {len(row):,} cells, but the header has {len(header):,}")
        yield row


def _split(name: str, content: bytes, delimiter: str, *, strict: bool = True) -> Iterator[list[str]]:
    text = TextIOWrapper(BytesIO(content), "utf-8-sig", newline="")
    length = 0

    def lines() -> Iterator[str]:
        nonlocal length
        while line := text.readline(_LONGEST_ROW + 1):
            length += len(line)
            if length > _LONGEST_ROW:
                raise Failure(f"{name} has a row of more than {_LONGEST_ROW:,} characters")
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=strict)
    try:
        for row in reader:
            length = 0
            if any(cell.strip() for cell in row):
                yield row
    except csv.Error as error:
        raise Failure(f"{name} is not CSV: line {reader.line_num:,}: {error}") from error


def _of_workbook(name: str, content: bytes) -> Iterator[_Row]:
    """The rows of the first sheet, with values instead of formulas."""
    from services.finance import sheet

    width = 0
    try:
        for cells in sheet.rows(content):
            if any(map(_filled, cells.values())):
                width = width or _width(name, max(cells) + 1)
                yield [cells.get(place) for place in range(width)]
    except sheet.TooLargeError as error:
        raise Failure(f"{name} is too large: {error}") from error
    except _INVALID_WORKBOOK as error:
        raise Failure(f"{name} is not an XLSX workbook, or it is damaged") from error
    if not width:
        raise Failure(f"the first sheet of {name} is empty")


def _filled(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, str) and not cell.strip())


def _of_json(name: str, text: str) -> Iterator[_Row]:
    """The rows of a list of objects; the header is every member that occurs in one of them."""
    named: dict[str, None] | None = None
    for item in _items(name, text):
        named = (named or {}) | dict.fromkeys(item)
        _width(name, len(named))
    names = list(FIELDS if named is None else named)
    return chain([names], ([item.get(member, _ABSENT) for member in names] for item in _items(name, text)))


def _items(name: str, text: str) -> Iterator[dict[str, Any]]:
    """The objects of a list, one at a time in memory."""
    place = _after_blanks(text, 0)
    if text[place] != "[":
        raise Failure(f"{name} is not a list of objects")
    place = _after_blanks(text, place + 1)
    mark, number = text[place : place + 1], 0
    while mark != "]":
        number += 1
        _check_rows(name, number)
        item, place = _item(name, f"row {number:,} of {name}", text, place)
        yield item
        place = _after_blanks(text, place)
        mark = text[place : place + 1]
        if mark not in (",", "]"):
            raise _not_json(name, text, place, "Expecting ',' delimiter")
        place = _after_blanks(text, place + 1)
    if number == 0:
        place = _after_blanks(text, place + 1)
    if place < len(text):
        raise _not_json(name, text, place, "Extra data")


def _item(name: str, where: str, text: str, place: int) -> tuple[dict[str, Any], int]:
    """The object that begins at an index, and the index of its end."""
    for most in _WINDOWS:
        part = text[place : place + most]
        try:
            item, end = _JSON.raw_decode(part)
        except json.JSONDecodeError as error:
            if len(part) < most:
                raise _not_json(name, text, place + error.pos, error.msg) from error
        except RecursionError as error:
            raise Failure(f"{name} is not a list of objects: it is nested too deeply") from error
        except ValueError as error:
            raise Failure(f"{name} is not a list of objects: {error}") from error
        except ArithmeticError as error:
            raise Failure(f"{name} contains a number that cannot be read") from error
        else:
            if not isinstance(item, dict):
                raise Failure(f"{where} is not an object")
            return item, place + end
    raise Failure(f"{where} is not an object of at most {_WINDOWS[-1]:,} characters")


def _after_blanks(text: str, place: int) -> int:
    match = _BLANKS(text, place)
    return match.end() if match else place


def _not_json(name: str, text: str, place: int, why: str) -> Failure:
    return Failure(f"{name} is not JSON: line {text.count(chr(10), 0, place) + 1:,}: {why}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice in an object")
    return members


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_int=Decimal)


def _place(name: str, header: Sequence[str], field: str, column: str) -> int:
    """The index of a column: the one with that name, else the only one whose name differs in case alone."""
    column = column.strip()
    for key in (str, str.casefold):
        found = [place for place, title in enumerate(header) if key(title) == key(column)]
        if len(found) > 1:
            raise Failure(f"{name} has {len(found):,} columns named {column}")
        if found:
            return found[0]
    others = _shown(", ".join(filter(None, header))) or "no other"
    raise Failure(f"{name} has no column {column}, but {others}; give the right one with --map {field}=COLUMN")


def _line(where: str, row: _Row, places: Iterable[int]) -> Line:
    cells = [row[place] if place < len(row) else _ABSENT for place in places]
    for field, cell in zip(FIELDS, cells, strict=True):
        if cell is _ABSENT:
            raise Failure(f"{where} has no {field}")
    shipment, account, day, amount = cells
    return Line(
        shipment_id=_text(where, "shipment_id", shipment),
        account=_text(where, "account", account),
        date=_day(where, day),
        amount=_tpp(where, amount),
    )


def _text(where: str, field: str, cell: Any) -> str:
    """A text unchanged, since another spelling is a difference; a whole number as its digits."""
    if cell is None:
        return ""
    if isinstance(cell, str) and (cell.isascii() or cell == cell.encode(errors="replace").decode()):
        return cell
    if (number := _integer(cell)) is not None:
        return str(number)
    raise Failure(f"{where}: {field} {_quoted(cell)} is not text")


def _day(where: str, cell: Any) -> str:
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if not _filled(cell):
        raise Failure(f"{where} has no date")
    try:
        return parse_day(cell.strip() if isinstance(cell, str) else cell).isoformat()
    except PydanticCustomError as error:
        raise Failure(f"{where}: {_quoted(cell)} is not a date such as 2025-06-30") from error


def _tpp(where: str, cell: Any) -> int:
    if not _filled(cell):
        raise Failure(f"{where} has no amount")
    text = cell.strip() if isinstance(cell, str) else ""
    number = int(text) if _AMOUNT.fullmatch(text) else _integer(cell)
    if number is None or abs(number) > TPP_MAX:
        raise Failure(f"{where}: the amount {_quoted(cell)} is not a whole number up to {TPP_MAX:,}")
    return number


def _integer(cell: Any) -> int | None:
    """The integer that a cell contains, up to 2^53; None if it is something else, or larger."""
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return None
    return int(cell) if -(2**53) <= cell <= 2**53 and cell == int(cell) else None


def _quoted(cell: Any) -> str:
    """A value as a message quotes it."""
    return _shown(repr(cell) if isinstance(cell, str) else str(cell))


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
