"""Rows for people: a table where it fits, and otherwise a block of lines for each row; nothing is cut off."""

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from services.visible import visible

NONE = "–"
"""What stands for a missing value."""

PIPE = 200
"""The width to which texts are wrapped if there is no terminal."""

_EMPTY = ("", "0", NONE)
_BETWEEN = 3
"""The blanks between columns."""
_TEXT = 20
"""The least width of a text that may be wrapped, if it is as long."""
_READABLE = 40
"""The least width of such a text beside other columns, where it can stand below the row instead."""


_UNBROKEN = "\N{NO-BREAK SPACE}"
_NOTE = " " * 4
"""The indent of what stands below a row."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows with their headings, by name. A `key` is never left out; a column that `flows` may be wrapped at blanks.

    Where a table is too wide, those that flow and those of `below` stand below each row.
    """

    headings: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    keys: frozenset[str] = frozenset()
    flows: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()


def terminal_width() -> int | None:
    """The columns of the terminal to which standard output goes; None if it goes elsewhere."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else None


def text_of(grid: Grid, width: int | None, encoding: str = "utf-8") -> str:
    """The rows as text, in columns that fit `width`; with None, in columns as wide as they need.

    Where they do not fit, columns that are 0 or empty in every row are left out, which a last line says; then texts and
    lesser figures stand below each row; then each row becomes a block of lines, in which a longer value runs over the
    edge. What `encoding` lacks becomes an escape.
    """
    cells = [[_cell(row.get(name), encoding) for name in grid.headings] for row in grid.rows]
    columns = [_column(grid, name, [row[at] for row in cells]) for at, name in enumerate(grid.headings)]
    wide = PIPE if width is None else width
    if _least(columns, _READABLE) <= wide:
        return _table(columns, wide, encoding)
    shown = [column for column in columns if column.key or not column.empty]
    above = [column for column in shown if not column.below]
    if _least(shown, _READABLE) <= wide:
        text = _table(shown, wide, encoding)
    elif 1 < len(above) < len(shown) and _least(above) <= wide:
        text = "\n".join(_with_notes(above, [column for column in shown if column.below], wide, encoding))
    elif width is None or _least(columns) <= width:
        return _table(columns, max(wide, _least(columns)), encoding)
    else:
        text = _table(shown, width, encoding) if _least(shown) <= width else "\n".join(_blocks(shown, width))
    left = ", ".join(column.heading for column in columns if column not in shown)
    return f"{text}\n 0 or empty in every row: {left}" if left else text


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with its cells as text; `whole` is the width of the longest line, `word` that of the longest word."""

    heading: str
    cells: list[str]
    numeric: bool
    key: bool
    flows: bool
    below: bool
    whole: int
    word: int

    @property
    def empty(self) -> bool:
        """Whether every cell is 0 or empty."""
        return all(cell in _EMPTY for cell in self.cells)

    def least(self, text: int = _TEXT) -> int:
        """The narrowest width in which nothing is cut and a text that is longer has at least `text`."""
        return self.whole if not self.flows or self.whole <= text else max(text, self.word)


def _column(grid: Grid, name: str, cells: list[str]) -> _Column:
    heading, flows = grid.headings[name], name in grid.flows
    lines = {heading, *cells}
    words = {word for line in lines for word in line.split()} if flows else ()
    return _Column(
        heading, cells, _numeric(grid.rows, name), name in grid.keys, flows, flows or name in grid.below,
        max(map(_width, lines)), max(map(_width, words), default=0),
    )  # fmt: skip


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    from rich.cells import cell_len

    return len(text) if text.isascii() else cell_len(text)


def _least(columns: Sequence[_Column], text: int = _TEXT) -> int:
    return sum(column.least(text) for column in columns) + _BETWEEN * (len(columns) - 1) + 2


def _numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(value, int) or str(value).endswith(" %") for value in (row.get(name) for row in rows))


def _cell(value: Any, encoding: str) -> str:
    text = NONE if value is None else f"{value:,}" if isinstance(value, int) else visible(str(value))
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _table(columns: Sequence[_Column], width: int, encoding: str) -> str:
    if not any(column.flows for column in columns) or _least(columns, width) <= width:
        return _unwrapped(columns, encoding)
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    plain = box.Box("    \n    \n -- \n    \n    \n    \n    \n    ", ascii=True)
    table = Table(box=box.SIMPLE_HEAD if _is_unicode(encoding) else plain, pad_edge=False)
    for column in columns:
        least = column.least()
        table.add_column(
            column.heading,
            justify="right" if column.numeric else "left",
            no_wrap=not column.flows,
            min_width=least,
            max_width=None if column.flows else least,
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, row))
    text = StringIO()
    Console(file=text, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def _unwrapped(columns: Sequence[_Column], encoding: str) -> str:
    """A table in which every row is one line; it looks as those do that are wrapped, and is made much faster."""
    widths = [column.whole for column in columns]

    def line(cells: Sequence[str]) -> str:
        told = []
        for cell, width, column in zip(cells, widths, columns, strict=True):
            blanks = " " * (width - _width(cell))
            told.append(f"{blanks}{cell}" if column.numeric else f"{cell}{blanks}")
        return f" {(' ' * _BETWEEN).join(told)}".rstrip()

    rule = ("─" if _is_unicode(encoding) else "-") * (sum(widths) + _BETWEEN * (len(columns) - 1))
    rows = map(line, zip(*(column.cells for column in columns), strict=True))
    return "\n".join([line([column.heading for column in columns]), f" {rule}", *rows])


def _is_unicode(encoding: str) -> bool:
    return encoding.lower().startswith("utf")


def _with_notes(above: Sequence[_Column], below: Sequence[_Column], width: int, encoding: str) -> Iterator[str]:
    """A table of some columns, in which the others stand below each row: figures on one line, each text on its own."""
    heading, line, *rows = _table(above, width, encoding).splitlines()
    yield from (heading, line)
    figures, texts = ([one for one in below if one.flows is flows] for flows in (False, True))
    indent = max((len(column.heading) for column in texts), default=0) + 2
    wrap = _wrap(width - indent - len(_NOTE))
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield row
        told = [(column.heading, column.cells[number]) for column in figures if column.cells[number] != NONE]
        joined = "   ".join(f"{heading} {cell}".replace(" ", _UNBROKEN) for heading, cell in told)
        yield from (f"{_NOTE}{part}".replace(_UNBROKEN, " ") for part in wrap(joined))
        for column in texts:
            cell = column.cells[number]
            for at, part in enumerate(wrap(cell) if cell not in ("", NONE) else ()):
                yield f"{_NOTE}{column.heading if at == 0 else '':<{indent}}{part}"


def _wrap(width: int) -> Callable[[str], list[str]]:
    """Gives the lines of a text, wrapped at blanks to fewer than `width` characters."""
    most = max(width - 1, _TEXT)
    text = textwrap.TextWrapper(most, break_long_words=False, break_on_hyphens=False)
    return lambda cell: ([cell] if cell else []) if len(cell) <= most else text.wrap(cell)


def _blocks(columns: Sequence[_Column], width: int) -> Iterator[str]:
    """The lines of a block for each row, with a blank line between two."""
    indent = max(len(column.heading) for column in columns) + 2
    wrap = _wrap(width - indent)
    for number in range(len(columns[0].cells)):
        if number:
            yield ""
        for column in columns:
            cell = column.cells[number]
            for at, line in enumerate(wrap(cell) if column.flows and cell else [cell]):
                yield f" {column.heading if at == 0 else '':<{indent}}{line}".rstrip()
