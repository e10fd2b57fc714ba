"""The command that compares an external statement with the ledger."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import click

from services.cli.terminal.options import complain, force_option, format_option, ledger_option, tell
from services.failure import Failure, NotFound
from services.printing import print_text
from services.resources import reading
from services.visible import visible

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ledger.database.store import Connection
    from ledger.queries.reconcile import Result, Statement
    from services.finance.statement_checks import BadCell
    from services.finance.statement_import import BadRows, Reading

    _Output = AbstractContextManager[IO[bytes]]

FIRST = 20
"""How many cells that cannot be read are printed."""


def _layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how a statement is written; a profile may have the same names."""
    options = (
        ("--map", "FIELD=COLUMN", "The statement's name for a column; repeat for each column."),
        ("--constant", "FIELD=VALUE", "A shipment_id, account or date that all rows share; repeat for each."),
        ("--encoding", "NAME", "Text encoding, such as cp1252. [default: that of a byte order mark, else utf-8]"),
        ("--date-format", "FORM", "Form of dates, such as DD.MM.YYYY, MM/DD/YY or DD-MMM-YYYY."),
        ("--decimal", "SIGN", "Sign before a fraction: . or ,"),
        ("--thousands", "SIGN", "Sign between thousands: . or , or ' or space"),
        ("--sheet", "NAME", "Sheet of a workbook. [default: the first that is not hidden]"),
        ("--header-row", "N", "Line of the file, or row of the sheet, with the names of the columns."),
        ("--skip-footer", "N", "Leave out this many rows at the end."),
    )
    for flag, metavar, text in reversed(options):
        numeric, several = metavar == "N", flag in ("--map", "--constant")
        kind = click.IntRange(min=1 if flag == "--header-row" else 0) if numeric else None
        command = click.option(flag, metavar=metavar, type=kind, multiple=several, help=text)(command)
    return click.option("--profile", metavar="FILE", help="TOML file with these options; those given here go first.")(
        command
    )


@click.command()
@click.argument("statement")
@_layout_options
@click.option("--errors", metavar="FILE", help="Write the cells that cannot be read to this CSV file.")
@click.option("--account", metavar="PATTERN", help="Compare only these accounts; * matches any text.")
@click.option("--from", "first", metavar="DATE", help="Only export dates on or after this date.")
@click.option("--to", "last", metavar="DATE", help="Only export dates on or before this date.")
@format_option("table", "json", "xlsx")
@click.option("--out", metavar="FILE", help="Write the result to this file. [default: standard output]")
@force_option
@ledger_option
def reconcile(
    statement: str,
    profile: str | None,
    errors: str | None,
    account: str | None,
    first: str | None,
    last: str | None,
    form: str,
    out: str | None,
    force: bool,
    ledger: str | None,
    **told: Any,
) -> None:
    """Compare an external statement with the ledger.

    STATEMENT is CSV (separated by commas, semicolons, tabs or bars), XLSX or JSON (a list of objects); - is standard
    input. It has the columns shipment_id, account, date and amount; other columns are ignored. How it is written is
    found only where that is certain, and otherwise asked for.

    Rows are numbered from 1, without the header and blank lines. If a row cannot be read, nothing is compared.
    Differences are statement minus ledger. A pair is included if either of its dates is between --from and --to. Exits
    with 1 if a line is missing or differs.

    \b
    Example:
      tpp reconcile may.xlsx --map shipment_id=Delivery --map amount='TPP booked' --from 2025-05-01 --to 2025-05-31
      tpp reconcile examples/reconcile/sap.csv --profile examples/reconcile/sap.toml
    """
    from ledger.queries.reconcile import reconcile as compare
    from ledger.queries.reconcile import shipment_lines
    from services.cli.terminal.output import RECONCILIATION, output
    from services.views.reconciliation import assumptions, summary

    since, until = _range(first, last)
    if form == "xlsx" and out in (None, "-") and sys.stdout.isatty():
        raise Failure("cannot write a workbook to a terminal; give a file with --out")
    read = [statement, *([profile] if profile else [])]
    destination = output(out, RECONCILIATION[form], inputs=read, ledger=ledger, force=force)
    written = _errors(errors, [*read, *([out] if out not in (None, "-") else [])], ledger, force)
    found = _read(statement, profile, told, errors, written)
    with reading(ledger) as connection:
        chosen = found.lines if account is None else _on(connection, account, found.lines)
        result = compare(chosen, shipment_lines(connection, account), since, until)
    with destination as stream:
        _write(result, found.assumed, form, stream, printed=out in (None, "-"))
    if out not in (None, "-"):
        click.echo(summary(result), err=True)
    if form == "xlsx" and (odd := assumptions(found.assumed)):
        click.echo(odd, err=True)
    sys.exit(0 if result.agrees else 1)


def _on(connection: "Connection", account: str, lines: "Statement") -> "Statement":
    """The lines on accounts that match a pattern; says so if no account matches, neither here nor there.

    Raises NotFound for an account that is named exactly.
    """
    from ledger.queries.reconcile import on_accounts
    from ledger.queries.statements import matching

    chosen = on_accounts(lines, account)
    if not chosen and not matching(connection, account):
        if "*" not in account:
            raise NotFound(f"no account {account!r} exists in this ledger or the statement")
        tell(f"no account of this ledger or the statement matches {account!r}")
    return chosen


def _range(first: str | None, last: str | None) -> tuple[str | None, str | None]:
    from services.views.moments import day

    since, until = _text(day("--from", first)), _text(day("--to", last))
    if since and until and since > until:
        raise click.UsageError("--from must not be after --to.")
    return since, until


def _errors(name: str | None, others: Sequence[str], ledger: str | None, force: bool) -> "_Output | None":
    """The file of `--errors`, which is none that is read, nor the one of `--out`."""
    from services.cli.terminal.output import BAD_CELLS, output

    if name is not None and name in others:
        raise Failure(f"--errors names {name}, which is the statement, the profile or the output; give another file")
    return None if name is None else output(name, BAD_CELLS, inputs=others, ledger=ledger, force=force)


def _read(
    statement: str, profile: str | None, told: dict[str, Any], errors: str | None, written: "_Output | None"
) -> "Reading":
    """The statement; prints every cell that cannot be read, and ends with exit code 2 if there is one."""
    from services.finance.statement_import import BadRows, read
    from services.finance.statement_layout import CONSTANTS, FIELDS, layout

    told |= {"map": _pairs("--map", FIELDS, "COLUMN", told["map"])}
    told |= {"constant": _pairs("--constant", CONSTANTS, "VALUE", told["constant"])}
    how = layout(profile, told)
    try:
        found = read(statement, how)
    except BadRows as error:
        _write_errors(written, error.cells())
        _complain(error, errors)
        sys.exit(2)
    _write_errors(written, ())
    return found


def _complain(error: "BadRows", errors: str | None) -> None:
    """Prints the cells that cannot be read: one in a sentence, several in a list."""
    from services.finance.statement_checks import described

    complain(str(error))
    if not error.several:
        return
    cells = error.cells()
    for one in islice(cells, FIRST):
        click.echo(visible(f"  row {one.row:,} (line {one.line:,}){described(one)}"), err=True)
    more = sum(1 for _ in cells)
    if more:
        where = f"{errors} has all of them" if errors else "--errors FILE writes all of them to a file"
        click.echo(f"  … and {more:,} more cells; {where}", err=True)


def _write_errors(file: "_Output | None", cells: Iterable["BadCell"]) -> None:
    """Writes the cells that cannot be read as CSV; without one, the header alone."""
    if file is None:
        return
    from services.finance.statement_import import write_bad

    with file as stream:
        write_bad(stream, cells)


def _text(chosen: date | None) -> str | None:
    return chosen.isoformat() if chosen else None


def _pairs(flag: str, fields: Sequence[str], least: str, words: Iterable[str]) -> Mapping[str, str]:
    """The values by field that an option gives as FIELD=VALUE."""
    found: dict[str, str] = {}
    for word in words:
        field, _, value = word.partition("=")
        if field not in fields or not value.strip():
            raise click.BadParameter(f"use FIELD={least}, where FIELD is one of {', '.join(fields)}", param_hint=flag)
        if field in found:
            raise click.BadParameter(f"{field} is {'mapped' if flag == '--map' else 'given'} twice", param_hint=flag)
        found[field] = value
    return found


def _write(result: "Result", assumed: Mapping[str, Any], form: str, stream: IO[bytes], *, printed: bool) -> None:
    if form == "xlsx":
        from services.finance.reconciliation import workbook

        stream.write(workbook(result))
    elif form == "json":
        from services.views.reconciliation import as_json

        stream.write(as_json(result, assumed))
    else:
        from services.cli.terminal.grid import terminal_width
        from services.cli.terminal.reconciliation import table

        if printed:
            print_text(table(result, assumed, terminal_width(), sys.stdout.encoding))
        else:
            stream.write(table(result, assumed, None, "utf-8").encode() + b"\n")
