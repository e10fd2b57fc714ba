"""The rows of a list's file, CSV or JSON, each with the line in which it begins; bounded in every direction."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from json import JSONDecoder
from typing import Any, NamedTuple

from services.failure import Failure

MOST_BYTES = 128 << 20
"""The most bytes of a list's file, unpacked."""
MOST_COLUMNS = 256
LONGEST_ROW = 1 << 20
"""The most characters of a row of CSV, however many lines it has."""
LONGEST_CELL = 1 << 17
MOST_ROWS = 500_000

_OTHERS = {
    b"PK\x03\x04": "is a zip archive or a workbook; give the CSV or JSON in it",
    b"\xd0\xcf\x11\xe0": "is an old workbook; save it as CSV",
    b"%PDF-": "is a PDF; take the list as CSV or JSON",
    b"\x1f\x8b": "is compressed twice; unpack it once",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}
"""How files begin that are not lists, and what to do."""
_MARK = b"\xef\xbb\xbf"
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml|[a-z]+)\b", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n]*")
_DELIMITERS = ",;\t|"
_WINDOWS = (1 << 13, LONGEST_ROW)
"""The most characters of a JSON value: first attempt, and last."""


class ListError(Failure):
    """A list's file cannot be read, so nothing of it is used. `line`: where, None where no line can be named."""

    def __init__(self, name: str, problem: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(f"{name}, line {line:,}: {problem}" if line else f"{name} {problem}")


class Row(NamedTuple):
    """A row by column: the texts of CSV, the values of a JSON object; `line` is the one in which it begins."""

    line: int
    cells: Mapping[str, Any]


class Rows(NamedTuple):
    """The rows of a file. `columns`: those of the header; of JSON the members that the first object has."""

    columns: tuple[str, ...]
    is_json: bool
    rows: Iterator[Row]


def rows_of(name: str, content: bytes) -> Rows:
    """The rows of a file's bytes, told from the content whether CSV or JSON; raises ListError for another file."""
    if len(content) > MOST_BYTES:
        raise ListError(name, f"has more than {MOST_BYTES:,} bytes")
    for start, problem in _OTHERS.items():
        if content.startswith(start):
            raise ListError(name, problem)
    if _MARKUP.match(content[:200]):
        raise ListError(name, "is HTML or XML, not a list: check the address it was taken from")
    if (at := content.find(0)) >= 0:
        raise ListError(name, "a NUL byte, which no text has", content.count(b"\n", 0, at) + 1)
    start = content[:4_096].removeprefix(_MARK).lstrip()
    if not start:
        raise ListError(name, "is empty")
    try:
        return _json(name, content) if start[:1] in (b"{", b"[") else _csv(name, content)
    except UnicodeDecodeError as error:
        raise _not_utf8(name, content) from error


def _not_utf8(name: str, content: bytes) -> ListError:
    """What is wrong with bytes that are not UTF-8; the line is that of the first wrong byte."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return ListError(name, f"byte {error.start + 1:,} of the file is not UTF-8; save the list as UTF-8", line)
    return ListError(name, "is not UTF-8")


class _Lines:
    """The lines of a text, for a reader of CSV; those of one row may not have too many characters."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name = name
        self._text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="strict", newline="")
        self._left = LONGEST_ROW
        self.row = 1
        """The line in which the row begins that is read next."""
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(self._left + 1):
            self.read += 1
            self._left -= len(line)
            if self._left < 0:
                problem = f"a row of more than {LONGEST_ROW:,} characters; is a quotation mark missing?"
                raise ListError(self._name, problem, self.row)
            yield line

    def next_row(self) -> None:
        """Begins a row at the next line."""
        self._left, self.row = LONGEST_ROW, self.read + 1


def _csv(name: str, content: bytes) -> Rows:
    first = content[: LONGEST_ROW + 4].removeprefix(_MARK).lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    delimiter = max(_DELIMITERS, key=lambda one: (first.count(one), -_DELIMITERS.index(one)))
    lines = _Lines(name, content)
    csv.field_size_limit(LONGEST_CELL)  # of the whole process: a library may have raised it
    rows = _cells(name, csv.reader(lines, delimiter=delimiter, strict=True), lines)
    line, header = next(rows, (1, []))
    columns = tuple(" ".join(cell.split()) for cell in header)
    if not header:
        raise ListError(name, "is empty")
    if len(columns) > MOST_COLUMNS:
        raise ListError(name, f"{len(columns):,} columns; at most {MOST_COLUMNS:,} are allowed", line)
    repeated = sorted({one for one in columns if one and columns.count(one) > 1})
    if repeated:
        raise ListError(name, f"the column {repeated[0]!r} stands twice in the header", line)
    return Rows(columns, False, _named(name, columns, rows, content))


def _cells(name: str, reader: Any, lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with its line."""
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            problem = f"not CSV: {error}"
            if "field limit" in str(error):
                problem = f"a cell of more than {LONGEST_CELL:,} characters; is a quotation mark missing?"
            raise ListError(name, problem, lines.row) from error
        if cells is None:
            return
        line = lines.row
        lines.next_row()
        if any(map(str.strip, cells)):
            yield line, cells


def _named(name: str, columns: Sequence[str], rows: Iterator[tuple[int, list[str]]], content: bytes) -> Iterator[Row]:
    try:
        for number, (line, cells) in enumerate(rows, 1):
            if number > MOST_ROWS:
                raise ListError(name, f"more than {MOST_ROWS:,} rows", line)
            if len(cells) != len(columns):
                counted = f"{len(cells):,} cell{'s' if len(cells) != 1 else ''}"
                raise ListError(name, f"{counted}, but the header has {len(columns):,}", line)
            yield Row(line, dict(zip(columns, cells, strict=True)))
    except UnicodeDecodeError as error:
        raise _not_utf8(name, content) from error


def _json(name: str, content: bytes) -> Rows:
    text = content.decode("utf-8-sig")
    rows = _objects(name, text)
    first = next(rows, None)
    if first is None:
        raise ListError(name, "has no entries")

    def every() -> Iterator[Row]:
        yield first
        for number, row in enumerate(rows, 2):
            if number > MOST_ROWS:
                raise ListError(name, f"more than {MOST_ROWS:,} entries", row.line)
            yield row

    return Rows(tuple(first.cells), True, every())


class _Place:
    """A place in a text and its line, which is counted forward only."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self.at, self._line, self._counted = 0, 1, 0
        self._decoder = JSONDecoder(parse_constant=self._constant)

    @property
    def line(self) -> int:
        """The line of the place."""
        self._line += self._text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    def sign(self) -> str:
        """The next character that is not blank, empty at the end; the place is then at it."""
        self.at = _BLANKS.match(self._text, self.at).end()  # type: ignore[union-attr]
        return self._text[self.at : self.at + 1]

    def take(self, *signs: str) -> str:
        """The next character, which is one of these; the place is then behind it."""
        found = self.sign()
        if found not in signs or not found:
            raise self.error(f"not JSON: {' or '.join(signs)} expected")
        self.at += 1
        return found

    def value(self) -> Any:
        """The next value; the place is then behind it."""
        self.sign()
        for most in _WINDOWS:
            part = self._text[self.at : self.at + most]
            cut = len(part) == most
            try:
                value, end = self._decoder.raw_decode(part)
            except RecursionError as error:
                raise self.error("nested too deep") from error
            except ValueError as error:
                if cut:
                    continue
                raise self.error(f"not JSON: {getattr(error, 'msg', error)}") from error
            if end < len(part) or not cut:
                self.at += end
                return value
        raise self.error(f"an entry of more than {LONGEST_ROW:,} characters, or not JSON")

    def error(self, problem: str) -> ListError:
        """An error at this place."""
        return ListError(self._name, problem, self.line)

    def _constant(self, found: str) -> None:
        raise ValueError(f"{found} is not JSON")


def _objects(name: str, text: str) -> Iterator[Row]:
    """The objects of a JSON list, or of the member `results` of an object, one at a time."""
    place = _Place(name, text)
    whole = place.sign() == "["
    if not whole:
        _find_results(place)
    yield from _items(place)
    if not whole:
        while place.take(",", "}") == ",":
            place.value()
            place.take(":")
            place.value()
    if place.sign():
        raise place.error("not JSON: the file goes on behind its end")


def _find_results(place: _Place) -> None:
    """Goes to the value of the member `results` of the object that begins here."""
    place.take("{")
    while place.sign() != "}":
        member = place.value()
        place.take(":")
        if member == "results":
            return
        place.value()
        if place.sign() != "}":
            place.take(",")
    raise place.error("the object has no member results")


def _items(place: _Place) -> Iterator[Row]:
    place.take("[")
    if place.sign() == "]":
        place.take("]")
        return
    while True:
        place.sign()
        line, found = place.line, place.value()
        if not isinstance(found, dict):
            raise place.error("an entry that is not a JSON object")
        yield Row(line, found)
        if place.take(",", "]") == "]":
            return
