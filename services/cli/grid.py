"""Rows for people: a table where it fits, and otherwise a block of lines for each row; nothing is cut off."""

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows with their headings, by name. A `key` is never left out; a column that `flows` may be wrapped at blanks."""

    headings: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    keys: frozenset[str] = frozenset()
    flows: frozenset[str] = frozenset()


def terminal_width() -> int | None:
    """The columns of the terminal to which standard output goes; None if it goes elsewhere."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else None


def text_of(grid: Grid, width: int | None, encoding: str = "utf-8") -> str:
    """The rows as text, in columns that fit `width`; with None, in columns as wide as they need.

    Where they do not fit, columns that are 0 or empty in every row are left out, which a last line says; then each row
    becomes a block of lines, in which a longer value runs over the edge. What `encoding` lacks becomes an escape.
    """
    cells = [[_cell(row.get(name), encoding) for name in grid.headings] for row in grid.rows]
    columns = [
        _Column(heading, [row[at] for row in cells], _numeric(grid.rows, name), name in grid.keys, name in grid.flows)
        for at, (name, heading) in enumerate(grid.headings.items())
    ]
    if width is None:
        return _table(columns, max(PIPE, _least(columns)), encoding)
    if _least(columns) <= width:
        return _table(columns, width, encoding)
    shown = [column for column in columns if column.key or not column.empty]
    left = ", ".join(column.heading for column in columns if column not in shown)
    text = _table(shown, width, encoding) if _least(shown) <= width else "\n".join(_blocks(shown, width))
    return f"{text}\n 0 or empty in every row: {left}" if left else text


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    cells: list[str]
    numeric: bool
    key: bool
    flows: bool

    @property
    def empty(self) -> bool:
        """Whether every cell is 0 or empty."""
        return all(cell in _EMPTY for cell in self.cells)

    def least(self) -> int:
        """The narrowest width in which nothing is cut."""
        from rich.cells import cell_len

        lines = (self.heading, *self.cells)
        whole = max(map(cell_len, lines))
        if not self.flows:
            return whole
        words = (word for line in lines for word in line.split())
        return max(min(whole, _TEXT), max(map(cell_len, words), default=0))


def _least(columns: Sequence[_Column]) -> int:
    return sum(column.least() for column in columns) + _BETWEEN * (len(columns) - 1) + 2


def _numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(row.get(name), int) for row in rows)


def _cell(value: Any, encoding: str) -> str:
    text = NONE if value is None else f"{value:,}" if isinstance(value, int) else visible(str(value))
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _table(columns: Sequence[_Column], width: int, encoding: str) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    plain = box.Box("    \n    \n -- \n    \n    \n    \n    \n    ", ascii=True)
    table = Table(box=box.SIMPLE_HEAD if encoding.lower().startswith("utf") else plain, pad_edge=False)
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


def _blocks(columns: Sequence[_Column], width: int) -> Iterator[str]:
    """The lines of a block for each row, with a blank line between two."""
    indent = max(len(column.heading) for column in columns) + 2
    text = textwrap.TextWrapper(max(width - indent - 1, _TEXT), break_long_words=False, break_on_hyphens=False)
    for number in range(len(columns[0].cells)):
        if number:
            yield ""
        for column in columns:
            cell = column.cells[number]
            for at, line in enumerate(text.wrap(cell) if column.flows and cell else [cell]):
                yield f" {column.heading if at == 0 else '':<{indent}}{line}".rstrip()
