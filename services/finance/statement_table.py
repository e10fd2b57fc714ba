"""The rows of a statement below the names of its columns, wherever those stand and whatever kind of file it is."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger.queries.reconcile import Line
from schemas.times import parse_day
from services.failure import Failure
from services.finance.statement_layout import FIELDS, Layout

MOST_ROWS, MOST_COLUMNS = 200_000, 256
"""Limits of a statement: its rows, and the columns of its header."""

ABSENT = object()
"""What stands in the place of a cell that a row does not have."""

_MOST_SHOWN = 60
_THOUSANDS, _BEFORE_THOUSANDS = re.compile("[0-9]{3}", re.ASCII), re.compile("[+-]?[1-9][0-9]{0,2}", re.ASCII)


class FileRow(NamedTuple):
    """A row that is not blank: its line of the file, or its row of the sheet, from 1; its cells, and how many it has.

    Of more than MOST_COLUMNS cells only the first may be here.
    """

    line: int
    cells: Sequence[Any]
    width: int


class StatementRow(NamedTuple):
    """The cells of a row in the order of FIELDS, ABSENT where the row ends before; constants are in their places."""

    line: int
    cells: tuple[Any, ...]


class MergedRows(NamedTuple):
    """Rows of a sheet, from 1, in which a column is merged; `leftmost`: whether this column keeps the value."""

    first: int
    last: int
    leftmost: bool


@dataclass(slots=True)
class Table:
    """A statement below its header, and where it was found."""

    kind: str
    """What its rows are counted by: `line` of a file, `row` of a sheet, or `object`."""
    titles: tuple[str, ...]
    """The name of the column of each field; of a constant, the field's."""
    rows: list[StatementRow | Line] = field(default_factory=list)
    """The rows, and in the place of one that was read its line."""
    wide: dict[int, str] = field(default_factory=dict)
    """What is wrong with rows that have more cells than the header, by number of the row."""
    merged: dict[int, list[MergedRows]] = field(default_factory=dict)
    """The rows in which the column of a field is merged, in order, by the field's place in FIELDS."""
    thousands_apart: bool = False
    """Whether all amounts have at most three digits, and cells of three digits, or none, follow them."""
    encoding: str | None = None
    delimiter: str | None = None
    header_row: int | None = None


def filled(cell: Any) -> bool:
    """Whether a cell has a value: blanks are none."""
    return cell is not None and not (isinstance(cell, str) and type(cell) is str and not cell.strip())


def blank(cell: Any) -> bool:
    """Whether a cell is missing or has no value."""
    return cell is ABSENT or not filled(cell)


def shown(text: str) -> str:
    """The beginning of a text, as a message quotes it."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def check_width(name: str, columns: int) -> None:
    """Raises Failure if a statement has too many columns."""
    if columns > MOST_COLUMNS:
        raise Failure(f"{name} has {columns:,} columns; at most {MOST_COLUMNS:,} are allowed")


def check_rows(name: str, number: int) -> None:
    """Raises Failure if a statement has too many rows."""
    if number > MOST_ROWS:
        raise Failure(f"{name} has more than {MOST_ROWS:,} rows: split the statement")


def title(cell: Any) -> str:
    """The text of a cell of a header, with single spaces."""
    return "" if cell is None else " ".join(str(cell).replace("\ufeff", "").split())


class HeaderMissing(Failure):
    """A statement has no row with the columns that are wanted."""


class Header:
    """The first row that has all the columns that are wanted, or the row that is told."""

    def __init__(self, layout: Layout) -> None:
        self._columns = {one: title(layout.column(one)) for one in layout.wanted}
        self._wanted = {column.casefold() for column in self._columns.values()}
        self._told = layout.header_row
        self.best: FileRow | None = None
        """The row that has most of them so far."""
        self.most = -1

    def find(self, name: str, rows: Iterator[FileRow]) -> None:
        """Reads rows up to the header, or to the end."""
        for row in rows:
            check_width(name, row.width)
            if self.is_(row):
                return

    def is_(self, row: FileRow) -> bool:
        """Whether a row is the header; rows are given in order."""
        if self._told is not None:
            if row.line == self._told:
                self.best, self.most = row, self.has(row)
            return row.line == self._told
        has = self.has(row)
        if has > self.most:
            self.best, self.most = row, has
        return has == len(self._wanted)

    @property
    def complete(self) -> bool:
        """Whether the best row has all of the wanted columns."""
        return self.most == len(self._wanted)

    def has(self, row: FileRow) -> int:
        """How many of the wanted columns a row names."""
        return len(self._wanted & {title(cell).casefold() for cell in row.cells})

    def places(self, name: str, kind: str) -> list[int | None]:
        """The index of each field's column in the best row, None for a constant; raises HeaderMissing if one is.

        A column is the one with that name, else the only one whose name differs in case alone. `kind`: what a row is
        counted by, `line` or `row`.
        """
        if self.best is None:
            raise Failure(
                f"{kind} {self._told:,} of {name} is blank, or does not begin a row"
                if self._told
                else f"{name} is empty"
            )
        titles = [title(cell) for cell in self.best.cells]
        places = {one: _place(name, titles, column) for one, column in self._columns.items()}
        missing = [one for one, place in places.items() if place is None]
        if missing:
            raise HeaderMissing(self._advice(name, kind, titles, missing))
        return [places.get(one) for one in FIELDS]

    def _advice(self, name: str, kind: str, titles: Sequence[str], missing: Sequence[str]) -> str:
        columns = ", ".join(self._columns[one] for one in missing)
        there = shown(", ".join(filter(None, titles))) or "no other"
        if self.most == 0 and self._told is None:
            return (
                f"{name} has no row with the columns {columns}; its first row is {there}; "
                "give their names with --map FIELD=COLUMN, or the line of the header with --header-row"
            )
        where = f" in {kind} {self.best.line:,}" if self.best and self.best.line > 1 else ""
        named = " ".join(f"--map {one}=COLUMN" for one in missing)
        plural = ("columns", "names") if len(missing) > 1 else ("column", "name")
        return f"{name} has no {plural[0]} {columns}{where}, but {there}; give the right {plural[1]} with {named}"


def _place(name: str, titles: Sequence[str], column: str) -> int | None:
    for key in (str, str.casefold):
        found = [place for place, one in enumerate(titles) if key(one) == key(column)]
        if len(found) > 1:
            raise Failure(f"{name} has {len(found):,} columns named {column}; rename all but one")
        if found:
            return found[0]
    return None


def cut(name: str, rows: Iterable[FileRow], header: Header, layout: Layout, kind: str) -> Table:
    """The table of the rows below the header; raises Failure if a column is missing."""
    places = header.places(name, kind)
    best = header.best
    width = best.width if best else 0
    names = tuple(one if place is None or best is None else title(best.cells[place]) for one, place in _fields(places))
    table = Table(kind, names, header_row=best.line if best else None)
    pick, amount = _picker(places, layout), places[FIELDS.index("amount")]
    apart = set[str]()
    for number, row in enumerate(rows, 1):
        check_rows(name, number)
        apart.add(_thousands_apart(row.cells, amount))
        table.rows.append(StatementRow(row.line, pick(row.cells)))
        if kind == "line" and row.width > width and _too_wide(row.cells, width, amount):
            table.wide[number] = f"has {row.width:,} cells, but the header has {width:,}; quote what holds a separator"
    table.thousands_apart = not table.wide and apart <= {"yes", "maybe"} and "yes" in apart
    return table


def _too_wide(cells: Sequence[Any], width: int, amount: int | None) -> bool:
    """Whether a row has too many cells: filled ones beyond the header, or a cell of its own for thousands."""
    if any(map(filled, cells[width:])):
        return True
    return amount is not None and bool(_THOUSANDS.fullmatch(cells[amount + 1].strip()))


def _thousands_apart(cells: Sequence[Any], amount: int | None) -> str:
    """Whether an amount may have been cut before its last three digits: `yes`, `maybe` for a small one, or `no`."""
    found = cells[amount] if amount is not None and amount < len(cells) else None
    if not isinstance(found, str) or not _BEFORE_THOUSANDS.fullmatch(found.strip()):
        return "no"
    after = cells[amount + 1] if amount is not None and amount + 1 < len(cells) else ""
    if blank(after):
        return "maybe"
    return "yes" if isinstance(after, str) and _THOUSANDS.fullmatch(after.strip()) else "no"


def _fields(places: Sequence[int | None]) -> Iterator[tuple[str, int | None]]:
    return zip(FIELDS, places, strict=True)


def _picker(places: Sequence[int | None], layout: Layout) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """The function that takes the cells of fields out of a row."""
    fixed: list[Any] = [layout.constant.get(one) for one in FIELDS]
    if "date" in layout.constant:
        fixed[FIELDS.index("date")] = parse_day(layout.constant["date"])

    def pick(cells: Sequence[Any]) -> tuple[Any, ...]:
        count = len(cells)
        return tuple(
            value if place is None else cells[place] if place < count else ABSENT
            for place, value in zip(places, fixed, strict=True)
        )

    return pick
