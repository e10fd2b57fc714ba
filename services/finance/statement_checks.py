"""What is wrong with the rows of a statement, and their lines if nothing is."""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.queries.reconcile import Line, Statement
from schemas.models.values import TPP_MAX
from services.failure import Failure
from services.finance import statement_amounts as amounts
from services.finance import statement_dates as dates
from services.finance.sheet import ErrorValue
from services.finance.statement_layout import FIELDS, Layout
from services.finance.statement_table import ABSENT, MergedRows, StatementRow, Table, blank, shown, title

_DATE, _AMOUNT = FIELDS.index("date"), FIELDS.index("amount")
_SERIAL_DIGITS = 5
_NOT_WHOLE = f"is not a whole number up to {TPP_MAX:,}"
_FORMULA = re.compile(r'="[^"]*"')
_ROUNDED_ID = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+", re.ASCII)


class BadCell(NamedTuple):
    """A cell that cannot be read: its row, from 1 below the header, its line in the file or row in the sheet, and why.

    `column` is the name of its column and `value` its text; both are empty where the whole row is wrong.
    """

    row: int
    line: int
    column: str
    value: str
    why: str


def described(cell: BadCell) -> str:
    """The value of a cell and what is wrong with it, to follow a row's number.

    >>> described(BadCell(1, 2, "TPP", "1.5", "is not a whole number"))
    ": TPP '1.5' is not a whole number"
    """
    value = f" {shown(repr(cell.value))}" if cell.value else ""
    return f": {cell.column}{value} {cell.why}" if cell.column else f" {cell.why}"


class _Forms:
    """The forms of the dates and amounts of a statement, and what is wrong with a cell beside the others."""

    def __init__(self, name: str, rows: Sequence[StatementRow], layout: Layout) -> None:
        self._layout = layout
        days = [row.cells[_DATE] for row in rows]
        self.days = self._forms_of_days(name, days)
        self._typed_days = any(isinstance(cell, date) for cell in days)
        del days
        numbers = [row.cells[_AMOUNT] for row in rows]
        self.amounts = self._forms_of_amounts(name, numbers)
        self._typed_amounts = any(map(_is_number, numbers))

    def _forms_of_days(self, name: str, cells: Sequence[Any]) -> dates.DateForms:
        told = self._layout.date_format
        if told is not None:
            return dates.DateForms(dates.DateForm.of(told))
        found = dates.find(_day_text(cell) for cell in cells)
        form = found.form
        if form is None or (form.certain and not found.others):
            return found
        example = next(text for text in map(_day_text, cells) if dates.day_of(form, text))
        if not found.others:
            raise Failure(
                f"the dates of {name}, such as {example!r}, have years of two digits; "
                f"if they are {form.name}, from 2000 on, give --date-format {form.name}"
            )
        names = [form.name, *(other.name for other in found.others)]
        raise Failure(
            f"the dates of {name}, such as {example!r}, can be {', '.join(names[:-1])} or {names[-1]}; "
            "give their form with --date-format"
        )

    def _forms_of_amounts(self, name: str, cells: Sequence[Any]) -> amounts.AmountForms:
        texts = [cell for cell in cells if type(cell) is str]
        found = amounts.find(texts, self._layout.decimal, self._layout.thousands)
        if found.two is not None:
            text, low, high = found.two
            raise Failure(
                f"the amounts of {name}, such as {text!r}, can be read in two ways, {low:,} or {high:,}; "
                "give the sign of fractions with --decimal, or of thousands with --thousands"
            )
        return found

    def why_day(self, cell: Any) -> str | None:
        """What is wrong with a cell of the dates; None if nothing is."""
        if blank(cell):
            return "is missing"
        if isinstance(cell, ErrorValue):
            return _why_error(cell)
        form = self.days.form
        if self.day(cell) is not None:
            if self._typed_days and isinstance(cell, str) and form is not None and not form.year_first:
                return (
                    "is text beside cells that are dates, of which day and month may be swapped; make all of them dates"
                )
            return None
        text = _day_text(cell)
        if text.isdigit() and len(text) == _SERIAL_DIGITS:
            return "is not a date but a number of days; format the column as a date in the spreadsheet"
        if form is None or form.name == dates.ISO:
            return "is not a date such as 2025-06-30"
        return f"is not a date of the form {form.name}"

    def why_amount(self, cell: Any) -> str | None:
        """What is wrong with a cell of the amounts; None if nothing is."""
        if blank(cell):
            return "is missing"
        if isinstance(cell, ErrorValue):
            return _why_error(cell)
        number = self.number(cell)
        if not isinstance(cell, str):
            return None if number is not None and abs(number) <= TPP_MAX else _NOT_WHOLE
        if amounts.rounded(cell):
            return (
                "is written with an exponent, so digits may be missing; format the column as a number without decimals"
            )
        if number is None:
            return self._why_no_number(cell)
        if self._typed_amounts and set(cell) & set(".,"):
            return "is text beside cells that are numbers, some of which may be wrong; make all of them numbers"
        return self.amounts.why(cell) or (None if abs(number) <= TPP_MAX else _NOT_WHOLE)

    def _why_no_number(self, text: str) -> str:
        mark = self.amounts.form.thousands
        if (split := amounts.signed(text)) is None:
            return _NOT_WHOLE
        if mark and split[1].isascii() and split[1].isdigit():
            return f"has no thousands set off by {mark!r}, as the other amounts have"
        if not mark and amounts.find([text]).thousands and self._layout.thousands is None:
            return f"{_NOT_WHOLE}; the other amounts do not set off thousands"
        return _NOT_WHOLE

    def day(self, cell: Any) -> date | None:
        """The day that a cell means; None if it cannot be read."""
        if isinstance(cell, date):
            return cell.date() if isinstance(cell, datetime) else cell
        form = self.days.form
        return dates.day_of(form, _day_text(cell)) if form is not None else None

    def number(self, cell: Any) -> int | None:
        """The whole number that a cell means; None if it cannot be read."""
        return self.amounts.number(cell) if type(cell) is str else _integer(cell)


def _why_id(cell: Any) -> str | None:
    if cell is ABSENT:
        return "is missing"
    if isinstance(cell, ErrorValue):
        return _why_error(cell)
    if isinstance(cell, str) and _FORMULA.fullmatch(cell):
        return "is a formula of a spreadsheet; leave out = and the quotes"
    if isinstance(cell, str) and _ROUNDED_ID.fullmatch(cell.strip()):
        return "was rounded by a spreadsheet; format the column as text, and export it again"
    return None if cell is None or _id(cell) is not None else "is not text"


class CheckedRows:
    """The rows of a table with the forms of their dates and amounts.

    Raises Failure if the dates, or the amounts, can be read in more than one way.
    """

    def __init__(self, name: str, found: Table, layout: Layout) -> None:
        self._table, self._layout = found, layout
        self.forms = _Forms(name, [row for row in found.rows if isinstance(row, StatementRow)], layout)

    def ends_in_total(self) -> bool:
        """Whether the last row lacks its shipment, account or date, and its amount is the sum of those above."""
        rows = [row.cells for row in self._table.rows if isinstance(row, StatementRow)]
        if len(rows) < 2 or not any(map(blank, rows[-1][:_AMOUNT])):
            return False
        *above, total = (self.forms.number(cells[_AMOUNT]) for cells in rows)
        return total is not None and total == sum(number or 0 for number in above)

    def lines(self) -> Statement | None:
        """The lines by row; None if one of the rows cannot be read.

        A row that can be read is replaced by its line, so that memory does not hold both.
        """
        rows, forms = self._table.rows, self.forms
        for number, row in enumerate(rows, 1):
            if isinstance(row, StatementRow) and next(self._wrong(number, row), None) is None:
                shipment, account, *_ = row.cells
                day, amount = forms.day(row.cells[_DATE]), forms.number(row.cells[_AMOUNT])
                if day is not None and amount is not None:
                    rows[number - 1] = Line(_id(shipment) or "", _id(account) or "", _day_name(day), amount)
        lines = {number: row for number, row in enumerate(rows, 1) if isinstance(row, Line)}
        return lines if len(lines) == len(rows) else None

    def bad_rows(self) -> int:
        """How many rows cannot be read, once the lines were asked for."""
        return sum(1 for row in self._table.rows if isinstance(row, StatementRow))

    def cells(self) -> Iterator[BadCell]:
        """The cells that cannot be read, once the lines were asked for."""
        trailing = self._trailing()
        first_trailing = len(self._table.rows) - trailing + 1
        hint = f"; if the file ends with a footer, give --skip-footer {trailing + (self._layout.skip_footer or 0)}"
        for number, row in enumerate(self._table.rows, 1):
            if isinstance(row, StatementRow):
                for bad in self._wrong(number, row):
                    yield bad if number < first_trailing else bad._replace(why=bad.why + hint)

    def _trailing(self) -> int:
        """How many rows at the end lack a date or an amount, as footers do; 0 if all rows do."""
        rows = reversed(self._table.rows)
        whole = (isinstance(row, Line) or not (blank(row.cells[_DATE]) or blank(row.cells[_AMOUNT])) for row in rows)
        return next((count for count, one in enumerate(whole) if one), 0)

    def _wrong(self, number: int, row: StatementRow) -> Iterator[BadCell]:
        if (wide := self._table.wide.get(number)) is not None:
            yield BadCell(number, row.line, "", "", wide)
            return
        if self._repeats_header(row):
            yield BadCell(number, row.line, "", "", "repeats the header; delete it")
            return
        checks = (_why_id, _why_id, self.forms.why_day, self.forms.why_amount)
        for place, (check, cell) in enumerate(zip(checks, row.cells, strict=True)):
            why = check(cell)
            if why is None and blank(cell) and self._is_merged(place, row.line):
                why = "is merged with another cell; undo the merge and fill each row"
            if why is not None:
                value = "" if blank(cell) else _quoted(cell)
                yield BadCell(number, row.line, self._table.titles[place], value, why)

    def _repeats_header(self, row: StatementRow) -> bool:
        return all(
            isinstance(row.cells[place], str) and title(row.cells[place]) == self._table.titles[place]
            for place in (_DATE, _AMOUNT)
            if FIELDS[place] not in self._layout.constant
        )

    def _is_merged(self, place: int, line: int) -> bool:
        merged: Sequence[MergedRows] = self._table.merged.get(place, ())
        at = bisect_right(merged, (line, sys.maxsize, True)) - 1
        return at >= 0 and line <= merged[at].last and not (merged[at].leftmost and line == merged[at].first)


@lru_cache(maxsize=4_096)
def _day_name(day: date) -> str:
    return day.isoformat()


def _why_error(cell: ErrorValue) -> str:
    return (
        "is an error of the spreadsheet" if cell else "is a formula without a value; open the file, and save it again"
    )


def _id(cell: Any) -> str | None:
    """A text unchanged, since another spelling is a difference; a whole number as its digits; None if it is neither."""
    if cell is None:
        return ""
    if isinstance(cell, str) and (cell.isascii() or cell == cell.encode(errors="replace").decode()):
        return cell
    return None if (number := _integer(cell)) is None else str(number)


def _day_text(cell: Any) -> str:
    """A text, or the digits of a number, that may be a date; else the empty text."""
    if isinstance(cell, str):
        return cell
    return "" if (number := _integer(cell)) is None else str(number)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)


def _integer(cell: Any) -> int | None:
    """The integer that a cell contains, up to 2^53; None if it is something else, or larger."""
    if not _is_number(cell):
        return None
    return int(cell) if -(2**53) <= cell <= 2**53 and cell == int(cell) else None


def _quoted(cell: Any) -> str:
    """A value as a message quotes it."""
    return cell if isinstance(cell, str) else str(cell)
