"""The `tpp` command. What a command needs is imported when it runs, so that help is quick."""

import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, NoReturn

import click

from services.cli.answering import met, review
from services.cli.audit import audit
from services.cli.books import snapshot, statement
from services.cli.keeping import backup, restore, retention
from services.cli.listed import lists
from services.cli.lists import LISTS
from services.cli.notify import notify
from services.cli.policy import policy
from services.cli.reconcile import reconcile
from services.cli.serve import serve
from services.cli.stream import COMMANDS
from services.cli.terminal.options import (
    Commands,
    force_option,
    format_option,
    ledger_option,
    rulebook_option,
)
from services.cli.token import token
from services.failure import Failure, NotFound
from services.resources import book, engine, reading, wall_clock

if TYPE_CHECKING:
    from services.views.summary import Summary


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="tpp-quota-ledger")
def main() -> None:
    """Screen shipments of advanced chips under 90 FR 4544 and keep exact quota ledgers.

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
@click.option("--out", metavar="FILE", help="Write the answers to this file, replacing it. [default: standard output]")
@force_option
def screen(files: tuple[str, ...], rulebook: str | None, ledger: str | None, out: str | None, force: bool) -> None:
    """Decide the events of files and write the answers.

    FILE is JSONL, optionally compressed (.gz); - is standard input. Each line gives its answer, followed by the alerts
    and other events that it caused. Running a file again gives the same answers and changes no balance. Exits with 1 if
    lines were rejected.

    \b
    Example:
      tpp screen monday.jsonl tuesday.jsonl.gz --ledger sqlite:///ledger.db --out answers.jsonl
    """
    from services.cli.terminal.output import ANSWERS, output
    from services.cli.terminal.progress import progress
    from services.files import ahead, batches, check_readable, length
    from services.views.summary import Summary

    check_readable(files)
    answers = output(out, ANSWERS, inputs=files, ledger=ledger, force=force, in_place=True)
    summary, decided = Summary(), 0
    try:
        with engine(ledger, rulebook, memory=True) as runs, answers as stream, progress(files) as read:
            for batch in ahead(map(runs.read, batches(files, read))):
                texts = runs.decide(batch)
                decided += len(texts)
                _write(texts, stream, summary)
                stream.flush()
    except Failure as error:
        if not decided:
            raise
        count = " of ".join(f"{number:,}" for number in (decided, length(files)) if number is not None)
        raise Failure(f"{error}; {count} events are decided, run it again for the rest") from error
    _end(summary)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@rulebook_option
@ledger_option
def check(files: tuple[str, ...], rulebook: str | None, ledger: str | None) -> None:
    """Show what screen would answer; write nothing.

    The files are read completely; each event sees the effects of those before it. The ledger is seen as it is at the
    beginning; workers go on meanwhile.

    \b
    Example:
      tpp check planned.jsonl
    """
    from services.files import batches, check_readable
    from services.printing import standard_output
    from services.views.summary import Summary

    check_readable(files)
    summary, stream = Summary(), standard_output()
    with engine(ledger, rulebook, existing=True, memory=True) as runs:
        records = [record for batch in batches(files, lambda _: None) for record in batch]
        _write(runs.check(records), stream, summary)
    stream.flush()
    _end(summary)


def _write(answers: Iterable[Sequence[str]], stream: IO[bytes], summary: "Summary") -> None:
    """Writes the answers to each event, and counts them."""
    for texts in answers:
        summary.add(texts)
        stream.write("".join([f"{text}\n" for text in texts]).encode())


def _end(summary: "Summary") -> NoReturn:
    """Writes the summary to standard error and ends the command: exit 1 if lines were rejected."""
    for line in summary.lines():
        click.echo(line, err=True)
    sys.exit(1 if summary.rejected else 0)


@main.command()
@click.argument("shipment")
@click.option("--short", is_flag=True, help="Only the memo, without the trace.")
@format_option("text", "html", "json")
@ledger_option
def explain(shipment: str, short: bool, form: str, ledger: str | None) -> None:
    """Explain every decision on a shipment.

    The memo gives the answer, the paragraph that decides with its figures, what else was near, what is owed by when,
    and how the law stands. The trace below it shows what was requested, tried and decided, record by record. An html
    page asks for nothing from elsewhere and prints as it is.

    \b
    Example:
      tpp explain SHP-0001
      tpp explain SHP-0001 --short
      tpp explain SHP-0001 --format html > SHP-0001.html
    """
    from ledger.queries.records import records, state
    from services.cli.terminal.tables import empty_list, print_json
    from services.printing import print_bytes, print_text
    from services.views.memo import memo_of, memo_text, to_json
    from services.views.trace import trace, trace_text

    if short and form == "json":
        raise click.UsageError("--short needs --format text or html.")
    with empty_list(form), reading(ledger) as connection:
        found = records(connection, shipment)
        if not found:
            raise NotFound(f"shipment {shipment} does not exist in this ledger")
        if form == "json":
            print_json(to_json(found))
            return
        memo = memo_of(connection, book(None), shipment, state(connection, shipment), found)
        sections = [] if short else trace(found)
    if form == "html":
        from services.views.page import page

        print_bytes(page(memo, sections).encode())
    else:
        print_text("\n\n".join(filter(None, (memo_text(memo), trace_text(sections)))))


@main.command()
@click.argument("shipments", nargs=-1, metavar="[SHIPMENT]...")
@click.option("--account", metavar="ACCOUNT", help="Recheck every hold that waits for room on this account.")
@click.option("--all", "everything", is_flag=True, help="Recheck every hold.")
@rulebook_option
@ledger_option
def recheck(
    shipments: tuple[str, ...], account: str | None, everything: bool, rulebook: str | None, ledger: str | None
) -> None:
    """Screen held shipments again.

    They are screened oldest first, with the facts and balances known now. Those that pass are released.

    \b
    Example:
      tpp recheck --account lpp/CON-70/2025
    """
    from services.engine.message import Message
    from services.printing import done, standard_output
    from services.views.requests import recheck_events
    from services.views.summary import Summary

    if bool(shipments) + (account is not None) + everything != 1:
        raise click.UsageError("Name shipments, or give --account or --all.")
    events = recheck_events(shipments, account, everything, wall_clock())
    summary, stream = Summary(), standard_output()
    with engine(ledger, rulebook) as runs:
        records = [Message(event, {"request": f"recheck {number}"}, own=True) for number, event in enumerate(events, 1)]
        answers = runs.run(records)
    with done("the shipments are screened again"):
        _write(answers, stream, summary)
        stream.flush()
    _end(summary)


@main.command()
@ledger_option
def migrate(ledger: str | None) -> None:
    """Create a ledger, or upgrade its tables.

    \b
    Example:
      tpp migrate --ledger postgresql://tpp@db/tpp
    """
    from services.printing import done, print_text
    from services.resources import migrated

    sentence = migrated(ledger)
    with done(sentence):
        print_text(sentence)


for command in (
    *LISTS, review, met, policy, lists, statement, snapshot, reconcile, audit, backup, restore, retention, serve, token,
    notify, *COMMANDS,
):  # fmt: skip
    main.add_command(command)
