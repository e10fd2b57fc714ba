"""A statement's bytes as a table: what kind of file they are, in which encoding, and how its rows are separated."""

import codecs
import csv
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from xml.parsers.expat import ExpatError

from services.failure import Failure
from services.finance import sheet, statement_json
from services.finance.statement_layout import Layout
from services.finance.statement_table import (
    MOST_COLUMNS,
    FileRow,
    Header,
    HeaderMissing,
    MergedRows,
    Table,
    check_width,
    cut,
    filled,
    shown,
)

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHERS = {
    b"\x1f\x8b": "is compressed with gzip; decompress it first",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; decompress it first",
    b"BZh": "is compressed with bzip2; decompress it first",
    b"\xfd7zXZ": "is compressed with xz; decompress it first",
    b"%PDF-": "is a PDF; ask for the statement as XLSX or CSV",
}
"""What the first bytes of a file tell, and what to do."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""The byte order marks; that of UTF-32 in little-endian order begins as that of UTF-16 does."""

_MARKUP = re.compile(r"\s*<(!doctype|!--|\?xml|html|head|body|table|meta|style|div|(\w+:)?workbook)\b", re.IGNORECASE)
_MIME = re.compile(r"\s*mime-version:", re.IGNORECASE)
_JSON = re.compile(r"\s*(\[\s*([{\[\]]|$)|\{)")
_SEPARATOR = re.compile(r"\"?sep=([^\r\n\"])\"?[\r\n]*", re.IGNORECASE)
_DELIMITERS = ",;\t|"
_LONGEST_ROW = 1 << 18
_LONGEST_CELL = 1 << 17
_INVALID_WORKBOOK = (
    zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, AttributeError, EOFError, OSError,
    RuntimeError, StopIteration, ExpatError,
)  # fmt: skip
"""What is raised for a file that is not a workbook, or is damaged."""


def table(name: str, content: bytes, layout: Layout) -> Table:
    """The table of a statement; raises Failure with advice for a file that is not one."""
    end = Path(name).suffix.lower()
    if content.startswith(_OLE):
        raise Failure(f"{name} is encrypted or in the old XLS format; save it as XLSX without a password")
    if content.startswith(_ZIP) or (end in (".xlsx", ".xlsm") and not _MARKUP.match(content[:200].decode("latin-1"))):
        return _of_workbook(name, content, layout)
    for mark, advice in _OTHERS.items():
        if content.startswith(mark):
            raise Failure(f"{name} {advice}")
    encoding, content = _encoding(name, content, layout.encoding)
    text = _decoded(name, content, encoding, layout.encoding is not None)
    _check_text(name, text, end)
    if layout.sheet is not None:
        raise Failure(f"{name} is not a workbook, so it has no sheet; leave out --sheet")
    if end == ".json" or _JSON.match(text):
        made = _of_json(name, text, layout)
    else:
        del text
        made = _Csv(name, content, encoding, layout).table()
    made.encoding = encoding
    return made


def _encoding(name: str, content: bytes, told: str | None) -> tuple[str, bytes]:
    """The encoding, and the bytes without a byte order mark: as is told, as the mark says, or UTF-8."""
    for mark, encoding in _MARKS.items():
        if not content.startswith(mark):
            continue
        family = encoding.removesuffix("-le").removesuffix("-be")
        if told in (None, encoding, family, f"{family}-sig"):
            return encoding, content[len(mark) :]
        if (told, encoding) != ("utf-16-le", "utf-32-le"):
            raise Failure(f"{name} begins with the mark of {encoding}, not of {told}; leave out --encoding")
    if told in ("utf-16", "utf-32"):
        raise Failure(f"{name} has no byte order mark; give --encoding {told}-le or --encoding {told}-be")
    if told is None and (zeros := content[:1_000].count(0)) and zeros * 4 >= len(content[:1_000]):
        order = "be" if content[0] == 0 else "le"
        raise Failure(f"{name} seems to be UTF-16 without a byte order mark; if it is, give --encoding utf-16-{order}")
    return "utf-8" if told in (None, "utf-8-sig") else told, content


def _decoded(name: str, content: bytes, encoding: str, told: bool) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        where = f"invalid byte {error.start + 1:,} (line {line:,})"
        if told or encoding != "utf-8":
            raise Failure(f"{name} is not text in {encoding}: {where}") from error
        raise Failure(
            f"{name} is neither XLSX nor UTF-8 text: {where}; give its encoding, such as --encoding cp1252"
        ) from error


def _check_text(name: str, text: str, end: str) -> None:
    if not text.strip():
        raise Failure(f"{name} is empty")
    markup, mime = _MARKUP.match(text), _MIME.match(text)
    if markup or mime:
        xml = markup is not None and markup[1].lower().endswith(("?xml", "workbook"))
        kind = "XML" if xml and "<html" not in text[:2_000].lower() else "HTML"
        under = f" under the name {end}" if end and end not in (".html", ".htm", ".xml", ".mht", ".mhtml") else ""
        raise Failure(f"{name} is {kind}{under}; open it in a spreadsheet and save it as XLSX or CSV")
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise Failure(f"{name} has a NUL character in line {line:,}: it is not a text file, or has another encoding")


def _of_json(name: str, text: str, layout: Layout) -> Table:
    if layout.header_row is not None:
        raise Failure(f"{name} is JSON, which has no header; leave out --header-row")
    names = statement_json.members(name, text)
    if names is None:
        names = list(map(layout.column, layout.wanted))
    header = Header(layout)
    header.best = FileRow(0, names, len(names))
    found = cut(name, statement_json.rows(name, text, names), header, layout, "object")
    found.header_row = None
    return found


def _of_workbook(name: str, content: bytes, layout: Layout) -> Table:
    """The table of the sheet that is told, else of the first one that is not hidden."""
    try:
        book = sheet.Book(content)
        chosen = _sheet(name, book, layout.sheet)
        header, rows = Header(layout), _of_sheet(book, chosen)
        header.find(name, rows)
        if header.best is None and layout.header_row is None:
            which = "the first sheet" if layout.sheet is None else f"sheet {chosen!r}"
            raise Failure(f"{which} of {name} is empty{_choose(book, chosen, layout)}")
        try:
            found = cut(name, rows, header, layout, "row")
        except HeaderMissing as error:
            raise Failure(f"{error}{_choose(book, chosen, layout)}") from error
        found.merged = _merged(book.merged, header.places(name, "row"))
    except sheet.TooLargeError as error:
        raise Failure(f"{name} is too large: {error}") from error
    except _INVALID_WORKBOOK as error:
        kind = _other_archive(content) or "is not an XLSX workbook, or it is damaged"
        raise Failure(f"{name} {kind}") from error
    return found


def _sheet(name: str, book: sheet.Book, told: str | None) -> str:
    if told is None:
        return book.first
    found = [one for one in book.names if one == told] or [
        one for one in book.names if one.strip().casefold() == told.strip().casefold()
    ]
    if not found:
        raise Failure(f"{name} has no sheet {told!r}, but {_listed(book.names)}")
    return found[0]


def _choose(book: sheet.Book, chosen: str, layout: Layout) -> str:
    """What to do if the sheet that was taken is not the statement."""
    others = [one for one in book.names if one != chosen]
    if layout.sheet is not None or not others:
        return ""
    return f"; this is sheet {chosen!r}, and --sheet chooses another: {_listed(others)}"


def _listed(names: Sequence[str]) -> str:
    return shown(", ".join(map(repr, names)))


def _of_sheet(book: sheet.Book, chosen: str) -> Iterator[FileRow]:
    for number, cells in book.rows(chosen):
        if any(map(filled, cells.values())):
            width = max(cells) + 1
            yield FileRow(number, [cells.get(place) for place in range(min(width, MOST_COLUMNS))], width)


def _merged(areas: Sequence[sheet.Area], places: Sequence[int | None]) -> dict[int, list[MergedRows]]:
    """The rows in which the column of a field is merged, in order, by the field's place."""
    found: dict[int, list[MergedRows]] = {}
    for first, last, left, right in sorted(areas):
        for field, place in enumerate(places):
            if place is not None and left <= place <= right:
                found.setdefault(field, []).append(MergedRows(first, last, place == left))
    return found


def _other_archive(content: bytes) -> str | None:
    """What a ZIP archive is that is not an XLSX workbook, and what to do; None if that cannot be told."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = archive.namelist()[:100]
    except _INVALID_WORKBOOK:
        return None
    if "xl/workbook.bin" in names:
        return "is an XLSB workbook; save it as XLSX"
    if "content.xml" in names:
        return "is an OpenDocument spreadsheet; save it as XLSX"
    if any(one.startswith(("xl/", "[Content_Types]")) for one in names):
        return None
    return "is a ZIP archive, not an XLSX workbook; unpack it first"


class _Csv:
    """A text whose rows are lines of cells."""

    def __init__(self, name: str, content: bytes, encoding: str, layout: Layout) -> None:
        self._name, self._content, self._encoding, self._layout = name, content, encoding, layout
        with self._text() as text:
            first = _SEPARATOR.fullmatch(text.readline(_LONGEST_ROW))
        self._advice = ""
        self._separator = first[1] if first else None
        self._above = 1 if first else 0
        """How many lines stand before the rows."""

    def table(self) -> Table:
        """The rows below the header, split at the delimiter that finds the header, or most of it."""
        found: dict[str, Header] = {}
        for delimiter in self._separator or _DELIMITERS:
            lines = [one.best.line for one in found.values() if one.best and one.complete]
            found[delimiter] = self._probe(delimiter, min(lines, default=None))
        delimiter = max(found, key=lambda one: _rank(found[one]))
        header = found[delimiter]
        if self._layout.header_row is None and not header.complete:
            self._advice = "; if that is above the header, give the header's line with --header-row"
        rows = self._rows(delimiter, (header.best.line if header.best else 1) - 1)
        if header.best is None:
            header.find(self._name, rows)
        else:
            header.best = next(rows)
            check_width(self._name, header.best.width)
        try:
            made = cut(self._name, rows, header, self._layout, "line")
        except HeaderMissing as error:
            if self._separator is None:
                raise
            raise Failure(f"{error}; the first line says that {self._separator!r} separates the cells") from error
        if delimiter == "," and made.thousands_apart and self._layout.decimal is None:
            raise Failure(
                f"{self._name} may have amounts whose thousands are cells of their own, such as 126,592; quote them, "
                "or give --decimal . if no amount is cut"
            )
        made.delimiter = delimiter
        return made

    def _probe(self, delimiter: str, last: int | None) -> Header:
        """The header that is found, up to a line, if the cells are separated by a delimiter."""
        header = Header(self._layout)
        above = self._above if self._layout.header_row is None else max(self._layout.header_row - 1, self._above)
        try:
            for row in self._rows(delimiter, above, strict=False):
                if last is not None and row.line > last:
                    break
                if header.is_(row) or self._layout.header_row is not None:
                    break
        except Failure:
            pass
        return header

    def _rows(self, delimiter: str, above: int, *, strict: bool = True) -> Iterator[FileRow]:
        """The rows that are not blank, below so many lines."""
        text = self._text()
        for _ in range(above):
            _skip_line(text)
        length = 0

        def lines() -> Iterator[str]:
            nonlocal length
            while line := text.readline(_LONGEST_ROW + 1):
                length += len(line)
                if length > _LONGEST_ROW:
                    raise Failure(f"{self._name} has a row of more than {_LONGEST_ROW:,} characters")
                yield line

        csv.field_size_limit(_LONGEST_CELL)  # of the whole process: a library may have raised it
        reader = csv.reader(lines(), delimiter=delimiter, strict=strict)
        line = above + 1
        try:
            for row in reader:
                length = 0
                if any(cell.strip() for cell in row):
                    yield FileRow(line, row, len(row))
                line = above + reader.line_num + 1
        except csv.Error as error:
            raise Failure(
                f"{self._name} is not CSV: line {above + reader.line_num:,}: {error}{self._advice}"
            ) from error

    def _text(self) -> TextIOWrapper:
        return TextIOWrapper(BytesIO(self._content), self._encoding, newline="")


def _skip_line(text: TextIOWrapper) -> None:
    """Reads past a line."""
    while piece := text.readline(_LONGEST_ROW):
        if piece.endswith(("\n", "\r")):
            return


def _rank(header: Header) -> tuple[int, int, int]:
    """How good a header is: how many of the wanted columns, how far up, how many columns."""
    best = header.best
    return (-1, 0, 0) if best is None else (header.most, -best.line if header.complete else 0, best.width)
