"""The commands of finance: statements and snapshots."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.cli.terminal.options import (
    complain,
    excel_option,
    force_option,
    format_option,
    ledger_option,
    moment_options,
    tell,
)
from services.failure import Failure, NotFound
from services.printing import done, print_text
from services.resources import book, reading, settings, standing, wall_clock

if TYPE_CHECKING:
    from ledger.database.store import Store
    from schemas.periods import Period

STATEMENT_FORMATS = ("table", "json", "csv", "xlsx", "parquet", "hledger")
_FILES = ("xlsx", "parquet")
_format = format_option("table", "json")


@click.command()
@click.argument("account")
@click.option("--from", "first", metavar="DATE", help="First booking day. [default: the account's first]")
@click.option("--to", "last", metavar="DATE", help="Last booking day. [default: the account's last]")
@moment_options
@format_option(*STATEMENT_FORMATS, text="Output format.")
@excel_option
@click.option("--out", metavar="FILE", help="Write to this file. [default: standard output]")
@force_option
@ledger_option
def statement(
    account: str,
    first: str | None,
    last: str | None,
    as_of: str | None,
    known_at: str | None,
    form: str,
    excel: bool,
    out: str | None,
    force: bool,
    ledger: str | None,
) -> None:
    """Show an account's entries and running balance.

    Begins with the opening balance, lists every entry with its cause, and ends with the closing balance.

    In ACCOUNT, * matches any text; each matching account has its own opening and closing balance. Amounts are in TPP.

    \b
    Example:
      tpp statement lpp/CON-70/2025 --from 2025-04-01 --to 2025-06-30
      tpp statement 'country/*' --known-at snapshot:2025-Q2 --format xlsx --out countries.xlsx
    """
    from ledger.queries.entries import Span
    from ledger.queries.statements import matching
    from ledger.queries.statements import statement as rows_of
    from services.cli.terminal.output import of_statement, output
    from services.cli.terminal.tables import empty_list, write_statement
    from services.finance.exports import write
    from services.views.moments import day, moment

    since, until = day("--from", first), day("--to", last)
    if since and until and since > until:
        raise click.UsageError("--from must not be after --to.")
    if form in _FILES and out in (None, "-") and sys.stdout.isatty():
        raise Failure(f"cannot write {form} to a terminal; give a file with --out")
    destination = output(out, of_statement(form), ledger=ledger, force=force)
    with empty_list(form), reading(ledger) as connection:
        span = Span(since, until, moment(connection, as_of, known_at))
        paths = matching(connection, account)
        if not paths and "*" not in account:
            raise NotFound(f"no account {account!r} exists in this ledger; `tpp balance` lists the accounts")
        if not paths:
            tell(f"no account matches {account!r}; `tpp balance` lists the accounts")
        rows = rows_of(connection, paths, span)
        with _refusals(), destination as stream:
            if form in ("table", "json"):
                write_statement(rows, form, stream, printed=out in (None, "-"))
            else:
                write("statement", rows, form, stream, excel=excel)


@contextmanager
def _refusals() -> Iterator[None]:
    """Prints a refused export as one sentence on standard error, and exits with 1."""
    from services.finance.workbook import ExportRefused

    try:
        yield
    except ExportRefused as error:
        complain(str(error))
        sys.exit(1)
    except OSError as error:
        raise Failure(f"cannot write the export: {error}") from error


@click.group()
def snapshot() -> None:
    """Close periods and export them.

    \b
    Example:
      tpp snapshot close 2025-Q2
      tpp snapshot export 2025-Q2 --format xlsx
    """


def _period(name: str) -> "Period":
    from schemas.periods import NeverEnds, period

    try:
        return period(name)
    except NeverEnds as error:
        complain(str(error))
        sys.exit(1)
    except ValueError as error:
        raise Failure(str(error)) from error


@snapshot.command()
@click.argument("name", metavar="PERIOD")
@_format
@click.option("--force", is_flag=True, help="Close a period whose last day is not over.")
@ledger_option
def close(name: str, form: str, force: bool, ledger: str | None) -> None:
    """Close a year, quarter or month.

    PERIOD is 2025, 2025-Q2 or 2025-06, for example. Every day up to its end is closed.

    A closed period never changes: late events are booked on the first open day and refer to the closed period. Closing
    a period again gives the same snapshot. The close is a journal record, and a checkpoint is signed after it. Exits
    with 1 if the period's last day is not over, by the last tick and by the machine's clock; --force closes it.

    \b
    Example:
      tpp snapshot close 2025-06
    """
    from services.cli.terminal import tables
    from services.proof.closing import close_signed
    from services.proof.keys import signer

    chosen = _period(name)
    with standing(ledger) as store:
        _look(store, chosen, force)
        key = signer(settings(), store, tell)
        made = close_signed(store, key, chosen, wall_clock())
    with done(f"{made.id} is closed"):
        if form == "json":
            tables.print_json(made.to_json())
        else:
            tables.write([made.to_json()], tables.SNAPSHOTS, form, "")


def _look(store: "Store", chosen: "Period", force: bool) -> None:
    """Exits with 1 if a period is not over and not closed, unless `force`; says which other days it would close."""
    from ledger.queries.snapshots import find, gap_before, is_over
    from services.engine.commands.period_close import also_closes, not_over

    with store.read() as connection:
        if find(connection, chosen.name) is not None:
            return
        over = force or is_over(connection, chosen, wall_clock())
        gap = gap_before(connection, chosen)
    if not over:
        complain(f"{not_over(chosen)}; to close it all the same, add --force")
        sys.exit(1)
    if gap is not None:
        tell(also_closes(gap))


@snapshot.command("list")
@_format
@ledger_option
def list_(form: str, ledger: str | None) -> None:
    """List the snapshots, in the order of closing.

    \b
    Example:
      tpp snapshot list
    """
    from ledger.queries.snapshots import snapshots
    from services.cli.terminal import tables

    with reading(ledger) as connection:
        found = [one.to_json() for one in snapshots(connection)]
    tables.write(found, tables.SNAPSHOTS, form, "no snapshot exists")


@snapshot.command()
@click.argument("name", metavar="SNAPSHOT")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "xlsx", "parquet", "hledger"]),
    required=True,
    is_eager=True,
    help="File format.",
)
@excel_option
@click.option("--out", metavar="FOLDER", help="Folder for the files. [default: the snapshot's name]")
@force_option
@ledger_option
def export(name: str, form: str, excel: bool, out: str | None, force: bool, ledger: str | None) -> None:
    """Export the tables of a snapshot.

    Writes the same bytes each time and prints the paths.

    csv: accounts, entries, holds, with datapackage.json; xlsx: one workbook; parquet: three files; hledger: a journal.
    With --excel the CSV files are no longer those of the snapshot's digest.

    \b
    Example:
      tpp snapshot export 2025-Q2 --format csv --out books/2025-Q2
    """
    from ledger.queries.snapshots import find
    from schemas.periods import period as period_of
    from services.cli.terminal.output import check_output, of_snapshot
    from services.finance.exports import export as write
    from services.finance.exports import file_names
    from services.finance.snapshot_tables import closed_tables, exported_under
    from services.views.memo import law_in_words

    with reading(ledger) as connection, _refusals():
        found = find(connection, name)
        if found is None:
            raise NotFound(f"snapshot {name!r} does not exist; `tpp snapshot list` lists the snapshots")
        folder = Path(out or name)
        for file in file_names(form, name) if folder.is_dir() else ():
            check_output(str(folder / file), of_snapshot(file), ledger=ledger, force=force)
        tables = closed_tables(connection, found)
        law = exported_under(law_in_words(book(None).status))
        paths = write(folder, period_of(name), form, tables, excel=excel, law=law)
    with done(f"wrote {folder}"):
        print_text("\n".join(map(str, paths)))
