"""Reads an external statement, CSV, XLSX or JSON, exactly or not at all: rows that cannot be read are all reported."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from ledger.queries.reconcile import Statement
from services.failure import Failure
from services.finance.statement_checks import BadCell, CheckedRows, described
from services.finance.statement_files import table
from services.finance.statement_layout import Layout

MOST_BYTES = 16 << 20
"""The most bytes of a statement's file."""


class BadRows(Failure):
    """Rows of a statement cannot be read, so none of them is used."""

    def __init__(self, name: str, bad: CheckedRows) -> None:
        self._bad = bad
        first, *more = islice(bad.cells(), 2)
        self.several = bool(more)
        """Whether more than one cell cannot be read; of a single one the message is about that cell."""
        if self.several:
            rows = bad.bad_rows()
            counted = f"{rows:,} rows" if rows > 1 else "1 row"
            super().__init__(f"{name} has {counted} that cannot be read, so nothing was compared")
        else:
            super().__init__(f"row {first.row:,} of {name} (line {first.line:,}){described(first)}")

    def cells(self) -> Iterator[BadCell]:
        """The cells that cannot be read, in the order of the rows."""
        return self._bad.cells()


@dataclass(frozen=True, slots=True)
class Reading:
    """The lines of a statement by row, from 1, not counting the header and blank rows, and how it was read."""

    lines: Statement
    assumed: Mapping[str, str | int | None]


def read(name: str, layout: Layout) -> Reading:
    """A statement; `-` is standard input. Raises BadRows if rows cannot be read, and Failure for what else is wrong."""
    try:
        content = _content(sys.stdin.buffer) if name == "-" else _file(name)
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from error
    return read_content("standard input" if name == "-" else name, content, layout)


def read_content(name: str, content: bytes, layout: Layout) -> Reading:
    """As `read`, of a statement's bytes under a name."""
    if len(content) > MOST_BYTES:
        raise Failure(f"{name} has more than {MOST_BYTES:,} bytes: split the statement")
    found = table(name, content, layout)
    del content
    if layout.skip_footer:
        if layout.skip_footer > len(found.rows):
            rows = f"{len(found.rows):,} row{'s' if len(found.rows) != 1 else ''}"
            raise Failure(f"{name} has {rows}, fewer than the {layout.skip_footer:,} of --skip-footer")
        del found.rows[-layout.skip_footer :]
    checked = CheckedRows(name, found, layout)
    footer = layout.skip_footer or 0
    if layout.skip_footer is None and found.kind != "object" and checked.ends_in_total():
        footer = 1
        found.rows.pop()
    lines = checked.lines()
    if lines is None:
        raise BadRows(name, checked)
    form = layout.date_format or (checked.forms.days.form.name if checked.forms.days.form else None)
    assumed = {
        "encoding": found.encoding, "delimiter": found.delimiter, "header_row": found.header_row, "date_format": form,
        "decimal": checked.forms.amounts.decimal, "thousands": checked.forms.amounts.thousands, "footer": footer,
    }  # fmt: skip
    return Reading(lines, assumed)


def _file(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return _content(file)


def _content(file: IO[bytes]) -> bytes:
    """The bytes of a file; if it is too long, one byte more than allowed."""
    return file.read(MOST_BYTES + 1)


def write_bad(stream: IO[bytes], cells: Iterable[BadCell]) -> None:
    """Writes the cells that cannot be read as CSV; without one, the header alone."""
    lines = csv.writer(_Utf8(stream), lineterminator="\n")
    lines.writerow(("row", "line", "column", "value", "why"))
    lines.writerows(cells)


class _Utf8:
    """A stream of bytes to which text is written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes text in UTF-8; a lone surrogate, which cannot be, as its escape."""
        return self._stream.write(text.encode(errors="backslashreplace"))
