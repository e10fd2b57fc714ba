"""The page of an account: when it will be full, its figures, its entries, its limits, what waits for room on it."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from markupsafe import Markup

from ledger.database.store import Connection
from ledger.queries.account_list import Forecast, Waits, beside, forecasts, standing, waiting_holds, waits
from ledger.queries.balances import WHOLE, Balance, LimitSet, flows, limits_set
from ledger.queries.entries import PARTS, Parts, Span, StatementRow, account_entries, parts_at, reached
from ledger.queries.snapshots import snapshots
from rulebook import Book
from schemas import accounts
from schemas.plan import Share
from schemas.times import DAY_MICROSECONDS, day_of
from services.engine.alerts import amount_at
from services.views.accounts import threshold_list
from services.views.console.look.bar import bar
from services.views.console.look.names import account_names, country_name
from services.views.console.look.render import Touched, fragment
from services.views.console.look.told import told
from services.views.console.look.words import say
from services.views.console.quotas import trigger_of

PAGE, FEW = 100, 10
"""How many entries a page has, and how many holds that wait are named."""

_PERIODS, _NEXT_STEPS = 6, 2
_BEFORE_THE_LAW = date(2024, 12, 31)
_MICRO = 1_000_000
_PARTS_OF_BAR = ("attested", "posted", "pending")
_OWN = {"shipment.requested": "requested", "shipment.amended": "amended"}
_CAUSES = {
    "shipment.dispatched": "dispatched",
    "shipment.cancelled": "cancelled",
    "shipment.returned": "returned",
    "usage.attested": "attested",
    "attrition.reported": "attrition",
    "adjustment.made": "adjusted",
    "party.merged": "merged",
}


class _Account(NamedTuple):
    """An account as it stands, with what a page says of all of it."""

    balance: Balance
    forecast: Forecast | None
    waits: Waits
    trigger: int | None


class _Limit(NamedTuple):
    """A limit from a day on, None for always: the amount, its source, whether it is in force, or the house's is."""

    first: date | None
    limit: int | None
    text: Markup
    at: bool
    below: bool = False


def account(connection: Connection, book: Book, today: date, path: str, before: int | None) -> dict[str, Any] | None:
    """What the page of an account says, with the entries before a number, or the last ones; None if it does not exist.

    `today` is the day from which holds have an export date to come.
    """
    found = _read(connection, book, today, path)
    if found is None:
        return None
    is_flow = accounts.is_flow(path)
    entries = [] if is_flow else _entries(connection, path, before)
    name = account_names(connection, [path])[path]
    limits = [] if is_flow else _limits(connection, book, today, found.balance)
    earlier, later = (None, None) if is_flow else beside(connection, path)
    return {
        "path": path,
        "name": name,
        "kind": _kind(path),
        "is_flow": is_flow,
        "note": _flow_note(path) if is_flow else None,
        "earlier": earlier,
        "later": later,
        "periods": [] if is_flow else [one.id for one in snapshots(connection)][-_PERIODS:],
        "figures": _figures(connection, book, found, entries),
        "chart": _chart(connection, book, found, entries, today),
        "entries": entries,
        "columns": [part for part in PARTS if part in ("pending", "posted") or any(one[part] for one in entries)],
        "of": found.balance.entries,
        "further": entries[-1]["entry"] if entries and entries[-1]["entry"] > 1 else None,
        "limits": limits,
        "other_limit": any(one.at and one.limit not in (None, found.balance.limit) for one in limits),
        "thresholds": [] if is_flow else _crossings(connection, book, found.balance),
        "waiting": _waiting(connection, found),
    }


def parts(connection: Connection, book: Book, today: date, about: str, touched: Touched) -> list[str]:
    """The figures of the account and what waits for it, anew where events have touched it; and how many entries it has.

    New entries are not added to the table, which shows the newest first: a link loads them.
    """
    found = _read(connection, book, today, about) if about in touched.accounts else None
    if found is None:
        return []
    entries = [] if accounts.is_flow(about) else _entries(connection, about, None, 1)
    figures = _figures(connection, book, found, entries)
    return [
        fragment("account_parts", "figures", figures),
        fragment("account_parts", "waiting", _waiting(connection, found)),
        fragment("account_parts", "news", about, found.balance.entries),
    ]


def _read(connection: Connection, book: Book, today: date, path: str) -> _Account | None:
    if accounts.is_flow(path):
        flow = next((one for one in flows(connection) if one.account == path), None)
        return None if flow is None else _Account(flow, None, Waits(), None)
    if accounts.read(path) is None:
        return None
    for one in standing(connection, [path]):
        trigger = trigger_of(book, path) if one.balance.limit is None else None
        waiting = waits(connection, today, [path]).get(path, Waits())
        return _Account(one.balance, forecasts(connection, [path]).get(path), waiting, trigger)
    return None


def _kind(path: str) -> Markup:
    read = accounts.read(path)
    return say("account.kind.flow") if read is None else say(f"account.kind.{read.family}", year=read.year)


def _flow_note(path: str) -> Markup:
    return say("account.flow_note", country=country_name(path.split("/")[1]))


def _figures(connection: Connection, book: Book, found: _Account, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The sentences, the bar and the numbers: what changes with each entry."""
    balance, trigger = found.balance, found.trigger
    size = balance.limit if balance.limit is not None else trigger
    marks = [] if accounts.is_flow(balance.account) else _amounts(connection, book, balance)
    return {
        "messages": _messages(found, entries),
        "bar": bar(
            limit=size, posted=balance.posted, pending=balance.pending, attested=balance.attested,
            credits=balance.credits, ticks=[amount for _, amount in marks if size is None or amount < size],
        ),
        **_over_bar(balance, trigger),
        "told": _told(balance),
        "balance": balance,
        "trigger": trigger,
        "share": balance.used if balance.limit is not None else _of(trigger, balance.balance),
    }  # fmt: skip


def _of(trigger: int | None, balance: int) -> int | None:
    return max(0, balance) * WHOLE // trigger if trigger else None


def _over_bar(balance: Balance, trigger: int | None) -> dict[str, Markup | None]:
    """What stands over the bar, at its beginning and at the limit; both at its beginning if the limit is too near."""
    used, size = say("account.used", used=balance.balance), _size(balance.limit, trigger)
    most = balance.limit if balance.limit is not None else trigger
    if size is not None and most is not None and balance.balance * 2 > most * 3:
        return {"used": say("account.both", used=used, size=size), "size": None}
    return {"used": used, "size": size}


def _size(limit: int | None, trigger: int | None) -> Markup | None:
    if limit is not None:
        return say("account.of_limit", limit=limit)
    return None if trigger is None else say("account.of_trigger", trigger=trigger)


def _told(balance: Balance) -> Markup:
    """The bar in words, for who does not see it."""
    names = [name for name in (*_PARTS_OF_BAR, "credits") if getattr(balance, name) or name in ("posted", "pending")]
    told = [say("account.bar_part", part=say(f"account.{name}"), n=getattr(balance, name)) for name in names]
    left = say("account.bar_free")
    if balance.limit is not None:
        left = say("account.bar_left", left=balance.available, limit=balance.limit)
    return say("account.bar", parts=Markup(", ").join(told), left=left)


def _messages(found: _Account, entries: Sequence[dict[str, Any]]) -> list[tuple[str, Markup]]:
    """What to care about: (how bad, sentence)."""
    balance, limit = found.balance, found.balance.limit
    if limit is None:
        over = 0 if found.trigger is None else balance.balance - found.trigger
        passed = found.trigger is not None and over >= 0
        return [("warn", say("account.past_trigger", trigger=found.trigger, over=over))] if passed else []
    if balance.balance > limit:
        return [("bad", say("account.over", over=balance.balance - limit))]
    if balance.available == 0:
        return [("bad", say("account.full"))]
    return [] if found.forecast is None else [("warn", _forecast(found.forecast, balance, entries))]


def _forecast(forecast: Forecast, balance: Balance, entries: Sequence[dict[str, Any]]) -> Markup:
    told = [say("account.full_on", day=forecast.exhausted_on)]
    if forecast.earliest and forecast.latest and forecast.earliest != forecast.latest:
        told.append(say("account.range", first=forecast.earliest, last=forecast.latest))
    sentence = Markup("; ").join(told) + "."
    size = next((one["pending"] or one["posted"] for one in entries if one["change"] > 0), 0)
    if size > 0:
        more = (balance.available or 0) // size
        sentence += " " + (say("account.fits", n=more, size=size) if more else say("account.fits_none", size=size))
    return sentence


def _entries(connection: Connection, path: str, before: int | None, most: int = PAGE) -> list[dict[str, Any]]:
    """A page of entries, the last first, each with the parts of the account after it."""
    rows = list(account_entries(connection, path, Span(), before, most, newest=True))
    if not rows:
        return []
    after = parts_at(connection, path, rows[0].entry or 0)
    made = []
    for row in rows:
        certain = after.posted + after.attested - after.credits
        made.append(
            {
                **row._asdict(), "cause": _cause(row), "seconds": (row.happened or 0) // _MICRO,
                "certain": certain, "uncertain": after.pending,
            }
        )  # fmt: skip
        after = Parts(*(whole - getattr(row, part) for part, whole in zip(PARTS, after, strict=True)))
    return made


def _cause(row: StatementRow) -> Markup:
    """What an entry came of, in a word: the shipment that it moves need not be that of its event."""
    if row.kind in _CAUSES and not (row.shipment_id and row.pending > 0):
        name = _CAUSES[row.kind]
    elif row.shipment_id is None:
        return say("account.causes.other", type=row.kind)
    elif row.pending > 0:
        name = "requested" if row.kind in _OWN else "released"
    elif row.kind == "clock.ticked":
        name = "lapsed"
    else:
        name = _OWN.get(row.kind, "withdrawn")
    return say(f"account.causes.{name}")


def _amounts(connection: Connection, book: Book, balance: Balance) -> list[tuple[str | int, int]]:
    """The thresholds in force with their amounts, the least first."""
    steps: Iterable[str | int] = threshold_list(connection, book, balance.account)[0]["thresholds"]
    found = [(step, amount) for step in steps if (amount := amount_at(step, balance.limit)) is not None]
    return sorted(found, key=lambda one: one[1])


def _crossings(connection: Connection, book: Book, balance: Balance) -> list[dict[str, Any]]:
    """The thresholds in force, with the day since which the balance has been past each."""
    marks = _amounts(connection, book, balance)
    since = reached(connection, balance.account, {amount for _, amount in marks})
    return [
        {
            "step": say("account.percent", percent=_percent(step)) if isinstance(step, str) else None,
            "amount": amount,
            "since": day_of(since[amount]).isoformat() if amount in since else None,
        }
        for step, amount in marks
    ]


def _limits(connection: Connection, book: Book, today: date, balance: Balance) -> list[_Limit]:
    """The limits of an account by their first days: the law's of now and of the next steps, and those set by events."""
    path = balance.account
    made = limits_set(connection, path).get(path, [])
    house = max((one for one in made if one.valid_from <= today), key=lambda one: (one.valid_from, one.n), default=None)
    law = _law(book, path, today)
    in_law = next((limit for day, limit in reversed(law) if day is None or day <= today), None)
    lower = house is not None and (accounts.raisable(path) or in_law is None or house.limit <= in_law)
    rows = [_Limit(one.valid_from, one.limit, _source(one), lower and one is house) for one in made]
    for day, limit in law:
        at = not lower and limit == in_law and (day is None or day <= today)
        rows.append(_Limit(day, limit, say("account.of_law"), at, lower))
    share = book.limit(path, today)
    if isinstance(share, Share):
        told = say("account.of_share", percent=share.percent, account=share.of)
        rows.append(_Limit(None, None, told, not lower))
    elif not rows and balance.limit is not None:
        rows.append(_Limit(None, balance.limit, say("account.of_entry"), True))
    return sorted(rows, key=lambda row: row.first or date.min)


def _law(book: Book, path: str, today: date) -> list[tuple[date | None, int]]:
    """The law's limit of today, with its first day where the law has steps, and its next steps."""
    steps = [(day, limit) for day, account, limit in book.openings(path, _BEFORE_THE_LAW) if account == path]
    begun = sum(day <= today for day, _ in steps)
    if steps:
        return [*steps[max(0, begun - 1) :][: 1 + _NEXT_STEPS]]
    limit = book.limit(path, today)
    return [(None, limit)] if isinstance(limit, int) else []


def _source(one: LimitSet) -> Markup:
    """Who set a limit, and when."""
    day = told(day_of(one.happened).isoformat())
    if one.account.startswith("license/"):
        return say("account.of_license", day=day)
    name = "of_event" if accounts.raisable(one.account) else "of_house"
    return say(f"account.{name}", citation=one.citation, day=day)


def _percent(step: str) -> str:
    """A fraction as percent, without zeros at its end.

    >>> _percent("0.8"), _percent("1.0"), _percent("0.955")
    ('80', '100', '95.5')
    """
    whole, _, part = step.partition(".")
    digits = part.ljust(2, "0")
    percent, rest = int(whole + digits[:2]), digits[2:].rstrip("0")
    return f"{percent}.{rest}" if rest else str(percent)


def _waiting(connection: Connection, found: _Account) -> dict[str, Any]:
    path, waiting = found.balance.account, found.waits
    holds = waiting_holds(connection, path, FEW) if waiting.holds or waiting.past else []
    return {"path": path, "at": waiting, "holds": holds, "more": waiting.holds + waiting.past > len(holds)}


def _chart(
    connection: Connection, book: Book, found: _Account, entries: Sequence[dict[str, Any]], today: date
) -> dict[str, Any] | None:
    """What the script that draws the entries needs besides them: where lines stand; None without entries."""
    if not entries:
        return None
    balance, forecast = found.balance, found.forecast
    size = balance.limit if balance.limit is not None else found.trigger
    last, first = entries[0], entries[-1]
    latest = max(one["seconds"] for one in entries)
    now = max(_noon(today.isoformat()), latest)
    days = [forecast.earliest, forecast.exhausted_on, forecast.latest] if forecast else []
    ahead = [_noon(day) for day in days if day is not None]
    newest = last["entry"] == balance.entries
    ends = [*ahead, now] if newest else [latest]
    marks = [(step, amount) for step, amount in _amounts(connection, book, balance) if size is None or amount < size]
    return {
        "limit": size,
        "size": _size(balance.limit, found.trigger),
        "marks": " ".join(str(amount) for _, amount in marks),
        "mark_names": ", ".join(f"{_percent(step)} %" if isinstance(step, str) else f"{step:,}" for step, _ in marks),
        "now": now if newest else None,
        "full": _noon(forecast.exhausted_on) if forecast and newest and size else None,
        "range": f"{min(ahead)} {max(ahead)}" if forecast and newest and size else None,
        "end": max(ends),
        "since": day_of(first["seconds"] * _MICRO).isoformat(),
        "certain": bool(balance.attested or balance.credits),
        "said": say(
            "account.chart_said", first=first["balance"], last=last["balance"],
            from_day=day_of(first["seconds"] * _MICRO).isoformat(),
            to_day=day_of(last["seconds"] * _MICRO).isoformat(),
        ),
    }  # fmt: skip


def _noon(day: str) -> int:
    """The middle of a UTC day, in seconds since 1970."""
    days = date.fromisoformat(day) - date(1970, 1, 1)
    return days // timedelta(seconds=1) + DAY_MICROSECONDS // 2 // _MICRO
