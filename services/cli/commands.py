"""The `tpp` command. What a command needs is imported when it runs, so that help is quick."""

import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, NoReturn

import click

from services.cli.audit import audit
from services.cli.books import snapshot, statement
from services.cli.options import Commands, format_option, ledger_option, moment_options, rulebook_option
from services.cli.reconcile import reconcile
from services.cli.stream import COMMANDS
from services.failure import Failure
from services.resources import book, engine, reading, wall_clock

if TYPE_CHECKING:
    from services.views.summary import Summary

_format = format_option("table", "json", "csv")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="tpp-quota-ledger")
def main() -> None:
    """Screens shipments of advanced chips against 90 FR 4544 and keeps the quota ledgers, to the unit.

    The rule is codified; BIS announced on 13 May 2025 that it does not enforce it.

    \b
    Example:
      tpp screen shipments.jsonl --out answers.jsonl
      tpp balance 'lpp/*'
      tpp explain SHP-0001
    """


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@rulebook_option
@ledger_option
@click.option(
    "--out", metavar="FILE", help="Where the answers go, written from the first line. [default: standard output]"
)
def screen(files: tuple[str, ...], rulebook: str | None, ledger: str | None, out: str | None) -> None:
    """Run event files through the ledger and write the answers.

    FILE is JSONL, may end in .gz, and - is standard input. Each line gives its answer, then the alerts and other events
    that it caused. A file that is run again gives the same answers and moves nothing. Exit 1 where lines were rejected.

    \b
    Example:
      tpp screen monday.jsonl tuesday.jsonl.gz --ledger sqlite:///ledger.db --out answers.jsonl
    """
    from services.cli.progress import progress
    from services.files import ahead, batches, check_readable, output
    from services.views.summary import Summary

    check_readable(files)
    summary = Summary()
    with engine(ledger, rulebook) as runs, output(out) as stream, progress(files) as read:
        for batch in ahead(map(runs.read, batches(files, read))):
            _write(runs.decide(batch), stream, summary)
            stream.flush()
    _end(summary)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@rulebook_option
@ledger_option
def check(files: tuple[str, ...], rulebook: str | None, ledger: str | None) -> None:
    """Give the answers that screen would give now, and write nothing.

    The files are read whole; each event sees what those before it would have moved.

    \b
    Example:
      tpp check planned.jsonl
    """
    from services.files import batches, check_readable, output
    from services.views.summary import Summary

    check_readable(files)
    summary = Summary()
    with engine(ledger, rulebook, existing=True) as runs, output(None) as stream:
        records = [record for batch in batches(files, lambda _: None) for record in batch]
        _write(runs.check(records), stream, summary)
    _end(summary)


def _write(answers: Iterable[Sequence[str]], stream: IO[bytes], summary: "Summary") -> None:
    """Writes what was given out for each event, and counts it."""
    for texts in answers:
        summary.add(texts)
        stream.write("".join(f"{text}\n" for text in texts).encode())


def _end(summary: "Summary") -> NoReturn:
    """Writes the summary to standard error and ends the command: exit 1 where lines were rejected."""
    for line in summary.lines():
        click.echo(line, err=True)
    sys.exit(1 if summary.rejected else 0)


@main.command()
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@moment_options
@_format
@ledger_option
def balance(accounts: tuple[str, ...], as_of: str | None, known_at: str | None, form: str, ledger: str | None) -> None:
    """Print balances, in TPP.

    In ACCOUNT a * stands for any text. flow/CC/YEAR sums what was decided to go to a country.

    \b
    Example:
      tpp balance 'lpp/*/2025' country/IN/2025-2027
      tpp balance --as-of 2025-06-30 --format json
    """
    from ledger.queries.balances import balances
    from services.cli import tables
    from services.views.moments import moment

    with reading(ledger) as connection:
        found = [one.to_json() for one in balances(connection, accounts, moment(connection, as_of, known_at))]
    tables.write(found, tables.BALANCE, form)


@main.command()
@click.argument("shipment")
@format_option("text", "json")
@ledger_option
def explain(shipment: str, form: str, ledger: str | None) -> None:
    """Print every decision on a shipment: what was asked, tried and decided, and what must be filed by when.

    \b
    Example:
      tpp explain SHP-0001
    """
    from ledger.queries.records import records, state
    from services.cli.tables import print_json
    from services.views.memo import memo, to_json

    with reading(ledger) as connection:
        standing = state(connection, shipment)
        found = records(connection, shipment)
    if not found:
        raise Failure(f"no shipment {shipment} was ever presented to this ledger")
    if form == "json":
        print_json(to_json(found))
    else:
        click.echo(memo(shipment, standing, found))


@main.command()
@_format
@ledger_option
def holds(form: str, ledger: str | None) -> None:
    """Print the work list: held shipments, oldest first, with their reasons.

    \b
    Example:
      tpp holds --format json
    """
    from services.cli import tables
    from services.views.work_list import in_cells, work_list

    with reading(ledger) as connection:
        found = work_list(connection)
    tables.write(found if form == "json" else list(map(in_cells, found)), tables.HOLDS, form)


@main.command()
@click.argument("shipments", nargs=-1, metavar="[SHIPMENT]...")
@click.option("--account", metavar="ACCOUNT", help="Every hold that waits for room on this account.")
@click.option("--all", "everything", is_flag=True, help="Every hold.")
@rulebook_option
@ledger_option
def recheck(
    shipments: tuple[str, ...], account: str | None, everything: bool, rulebook: str | None, ledger: str | None
) -> None:
    """Screen held shipments again with what is known now, oldest first; what passes is released.

    \b
    Example:
      tpp recheck --account lpp/CON-70/2025
    """
    from services.engine.message import Message
    from services.files import output
    from services.views.requests import recheck_events
    from services.views.summary import Summary

    if bool(shipments) + (account is not None) + everything != 1:
        raise click.UsageError("Name shipments, or an --account, or --all.")
    events = recheck_events(shipments, account, everything, wall_clock())
    summary = Summary()
    with engine(ledger, rulebook) as runs, output(None) as stream:
        records = [Message(event, {"request": f"recheck {number}"}, own=True) for number, event in enumerate(events, 1)]
        _write(runs.run(records), stream, summary)
    _end(summary)


@main.command()
@click.option("--due-by", metavar="DATE", help="Only what is due until this day.")
@click.option("--all", "every", is_flag=True, help="Also what was met or withdrawn.")
@_format
@ledger_option
def obligations(due_by: str | None, every: bool, form: str, ledger: str | None) -> None:
    """Print what must be sent to whom by when.

    \b
    Example:
      tpp obligations --due-by 2025-07-31
    """
    from pydantic_core import PydanticCustomError

    from schemas.times import parse_day
    from services.cli import tables
    from services.views.obligations import obligation_list

    with reading(ledger) as connection:
        try:
            until = None if due_by is None else parse_day(due_by)
        except PydanticCustomError as error:
            raise click.BadParameter(f"{due_by!r} is not a day such as 2025-07-31") from error
        found = obligation_list(connection, book(None), until, every)
    tables.write(found, tables.OBLIGATIONS, form)


@main.command()
@ledger_option
def migrate(ledger: str | None) -> None:
    """Bring the ledger's tables to this version; a new ledger is made.

    \b
    Example:
      tpp migrate --ledger postgresql://tpp@db/tpp
    """
    from services.resources import migrated

    click.echo(migrated(ledger))


for command in (statement, snapshot, reconcile, audit, *COMMANDS):
    main.add_command(command)
