"""Lists to work from: `tpp balance`, `holds`, `shipments`, `obligations`, `alerts`, `thresholds`."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from schemas.codes import REFUSALS, ReasonCode, State
from services.cli.terminal.options import excel_option, format_option, ledger_option, limit_option, moment_options
from services.failure import Failure, NotFound
from services.resources import book, reading

if TYPE_CHECKING:
    from ledger.database.store import Connection

_format = format_option("table", "json", "csv")
_KINDS = (
    "threshold", "exhausted", "over_limit", "replenished", "forecast", "left_without_approval", "returned_too_much",
    "resembles", "screening_hit", "stale",
)  # fmt: skip

_CODES = [str(code) for code in ReasonCode if code not in set(REFUSALS) - {ReasonCode.LICENSE_UNKNOWN}]

Command = Callable[..., Any]


def _party(command: Command) -> Command:
    text = "Only shipments with this party, by its identifier or that of its ultimate parent."
    return click.option("--party", metavar="PARTY", help=text)(command)


def _as_of(text: str) -> Callable[[Command], Command]:
    return click.option("--as-of", metavar="DATE", help=f"{text} [default: the day of the ledger's last tick]")


def _today(connection: "Connection", as_of: str | None) -> date | None:
    """The day of `--as-of`, else of the last tick."""
    from ledger.queries.work_list import ledger_day
    from services.views.moments import day

    return day("--as-of", as_of) or ledger_day(connection)


@click.command()
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@moment_options
@click.option(
    "--sort", type=click.Choice(["path", "used"]), default="path", show_default=True,
    help="By path, or nearest to the limit first and those without one last.",
)  # fmt: skip
@limit_option
@_format
@excel_option
@ledger_option
def balance(
    accounts: tuple[str, ...], as_of: str | None, known_at: str | None, sort: str, limit: int | None, form: str,
    excel: bool, ledger: str | None,
) -> None:  # fmt: skip
    """Show balances, in TPP.

    Beside each balance stand the share of the limit that is used, and the day on which the account is projected to
    be full. In ACCOUNT, * matches any text. flow/CC/YEAR is the total TPP approved for a country in a year.

    \b
    Example:
      tpp balance 'lpp/*/2025' country/IN/2025-2027
      tpp balance --sort used --limit 20
      tpp balance --as-of 2025-06-30 --format json
    """
    from ledger.queries.account_list import AccountOrder
    from ledger.queries.statements import absent
    from services.cli.terminal import tables
    from services.views.accounts import balance_cells, balance_list
    from services.views.moments import moment

    with tables.empty_list(form), reading(ledger) as connection:
        bounds = moment(connection, as_of, known_at)
        found = balance_list(connection, accounts, bounds, AccountOrder(sort), limit)
        shown = {one["account"] for one in found}
        missing = [path for path in absent(connection, accounts) if path not in shown]
    sentence = f"no account {' or '.join(map(repr, missing))} exists in this ledger"
    empty = f"no account matches {' or '.join(map(repr, accounts))}" if accounts else "no account exists"
    if found or not missing:
        rows = found if form == "json" else list(map(balance_cells, found))
        columns = tables.BALANCE_CSV if form == "csv" else tables.BALANCE
        tables.write(rows, columns, form, empty, excel=excel, sought=bool(accounts))
    if missing:
        with tables.empty_list(form if not found else "table"):
            raise NotFound(sentence)


@click.command()
@click.option(
    "--code",
    type=click.Choice([str(code) for code in ReasonCode]),
    metavar="CODE",
    help="Only holds for this reason, such as quota.exhausted.",
)
@click.option(
    "--party", metavar="PARTY", help="Only shipments that name this party, or of which it is an ultimate parent."
)
@click.option("--country", metavar="COUNTRY", help="Only shipments to this country.")
@click.option("--account", metavar="ACCOUNT", help="Only holds that wait for room on this account; * matches any text.")
@click.option("--min-age", type=click.IntRange(min=0), metavar="DAYS", help="Only holds of at least this many days.")
@click.option("--summary", is_flag=True, help="One line for each reason instead of each hold.")
@click.option(
    "--sort", type=click.Choice(["age", "export-date", "tpp"]), default="age", show_default=True,
    help="Oldest, soonest or largest first.",
)  # fmt: skip
@limit_option
@_as_of("Count ages as of this date.")
@_format
@excel_option
@ledger_option
def holds(
    code: str | None, party: str | None, country: str | None, account: str | None, min_age: int | None, summary: bool,
    sort: str, limit: int | None, as_of: str | None, form: str, excel: bool, ledger: str | None,
) -> None:  # fmt: skip
    """List held shipments and what would end each hold.

    The oldest hold comes first; before it what left without an approval, until that obligation is met.

    \b
    Example:
      tpp holds --code quota.exhausted --sort tpp --limit 20
      tpp holds --country IN --min-age 14
      tpp holds --summary
    """
    from ledger.queries.work_list import HoldFilter, HoldOrder
    from services.cli.terminal import tables
    from services.views.work_list import in_cells, reasons_held, waiting_since, work_list

    if summary and limit is not None:
        raise click.UsageError("--summary counts every hold; it takes no --limit.")
    with reading(ledger) as connection:
        today = _today(connection, as_of)
        if min_age is not None and today is None:
            raise Failure(
                "--min-age needs a day, and the ledger has had no tick yet; add --as-of, such as --as-of 2025-06-30"
            )
        until = waiting_since(today, min_age) if today and min_age is not None else None
        wanted = HoldFilter(code, party, country, account, until)
        if summary:
            found = reasons_held(connection, today, wanted)
        else:
            found = work_list(connection, book(None), today, wanted, HoldOrder(sort), limit)
    given = wanted != HoldFilter()
    empty = f"no shipment is held{' that fits these filters' if given else ''}"
    if summary:
        tables.write(found, tables.REASONS, form, empty, excel=excel, sought=given)
        return
    rows = found if form == "json" else list(map(in_cells, found))
    columns = tables.HOLDS_CSV if form == "csv" else tables.HOLDS
    tables.write(rows, columns, form, empty, excel=excel, sought=given)


@click.command()
@click.option(
    "--party", metavar="PARTY", help="Only shipments that name this party, or of which it is an ultimate parent."
)
@click.option("--country", metavar="COUNTRY", help="Only shipments to this country.")
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only shipments in this state.")
@click.option("--from", "first", metavar="DATE", help="Only export dates on or after this one.")
@click.option("--to", "last", metavar="DATE", help="Only export dates on or before this one.")
@limit_option
@_format
@excel_option
@ledger_option
def shipments(
    party: str | None, country: str | None, state: str | None, first: str | None, last: str | None, limit: int | None,
    form: str, excel: bool, ledger: str | None,
) -> None:  # fmt: skip
    """List shipments as they stand, the latest first.

    \b
    Example:
      tpp shipments --country IN --state approved
      tpp shipments --party CON-70 --from 2025-06-01 --to 2025-06-30 --limit 50
    """
    from ledger.queries.shipment_list import ShipmentFilter
    from services.cli.terminal import tables
    from services.views import work_list
    from services.views.moments import day

    wanted = ShipmentFilter(party, country, state, day("--from", first), day("--to", last))
    with reading(ledger) as connection:
        found = list(work_list.shipments(connection, wanted, limit))
    given = wanted != ShipmentFilter()
    empty = "no shipment fits these filters" if given else "no shipment exists"
    rows = found if form == "json" else list(map(work_list.shipment_cells, found))
    columns = tables.SHIPMENTS_CSV if form == "csv" else tables.SHIPMENTS
    tables.write(rows, columns, form, empty, excel=excel, sought=given)


@click.command()
@click.option("--due-by", metavar="DATE", help="Only obligations due on or before this date.")
@click.option("--all", "every", is_flag=True, help="Include obligations that were met or withdrawn.")
@limit_option
@_as_of("What is open and due before this date is overdue.")
@_format
@excel_option
@ledger_option
def obligations(
    due_by: str | None, every: bool, limit: int | None, as_of: str | None, form: str, excel: bool, ledger: str | None
) -> None:
    """List what must be filed, to whom and by when.

    What is overdue comes first; records to keep come last.

    \b
    Example:
      tpp obligations --due-by 2025-07-31
      tpp obligations --as-of 2025-07-31 --limit 20
    """
    from services.cli.terminal import tables
    from services.views.moments import day
    from services.views.obligations import in_cells, obligation_list

    until = day("--due-by", due_by)
    with reading(ledger) as connection:
        today = _today(connection, as_of)
        found = obligation_list(connection, book(None), today, until, None if every else "open", limit)
    empty = f"no obligation is due by {due_by}" if due_by else f"no obligation {'exists' if every else 'is open'}"
    if form != "table" or not found:
        tables.write(found, tables.OBLIGATIONS_CSV, form, empty, excel=excel, sought=due_by is not None)
        return
    owed = [in_cells(one) for one in found if not one["retention"]]
    kept = [one for one in found if one["retention"]]
    tables.write_parts([("", owed, tables.OBLIGATIONS), ("Records to keep", kept, tables.RECORDS_KEPT)])


@click.command()
@click.option("--kind", type=click.Choice(_KINDS), help="Only alerts of this kind.")
@click.option("--account", metavar="ACCOUNT", help="Only alerts about this account; * matches any text.")
@click.option("--from", "first", metavar="DATE", help="Only alerts of events on or after this UTC date.")
@click.option("--to", "last", metavar="DATE", help="Only alerts of events on or before this UTC date.")
@limit_option
@_format
@excel_option
@ledger_option
def alerts(
    kind: str | None, account: str | None, first: str | None, last: str | None, limit: int | None, form: str,
    excel: bool, ledger: str | None,
) -> None:  # fmt: skip
    """List alerts, the latest first.

    Alerts are of quota, of forecasts, of shipments, of parties and of restricted-party lists.

    \b
    Example:
      tpp alerts --kind threshold --account 'lpp/*' --limit 20
      tpp alerts --from 2025-06-01 --to 2025-06-30
    """
    from ledger.queries.alerts import AlertFilter
    from services.cli.terminal import tables
    from services.views.accounts import alert_cells, alert_list
    from services.views.moments import day

    wanted = AlertFilter(kind, account, day("--from", first), day("--to", last))
    with reading(ledger) as connection:
        found = alert_list(connection, wanted, limit)
    given = wanted != AlertFilter()
    empty = "no alert fits these filters" if given else "no alert was raised"
    rows = found if form == "json" else list(map(alert_cells, found))
    columns = tables.ALERTS_CSV if form == "csv" else tables.ALERTS
    tables.write(rows, columns, form, empty, excel=excel, sought=given)


@click.command()
@click.option("--account", metavar="ACCOUNT", help="Only those that count for this account.")
@limit_option
@_format
@excel_option
@ledger_option
def thresholds(account: str | None, limit: int | None, form: str, excel: bool, ledger: str | None) -> None:
    """List the thresholds of alerts.

    Those set by events come first, the last set before the others, and then those of the rulebook. For an account
    count those set for it, else those of the pattern set last that matches it, else the rulebook's.

    \b
    Example:
      tpp thresholds
      tpp thresholds --account lpp/CON-70/2025
    """
    from services.cli.terminal import tables
    from services.views.accounts import threshold_cells, threshold_list

    with reading(ledger) as connection:
        found = threshold_list(connection, book(None), account, limit)
    rows = found if form == "json" else list(map(threshold_cells, found))
    tables.write(rows, tables.THRESHOLDS, form, "no threshold is set", excel=excel)


LISTS = (balance, holds, shipments, obligations, alerts, thresholds)
