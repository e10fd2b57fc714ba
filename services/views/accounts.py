"""Accounts: their balances and use, the alerts that they raised, and the thresholds at which they do."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ledger.database.store import Connection
from ledger.queries.account_list import AccountOrder, AccountPlace, ListedAccount, account_list
from ledger.queries.alerts import EVERY, Alert, AlertFilter, StandingThresholds, alerts, thresholds
from ledger.queries.balances import NOW, WHOLE, Balance, Moment, balances
from ledger.queries.entries import StatementRow
from ledger.queries.work_list import waiting_on
from rulebook import Book
from schemas import accounts
from schemas.columns import TABLES, Kind
from schemas.event_types import QUOTA_ALERT
from schemas.times import instant_text
from services.views.moments import shown
from services.views.wrapping import counted

_INSTANTS = [column.name for column in TABLES["statement"] if column.kind is Kind.INSTANT]
_TENTH = 1_000
"""A tenth of a percent, in millionths."""


def balance_list(
    connection: Connection,
    patterns: Sequence[str] = (),
    moment: Moment = NOW,
    order: AccountOrder = AccountOrder.PATH,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Balances as JSON objects, with `used` in millionths of the limit and the forecast, which is of now alone."""
    return [row for row, _ in balance_page(connection, patterns, moment, order, None, limit)]


def balance_page(
    connection: Connection,
    patterns: Sequence[str],
    moment: Moment,
    order: AccountOrder,
    after: AccountPlace | None,
    limit: int | None,
) -> list[tuple[dict[str, Any], AccountPlace]]:
    """Balances as JSON objects, each with its place in the list; those after a place, at most `limit`."""
    if moment.now and not any(map(accounts.names_flows, patterns)):
        listed = account_list(connection, patterns, order, after, limit)
        return [(account_to_json(one), one.place) for one in listed]
    found = sorted((_place(one, order), one) for one in balances(connection, patterns, moment))
    chosen = list(islice(((place, one) for place, one in found if after is None or place > after), limit))
    forecasts: dict[str, ListedAccount] = {}
    if moment.now:
        forecasts = {one.balance.account: one for one in account_list(connection, patterns)}
    return [
        (account_to_json(forecasts[one.account]) if one.account in forecasts else _balance(one), place)
        for place, one in chosen
    ]


def _place(one: Balance, order: AccountOrder) -> AccountPlace:
    """The place of an account at a moment."""
    if order is AccountOrder.PATH:
        return AccountPlace(0, 0, 0, one.account)
    whole, part = divmod(one.used or 0, WHOLE)
    return AccountPlace(int(one.used is None), -whole, -part, one.account)


def account_in_full(connection: Connection, book: Book, account: str, moment: Moment = NOW) -> dict[str, Any] | None:
    """An account as a JSON object, with the thresholds in force and the shipments that wait for room on it.

    None if it does not exist, or did not at the moment.
    """
    for row in balance_list(connection, [account], moment):
        is_flow = accounts.names_flows(account)
        steps = [] if is_flow else threshold_list(connection, book, account)[0]["thresholds"]
        return {**row, "thresholds": steps, "holds_waiting": waiting_on(connection, account)}
    return None


def statement_to_json(row: StatementRow) -> dict[str, Any]:
    """A row of `statement` as a JSON object, with instants as RFC 3339."""
    found = row._asdict()
    return {**found, **{name: instant_text(found[name]) for name in _INSTANTS if found[name] is not None}}


def account_to_json(one: ListedAccount) -> dict[str, Any]:
    """An account as it stands as a JSON object."""
    return {**_balance(one.balance), "forecast": one.forecast and one.forecast._asdict()}


def _balance(one: Balance) -> dict[str, Any]:
    return {**one.to_json(), "used": one.used, "forecast": None}


def balance_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A balance with the members of its forecast beside the others, and its use in percent, rounded down."""
    forecast = row["forecast"] or dict.fromkeys(("exhausted_on", "earliest", "latest"))
    used = row["used"]
    percent = None if used is None else f"{used // (10 * _TENTH):,}.{used // _TENTH % 10} %"
    return {**row, **forecast, "percent": percent}


def alert_list(connection: Connection, wanted: AlertFilter = EVERY, limit: int | None = None) -> list[dict[str, Any]]:
    """Alerts as JSON objects, the latest first."""
    return [alert_to_json(one) for one in alerts(connection, wanted, limit=limit)]


def alert_to_json(one: Alert) -> dict[str, Any]:
    """An alert as a JSON object: what it is about, its figures where it has them, and a sentence."""
    data = one.data
    names = ("account", "shipment_id", "party", "list", "threshold", "balance", "limit", "projected_exhaustion")
    return {
        "happened": shown(one.happened),
        "record": one.place.record,
        "type": one.type,
        "kind": data["kind"],
        **{name: data.get(name) for name in names},
        "holds_waiting": data.get("holds_waiting"),
        "message": data.get("message") or (quota_sentence(data) if one.type == QUOTA_ALERT else ""),
    }


def quota_sentence(data: Mapping[str, Any]) -> str:
    """What an alert of quota says, in one sentence."""
    limit = "" if data["limit"] is None else f" of {data['limit']:,}"
    at = f"{data['balance']:,}{limit} TPP used"
    day, waiting = data.get("projected_exhaustion"), data.get("holds_waiting")
    step = data.get("threshold")
    return {
        "threshold": f"Reached {step if isinstance(step, str) else f'{step or 0:,} TPP'}: {at}.",
        "exhausted": f"A debit was refused for want of room: {at}.",
        "over_limit": f"Over its limit: {at}.",
        "replenished": f"Has room again: {at}; {counted(waiting or 0, 'hold')} waiting.",
        "forecast": f"Projected to be full on {day}: {at}." if day else f"No longer projected to be full: {at}.",
    }.get(str(data["kind"]), f"{at}.")


def alert_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """An alert with what it is about in one cell."""
    return {**row, "about": row["account"] or row["shipment_id"] or row["party"] or row["list"]}


def threshold_list(
    connection: Connection, book: Book, account: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """The thresholds in force as JSON objects: those set, the last first, then the rulebook's; of an account, its own.

    The rulebook's have no record.
    """
    given = {account: book.alert_thresholds(account)} if account else _defaults(book)
    ours = map(_thresholds, thresholds(connection, account))
    theirs: Iterator[dict[str, Any]] = (
        {"account": name, "thresholds": list(steps), "record": None, "happened": None} for name, steps in given.items()
    )
    return list(islice((one for part in (ours, theirs) for one in part), 1 if account else limit))


def _defaults(book: Book) -> dict[str, tuple[str | int, ...]]:
    """The rulebook's thresholds: of the families that have their own, and of all other accounts."""
    others = book.alert_thresholds("*")
    families = {f"{family}/*": book.alert_thresholds(f"{family}/*") for family in accounts.FAMILIES}
    return {**{name: steps for name, steps in families.items() if steps != others}, "*": others}


def _thresholds(one: StandingThresholds) -> dict[str, Any]:
    return {
        "account": one.account,
        "thresholds": list(one.thresholds),
        "record": one.record,
        "happened": shown(one.happened),
    }


def threshold_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Thresholds as one text, and who set them."""
    steps = ", ".join(step if isinstance(step, str) else f"{step:,} TPP" for step in row["thresholds"])
    return {**row, "thresholds": steps or "none", "by": "rulebook" if row["record"] is None else "event"}
