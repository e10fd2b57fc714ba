"""The rows of a sheet of an XLSX workbook, read in constant memory: only its texts are unpacked completely."""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from io import BytesIO
from posixpath import dirname, join, normpath
from typing import Any, NamedTuple
from xml.parsers import expat

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel, from_ISO8601

MOST_UNPACKED, MOST_TEXTS = 128 << 20, 32 << 20
"""The most bytes that the parts of a workbook may unpack to: all that are read, and its table of texts."""

MOST_ROWS, MOST_COLUMNS, MOST_CELL = 1_048_576, 16_384, 32_767
"""The limits of a sheet, and the most characters of a cell, like in spreadsheets."""

_MOST_PARTS, _MOST_TOKEN, _MOST_ROW = 2_000, 1 << 20, 1 << 20
_CHUNK = 1 << 16
_ENTRY = b"PK\x01\x02"
_REFERENCE = re.compile("([A-Z]{1,3})([0-9]{1,9})", re.ASCII)

Cells = Mapping[int, Any]
"""The values of a row by column, from 0, without the empty ones."""


class ErrorValue(str):
    """What a cell shows in the place of a value: an error such as `#N/A`, or nothing where a formula has no value."""

    __slots__ = ()


class SheetRow(NamedTuple):
    """A row of a sheet: its number, from 1, and its cells."""

    number: int
    cells: Cells


class Area(NamedTuple):
    """Cells that are merged: the first and the last row, from 1, and the first and the last column, from 0."""

    first: int
    last: int
    left: int
    right: int


_Started = Callable[[str, dict[str, str]], None]
_Ended = Callable[[str, str], None]


class TooLargeError(ValueError):
    """A workbook would unpack to more than is allowed; the message says what."""


class _Archive:
    """The parts of a workbook; the unpacked bytes are bounded."""

    def __init__(self, content: bytes) -> None:
        if content.count(_ENTRY) > _MOST_PARTS:
            raise TooLargeError(f"it has more than {_MOST_PARTS:,} parts")
        self._archive = zipfile.ZipFile(BytesIO(content))
        self._unpacked = 0

    def parse(self, name: str, started: _Started, ended: _Ended, most: int = MOST_UNPACKED) -> Iterator[None]:
        """Reads a part as XML, and yields after each piece of it; names come without their namespaces.

        `started` is called with a name and attributes, `ended` with a name and the text since the last call of either.
        """
        part = self._archive.getinfo(name)
        self._unpacked += part.file_size
        if part.file_size > most or self._unpacked > MOST_UNPACKED:
            raise TooLargeError(f"{name} unpacks to {part.file_size:,} bytes")
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(name)
        parser = _parser(started, ended)
        with self._archive.open(part) as file:
            fed = 0
            while piece := file.read(_CHUNK):
                parser.Parse(piece)
                fed += len(piece)
                if fed - parser.CurrentByteIndex > _MOST_TOKEN:
                    raise TooLargeError(f"a tag of {name} is longer than {_MOST_TOKEN:,} bytes")
                yield
            parser.Parse(b"", True)
            yield

    def read(self, name: str, started: _Started, ended: _Ended = lambda *_: None, most: int = MOST_UNPACKED) -> None:
        """As `parse`, to the end."""
        for _ in self.parse(name, started, ended, most):
            pass

    def related(self, name: str) -> list[tuple[str, str, str]]:
        """The id, the kind and the name of each part that a part relates to."""
        found: list[tuple[str, str, str]] = []

        def started(tag: str, of: dict[str, str]) -> None:
            if tag == "Relationship" and of.get("TargetMode") != "External":
                target = normpath(join("/", dirname(name), of["Target"])).lstrip("/")
                found.append((of["Id"], of["Type"].rpartition("/")[2], target))

        self.read(join(dirname(name), "_rels", f"{name.rpartition('/')[2]}.rels"), started)
        return found


def _parser(started: _Started, ended: _Ended) -> Any:
    """A parser of XML without a document type, which could make much of little."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    texts: list[str] = []
    size = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        clear()
        started(name.rpartition(" ")[2], {key.rpartition(" ")[2]: value for key, value in attributes.items()})

    def end(name: str) -> None:
        ended(name.rpartition(" ")[2], "".join(texts))
        clear()

    def text(piece: str) -> None:
        nonlocal size
        size += len(piece)
        if size > MOST_CELL:
            raise TooLargeError(f"a text of it has more than {MOST_CELL:,} characters")
        texts.append(piece)

    def clear() -> None:
        nonlocal size
        texts.clear()
        size = 0

    def refuse(*_: Any) -> None:
        raise ValueError("a document type")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse
    return parser


class Book:
    """A workbook, of which one sheet is read, once.

    What it raises for content that is not a workbook: ExpatError, LookupError, OSError, ValueError, zlib.error, or what
    `zipfile` raises. It raises TooLargeError if too much would have to be unpacked.
    """

    def __init__(self, content: bytes) -> None:
        self._archive = _Archive(content)
        book = next(target for _, kind, target in self._archive.related("") if kind == "officeDocument")
        related = self._archive.related(book)
        self._epoch, listed = _sheets(self._archive, book)
        files = {identifier: target for identifier, kind, target in related if kind == "worksheet"}
        self._parts = {name: files[identifier] for name, identifier, _ in listed if identifier in files}
        shown = [name for name, identifier, hidden in listed if identifier in files and not hidden]
        self._others = {kind: target for _, kind, target in related}
        self.names = list(self._parts)
        """The names of its worksheets, hidden ones too."""
        self.first = next(iter([*shown, *self.names]))
        """The name of the first worksheet that is not hidden."""
        self.merged: list[Area] = []
        """The merged cells of the sheet, once all of its rows were read."""

    def rows(self, name: str) -> Iterator[SheetRow]:
        """The rows of a worksheet that have a cell with a value: values, not formulas."""
        texts = _texts(self._archive, self._others["sharedStrings"]) if "sharedStrings" in self._others else []
        dates = _dates(self._archive, self._others["styles"]) if "styles" in self._others else []
        reader = _SheetReader(texts, dates, self._epoch)
        for _ in self._archive.parse(self._parts[name], reader.start, reader.end):
            yield from reader.rows
            reader.rows.clear()
        self.merged = reader.merged


def _sheets(archive: _Archive, name: str) -> tuple[datetime, list[tuple[str, str, bool]]]:
    """The day from which a workbook counts its dates, and of its sheets in order: name, id, whether it is hidden."""
    epochs, found = [WINDOWS_EPOCH], list[tuple[str, str, bool]]()

    def started(tag: str, of: dict[str, str]) -> None:
        if tag == "workbookPr" and of.get("date1904") in ("1", "true"):
            epochs.append(MAC_EPOCH)
        elif tag == "sheet":
            found.append((of.get("name", ""), of["id"], of.get("state", "visible") != "visible"))

    archive.read(name, started)
    return epochs[-1], found


def _texts(archive: _Archive, name: str) -> list[str]:
    """The table of texts, to which cells refer by number."""
    found: list[str] = []
    reader = _TextReader()

    def ended(tag: str, text: str) -> None:
        if reader.end(tag, text) and tag == "si":
            found.append(reader.take().replace("x005F_", ""))

    archive.read(name, reader.start, ended, MOST_TEXTS)
    return found


class _TextReader:
    """The text of an element, joined from its pieces, without its pronunciation."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._spoken = False

    def start(self, tag: str, _: dict[str, str]) -> None:
        """An element begins."""
        if tag == "rPh":
            self._spoken = True

    def end(self, tag: str, text: str) -> bool:
        """Ends an element; true if it is not inside a pronunciation."""
        if tag == "rPh":
            self._spoken = False
        elif tag == "t" and not self._spoken:
            self._size += len(text)
            if self._size > MOST_CELL:
                raise TooLargeError(f"a text of it has more than {MOST_CELL:,} characters")
            self._pieces.append(text)
        return not self._spoken

    def take(self) -> str:
        """The text so far, which is then cleared."""
        text = "".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return text


def _dates(archive: _Archive, name: str) -> list[str | None]:
    """For each style of cells, the format of its dates or durations; None if it has neither."""
    formats: dict[int, str] = {}
    styles: list[str | None] = []
    within = [False]

    def started(tag: str, of: dict[str, str]) -> None:
        if tag == "numFmt":
            formats[int(of["numFmtId"])] = of["formatCode"]
        elif tag == "cellXfs":
            within[0] = True
        elif tag == "xf" and within[0]:
            number = int(of.get("numFmtId", 0))
            form = formats.get(number) or BUILTIN_FORMATS.get(number, "")
            styles.append(form if is_date_format(form) else None)

    def ended(tag: str, _: str) -> None:
        if tag == "cellXfs":
            within[0] = False

    archive.read(name, started, ended)
    return styles


class _SheetReader:
    """The rows of a sheet, built from its elements."""

    def __init__(self, texts: list[str], dates: list[str | None], epoch: datetime) -> None:
        self._texts, self._dates, self._epoch = texts, dates, epoch
        self._inline = _TextReader()
        self._row, self._column, self._size = 0, -1, 0
        self._cells: dict[int, Any] = {}
        self._of: dict[str, str] = {}
        self._formula = False
        self.rows: list[SheetRow] = []
        self.merged: list[Area] = []

    def start(self, tag: str, of: dict[str, str]) -> None:
        """An element begins."""
        if tag == "row":
            self._row = int(of["r"]) if "r" in of else self._row + 1
            if self._row > MOST_ROWS:
                raise TooLargeError(f"it has a row {self._row:,}")
            self._cells, self._column, self._size = {}, -1, 0
        elif tag == "c":
            self._of, self._formula = of, False
            self._column = _column(of["r"]) if "r" in of else self._column + 1
            if self._column >= MOST_COLUMNS:
                raise TooLargeError(f"it has a column {self._column + 1:,}")
        elif tag == "f":
            self._formula = True
        elif tag == "mergeCell":
            if len(self.merged) == MOST_ROWS:
                raise TooLargeError(f"it has more than {MOST_ROWS:,} merged cells")
            self.merged.append(_area(of["ref"]))
        else:
            self._inline.start(tag, of)

    def end(self, tag: str, text: str) -> None:
        """An element has ended."""
        if tag == "v" and self._of.get("t") != "inlineStr":
            if text:
                self._put(self._value(text))
            if text or self._of.get("t") == "str":
                self._formula = False
        elif tag == "is":
            self._put(self._inline.take())
        elif tag == "c":
            if self._formula:
                self._put(ErrorValue(""))
        elif tag == "row":
            if self._cells:
                self.rows.append(SheetRow(self._row, self._cells))
            self._cells = {}
        else:
            self._inline.end(tag, text)

    def _put(self, value: Any) -> None:
        self._size += len(value) if isinstance(value, str) else 0
        if self._size > _MOST_ROW:
            raise TooLargeError(f"its row {self._row:,} has more than {_MOST_ROW:,} characters")
        self._cells[self._column] = value

    def _value(self, text: str) -> Any:
        kind = self._of.get("t", "n")
        if kind == "s":
            return self._texts[int(text)]
        if kind == "b":
            return bool(int(text))
        if kind == "d":
            return from_ISO8601(text)
        if kind == "e":
            return ErrorValue(text)
        if kind != "n":
            return text
        number = float(text) if {*text} & {*".eE"} else int(text)
        style = int(self._of.get("s", 0))
        form = self._dates[style] if 0 <= style < len(self._dates) else None
        if form is None:
            return number
        try:
            return from_excel(number, self._epoch, timedelta=is_timedelta_format(form))
        except (OverflowError, ValueError):
            return ErrorValue("#VALUE!")


def _column(reference: str) -> int:
    """The column of a cell, from 0.

    >>> _column("A1"), _column("AA7"), _column("XFD1")
    (0, 26, 16383)
    """
    return _place(reference)[1]


def _area(reference: str) -> Area:
    """The cells of a reference such as `A1:B2`."""
    first, _, last = reference.partition(":")
    (top, left), (bottom, right) = _place(first), _place(last or first)
    return Area(top, bottom, left, right)


def _place(reference: str) -> tuple[int, int]:
    """The row of a cell, from 1, and its column, from 0."""
    match = _REFERENCE.fullmatch(reference.replace("$", "").upper())
    if match is None:
        raise ValueError(reference)
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return int(match[2]), column - 1
