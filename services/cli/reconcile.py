"""The command that compares an external statement with the ledger."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from typing import IO, TYPE_CHECKING

import click

from services.cli.options import force_option, format_option, ledger_option
from services.failure import Failure
from services.printing import print_text
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
    help="The statement's name for a column; repeat for each column.",
)
@click.option("--account", metavar="PATTERN", help="Compare only these accounts; * matches any text.")
@click.option("--from", "first", metavar="DATE", help="Only export dates on or after this date.")
@click.option("--to", "last", metavar="DATE", help="Only export dates on or before this date.")
@format_option("table", "json", "xlsx")
@click.option("--out", metavar="FILE", help="Write the result to this file. [default: standard output]")
@force_option
@ledger_option
def reconcile(
    statement: str,
    columns: tuple[str, ...],
    account: str | None,
    first: str | None,
    last: str | None,
    form: str,
    out: str | None,
    force: bool,
    ledger: str | None,
) -> None:
    """Compare an external statement with the ledger.

    STATEMENT is CSV (separated by commas, semicolons or tabs), XLSX (first sheet) or JSON (a list of objects); - is
    standard input. It has the columns shipment_id, account, date and amount; other columns are ignored. Rows are
    numbered from 1, without the header and blank lines. Differences are statement minus ledger. A pair is included if
    either of its dates is between --from and --to. Exits with 1 if a line is missing or differs.

    \b
    Example:
      tpp reconcile may.xlsx --map shipment_id=Delivery --map amount='TPP booked' --from 2025-05-01 --to 2025-05-31
      tpp reconcile lpp.csv --account 'lpp/*' --format json
    """
    from ledger.queries.reconcile import on_accounts, shipment_lines
    from ledger.queries.reconcile import reconcile as compare
    from services.cli.output import RECONCILIATION, output
    from services.finance.statement_import import read
    from services.views.moments import day
    from services.views.reconciliation import summary

    since, until = _text(day("--from", first)), _text(day("--to", last))
    if since and until and since > until:
        raise click.UsageError("--from must not be after --to.")
    if form == "xlsx" and out in (None, "-") and sys.stdout.isatty():
        raise Failure("cannot write a workbook to a terminal; give a file with --out")
    destination = output(out, RECONCILIATION[form], inputs=[statement], ledger=ledger, force=force)
    lines = read(statement, _columns(columns))
    with reading(ledger) as connection:
        chosen = lines if account is None else on_accounts(lines, account)
        result = compare(chosen, shipment_lines(connection, account), since, until)
    with destination as stream:
        _write(result, form, stream, printed=out in (None, "-"))
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
            raise click.BadParameter(f"use FIELD=COLUMN, where FIELD is one of {', '.join(FIELDS)}", param_hint="--map")
        if field in columns:
            raise click.BadParameter(f"{field} is mapped twice", param_hint="--map")
        columns[field] = column
    return columns


def _write(result: "Result", form: str, stream: IO[bytes], *, printed: bool) -> None:
    if form == "xlsx":
        from services.finance.reconciliation import workbook

        stream.write(workbook(result))
    elif form == "json":
        # Unlike orjson, the standard library keeps a total of more than 64 bits.
        stream.write(json.dumps(result.to_json(), indent=2, ensure_ascii=False).encode() + b"\n")
    else:
        from services.cli.grid import terminal_width
        from services.cli.reconciliation import table

        if printed:
            print_text(table(result, terminal_width(), sys.stdout.encoding))
        else:
            stream.write(table(result, None, "utf-8").encode() + b"\n")
