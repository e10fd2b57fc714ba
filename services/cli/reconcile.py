"""The command that compares a statement of another system with the ledger."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from services.resources import Failure, day, ledger_option, reading

if TYPE_CHECKING:
    from rich.console import Console

    from ledger.queries.reconcile import Different, Line, Result
    from services.finance.workbook import Sheet

FORMATS = click.Choice(["table", "json", "xlsx"])
FIRST = 20
"""How many lines of each group a table shows."""
_WIDTH = 100
_LINE = ("shipment", "account", "date", "TPP")


@click.command()
@click.argument("statement")
@click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="The statement's own name of a column; once for each.",
)
@click.option("--account", metavar="PATTERN", help="Only these accounts, on both sides; a * stands for any text.")
@click.option("--from", "first", metavar="DATE", help="Only export dates from this day on.")
@click.option("--to", "last", metavar="DATE", help="Only export dates until this day.")
@click.option("--format", "form", type=FORMATS, default="table", show_default=True, help="How to print.")
@click.option("--out", metavar="FILE", help="Where the result goes. [default: standard output]")
@ledger_option
def reconcile(
    statement: str,
    columns: tuple[str, ...],
    account: str | None,
    first: str | None,
    last: str | None,
    form: str,
    out: str | None,
    ledger: str | None,
) -> None:
    """Compare a statement of another system with the ledger, line by line.

    STATEMENT is CSV (parted by comma, semicolon or tab), XLSX (first sheet) or JSON (list of objects); - is standard
    input. Its columns are shipment_id, account, date and amount; others are ignored. Rows count from 1 without the
    header and blank lines. Here is the ledger, there is the statement: a difference is there - here. A pair is shown
    where either of its dates lies between --from and --to. Exit 1 where something is missing or differs.

    \b
    Example:
      tpp reconcile may.xlsx --map shipment_id=Delivery --map amount='TPP booked' --from 2025-05-01 --to 2025-05-31
      tpp reconcile lpp.csv --account 'lpp/*' --format json
    """
    from ledger.queries.reconcile import on_accounts, shipment_lines
    from ledger.queries.reconcile import reconcile as compare
    from services.files import output
    from services.finance.statement_import import read

    since, until = _text(day("--from", first)), _text(day("--to", last))
    if since and until and since > until:
        raise click.UsageError("--from is after --to.")
    if form == "xlsx" and out in (None, "-") and sys.stdout.isatty():
        raise Failure("a workbook is not for a terminal: name a file with --out")
    lines = read(statement, _columns(columns))
    with reading(ledger) as connection:
        chosen = lines if account is None else on_accounts(lines, account)
        result = compare(chosen, shipment_lines(connection, account), since, until)
    with output(out) as stream:
        _write(result, form, stream)
    if out not in (None, "-"):
        click.echo(_summary(result), err=True)
    sys.exit(0 if result.agrees else 1)


def _text(chosen: date | None) -> str | None:
    return chosen.isoformat() if chosen else None


def _columns(words: Iterable[str]) -> Mapping[str, str]:
    """The names of columns by field, as `--map` gives them."""
    from services.finance.statement_import import FIELDS

    columns: dict[str, str] = {}
    for word in words:
        field, _, column = word.partition("=")
        if field not in FIELDS or not column.strip():
            raise click.BadParameter(f"write FIELD=COLUMN, FIELD one of {', '.join(FIELDS)}", param_hint="--map")
        if field in columns:
            raise click.BadParameter(f"{field} is given twice", param_hint="--map")
        columns[field] = column
    return columns


def _summary(result: "Result") -> str:
    return (
        f"{result.matched:,} matched, {len(result.missing_here):,} missing here, "
        f"{len(result.missing_there):,} missing there, {len(result.different):,} different"
    )


def _write(result: "Result", form: str, stream: IO[bytes]) -> None:
    if form == "xlsx":
        stream.write(_workbook(result))
    elif form == "json":
        # Unlike orjson, the standard library keeps a total of more than 64 bits.
        stream.write(json.dumps(result.to_json(), indent=2, ensure_ascii=False).encode() + b"\n")
    else:
        stream.write(_table(result).encode())


# --- for people -------------------------------------------------------------------------------------------------------


def _table(result: "Result") -> str:
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    console = Console(file=text, width=None if sys.stdout.isatty() else _WIDTH, highlight=False, markup=False)
    console.print(_summary(result), soft_wrap=True)
    _rows(
        console,
        "Missing here: in the statement, not in the ledger",
        ("row", *_LINE, "same as row"),
        [(f"{one.row:,}", *_cells(one.line), _number(one.duplicate_of)) for one in islice(result.missing_here, FIRST)],
        len(result.missing_here),
    )
    _rows(
        console,
        "Missing there: in the ledger, not in the statement",
        _LINE,
        [_cells(line) for line in islice(result.missing_there, FIRST)],
        len(result.missing_there),
    )
    _rows(
        console,
        "Different",
        ("row", "line", "field", "here", "there"),
        [row for one in islice(result.different, FIRST) for row in _differences(one)],
        len(result.different),
    )
    totals = [(f"{result.here:,}", f"{result.there:,}", f"{result.difference:+,}" if result.difference else "0")]
    _rows(console, "Totals", ("TPP here", "TPP there", "difference"), totals)
    return text.getvalue()


def _rows(
    console: "Console", title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], count: int | None = None
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        numeric = heading in ("row", "same as row", "difference") or heading.startswith("TPP")
        fixed = numeric or heading in ("date", "field")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=fixed, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print()
    console.print(title if count is None else f"{title} ({count:,})")
    console.print(table)
    if count is not None and count > FIRST:
        console.print(f"… and {count - FIRST:,} more: all are in --format json and xlsx")


def _cells(line: "Line") -> tuple[str, ...]:
    return _plain(line.shipment_id), _plain(line.account), line.date, f"{line.amount:,}"


def _differences(one: "Different") -> list[tuple[str, ...]]:
    """A row for each field that differs; the first names the line as the ledger has it."""
    here, there = one.here._asdict(), one.there._asdict()
    rows = [("", "", field, _side(field, here[field]), _side(field, there[field])) for field in one.fields]
    return [(f"{one.row:,}", f"{_plain(one.here.shipment_id)}\n{_plain(one.here.account)}", *rows[0][2:]), *rows[1:]]


def _side(field: str, value: Any) -> str:
    """What a side says of a field; an id in quotes, so that a blank in it is seen."""
    if field == "amount":
        return f"{value:,}"
    return repr(value) if field == "shipment_id" else _plain(value)


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _plain(text: str) -> str:
    """A text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


# --- for spreadsheets -------------------------------------------------------------------------------------------------


def _workbook(result: "Result") -> bytes:
    """The result as a workbook with a sheet for each of its names."""
    import tempfile

    from services.finance.workbook import ExportRefused, write_workbook

    with tempfile.TemporaryDirectory(prefix="tpp-") as folder:
        path = Path(folder) / "result.xlsx"
        try:
            write_workbook(path, _sheets(result))
        except ExportRefused as error:
            raise Failure("the result does not fit into the sheets of a workbook: choose json") from error
        return path.read_bytes()


def _sheets(result: "Result") -> "list[Sheet]":
    from schemas.columns import Column, Kind
    from services.finance.workbook import Sheet

    kinds = {"row": Kind.NUMBER, "duplicate_of": Kind.NUMBER, "matched": Kind.NUMBER}
    kinds |= dict.fromkeys(("amount", "difference", "here", "there"), Kind.AMOUNT) | {"date": Kind.DAY}

    def columns(*names: str) -> list[Column]:
        return [Column(name, kinds.get(name.rpartition(".")[2], Kind.TEXT)) for name in names]

    fields = ("shipment_id", "account", "date", "amount")
    sides = (f"{side}.{field}" for side in ("here", "there") for field in fields)
    unlike = ((one.row, " ".join(one.fields), *one.here, *one.there, one.difference) for one in result.different)
    unknown = ((one.row, *one.line, one.duplicate_of) for one in result.missing_here)
    return [
        Sheet("matched", columns("matched"), [(result.matched,)]),
        Sheet("missing_here", columns("row", *fields, "duplicate_of"), unknown),
        Sheet("missing_there", columns(*fields), result.missing_there),
        Sheet("different", columns("row", "fields", *sides, "difference"), unlike),
        Sheet("totals", columns("here", "there", "difference"), [(result.here, result.there, result.difference)]),
    ]
