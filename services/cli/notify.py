"""`tpp notify`: sends people and their programs what the ledger gives out."""

import sys

import click

from services.cli.terminal.options import Commands, format_option, ledger_option


@click.group(cls=Commands, invoke_without_command=True)
@ledger_option
@click.pass_context
def notify(context: click.Context, ledger: str | None) -> None:
    """Send events to people and webhooks until stopped.

    The file of TPP_NOTIFY says who gets which events. Begins with new events at its first start, and resumes where it
    was stopped. One process of a ledger sends; others stand by.

    \b
    Example:
      TPP_NOTIFY=notify.toml tpp notify
      tpp notify failed
    """
    if context.invoked_subcommand is not None:
        return
    from services.notify.notifier import run
    from services.resources import settings
    from services.telemetry.logs import log_to_stderr

    log_to_stderr()
    sys.exit(run(settings(), ledger))


@notify.command()
@click.option("--all", "every", is_flag=True, help="Include events that are still tried every hour.")
@format_option("table", "json", "csv")
@ledger_option
@click.pass_context
def failed(context: click.Context, every: bool, form: str, ledger: str | None) -> None:
    """List events that a receiver did not take.

    They were tried for three days, and are not tried any more.

    \b
    Example:
      tpp notify failed --format json
    """
    from ledger.doors.notices import list_notices
    from schemas.times import instant_text
    from services.cli.terminal import tables
    from services.resources import reading

    with reading(_ledger(context, ledger)) as connection:
        found = list_notices(connection, given_up=not every)
    rows = [
        {
            "receiver": one.receiver,
            "id": one.id,
            "sequence": one.sequence,
            "since": instant_text(one.since),
            "tries": one.tries,
            "next": None if one.next is None else instant_text(one.next),
            "why": one.why,
        }
        for one in found
    ]
    columns = ("receiver", "id", "sequence", "since", "tries", "next", "why") if form == "csv" else tables.NOTICES
    tables.write(rows, columns, form, "no event is set aside" if every else "no event was given up")


@notify.command()
@click.argument("id")
@click.option("--to", "name", metavar="NAME", help="Only to this receiver. [default: all that did not take it]")
@ledger_option
@click.pass_context
def retry(context: click.Context, id: str, name: str | None, ledger: str | None) -> None:
    """Send an event again that was not taken.

    ID is that of the event, as `failed` lists it. Exits with 1 if a receiver does not take it again.

    \b
    Example:
      TPP_NOTIFY=notify.toml tpp notify retry 45383478316dcc2287fdfaa97ee3ebd86b5286fd-1
    """
    from services.notify.notifier import quiet
    from services.notify.receivers import read_receivers
    from services.notify.retry import retry as send_again
    from services.printing import print_text
    from services.resources import settings, standing, wall_clock

    quiet()
    chosen = settings()
    receivers = read_receivers(chosen.notify)
    with standing(_ledger(context, ledger)) as store:
        found = send_again(store, receivers, chosen.public_url, id, name, wall_clock())
    for one in found:
        print_text(f"{one.receiver}: {'taken' if one.outcome.taken else f'not taken: {one.outcome.why}'}")
    sys.exit(0 if all(one.outcome.taken for one in found) else 1)


def _ledger(context: click.Context, ledger: str | None) -> str | None:
    """The ledger of a command, else the one that was given before its name."""
    if ledger is not None or context.parent is None:
        return ledger
    given = context.parent.params.get("ledger")
    return given if isinstance(given, str) else None
