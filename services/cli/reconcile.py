"""The command that compares a statement of another system with the ledger."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from typing import IO, TYPE_CHECKING

import click

from services.cli.options import format_option, ledger_option
from services.failure import Failure
from services.resources import reading

if TYPE_CHECKING:
    from ledger.queries.reconcile import Result


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
@format_option("table", "json", "xlsx")
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
    from services.views.moments import day
    from services.views.reconciliation import summary

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
        click.echo(summary(result), err=True)
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


def _write(result: "Result", form: str, stream: IO[bytes]) -> None:
    if form == "xlsx":
        from services.finance.reconciliation import workbook

        stream.write(workbook(result))
    elif form == "json":
        # Unlike orjson, the standard library keeps a total of more than 64 bits.
        stream.write(json.dumps(result.to_json(), indent=2, ensure_ascii=False).encode() + b"\n")
    else:
        from services.cli.reconciliation import table

        stream.write(table(result).encode())
