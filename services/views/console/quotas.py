"""The page of quotas: every account beside its limit, the one with the most used and waiting for its size first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from markupsafe import Markup

from ledger.database.store import Connection
from ledger.queries.account_list import Forecast, Standing, Waits, forecasts, standing, waits
from ledger.queries.alerts import StandingThresholds, thresholds
from ledger.queries.balances import WHOLE, LimitSet, limits_set
from ledger.queries.console.remembered import remembered
from ledger.queries.shipment_list import destinations, latest_shipments
from rulebook import Book
from schemas import accounts
from services.engine.alerts import amount_at
from services.views.console.look.bar import bar
from services.views.console.look.names import account_names
from services.views.console.look.render import Touched, fragment
from services.views.console.look.words import say

PAGE, FEW = 100, 8
"""How many accounts a page has, and how many of those without a limit stand below the others."""
UNLIMITED, ALL = "none", "all"
"""The values of the filters by kind and by period for accounts without a limit, and for every year."""
NEAR = (50, 80, 95, 100)
"""The shares by which a filter asks, in percent."""

_SOON_DAYS = 30
_MOST_LIVE = 100
_MOST_ENTRIES = 10_000
_PERCENT = WHOLE // 100
_COUNTRY_LETTERS = 2
_NO_WAITS = Waits()


@dataclass(frozen=True, slots=True)
class QuotaFilter:
    """Which accounts: of a kind, with this in their name or path (`*` stands for any text), of a country, used by so
    many percent, of a year. An account that has no year is of every one; without a year, from this year on.
    """

    kind: str = ""
    text: str = ""
    country: str = ""
    near: int = 0
    year: str = ""

    def given(self) -> dict[str, str]:
        """The filters that are set, as the address has them."""
        found = {"kind": self.kind, "account": self.text, "country": self.country, "year": self.year}
        found["near"] = str(self.near) if self.near else ""
        return {name: value for name, value in found.items() if value}


class _One(NamedTuple):
    """An account with what waits for it and its trigger; `share` and `asked` are in millionths of limit or trigger.

    `country` is the one that its path names.
    """

    path: str
    family: str
    year: str
    country: str
    at: Standing
    waits: Waits
    trigger: int | None
    share: int
    asked: int


def quotas(connection: Connection, book: Book, today: date, wanted: QuotaFilter, number: int = 1) -> dict[str, Any]:
    """What the page says: of the accounts that are wanted, the page of this number. Reads the numbers of every account.

    `today` is the day from which holds have an export date to come.
    """
    every = remembered(connection, _every, book, today)
    of_period = _in_period(every, wanted.year, today)
    chosen = _chosen(connection, of_period, wanted)
    limited = sorted((one for one in chosen if one.at.balance.limit is not None), key=_order)
    others = sorted((one for one in chosen if one.at.balance.limit is None), key=_order)
    start = (number - 1) * PAGE
    shown = limited[start : start + PAGE]
    also = others[start : start + PAGE] if not limited else others[: 0 if number > 1 else FEW]
    made = _rows(connection, book, today, [*shown, *also])
    countries = {*remembered(connection, destinations), *(one.country for one in every), wanted.country}
    long = limited or others
    return {
        "lead": _lead(of_period, today),
        "limits": made[: len(shown)],
        "others": made[len(shown) :],
        "triggers": bool(also) and all(one.trigger is not None for one in also),
        "trigger": next((one.trigger for one in also if one.trigger is not None), None),
        "counts": {"all": len(of_period), "chosen": len(chosen), "others": len(others), "pages": len(long)},
        "more_others": bool(limited) and len(others) > len(also),
        "span": (start + 1, min(start + PAGE, len(long))),
        "next": number + 1 if start + PAGE < len(long) else None,
        "number": number,
        "every": len(every),
        "kinds": _kinds(of_period),
        "countries": sorted(countries - {""}),
        "years": sorted({one.year for one in every} - {""}, reverse=True),
        "later": any(one.year > str(today.year) for one in every),
        "this_year": str(today.year),
        "wanted": wanted,
    }


def parts(connection: Connection, book: Book, today: date, about: str, touched: Touched) -> list[str]:  # noqa: ARG001
    """The sentence of the page, and the rows of accounts that events have touched; of many the first."""
    every = remembered(connection, _every, book, today)
    of_period = _in_period(every, "", today)
    near = set(sorted(touched.accounts)[:_MOST_LIVE])
    rows = _rows(connection, book, today, [one for one in every if one.path in near])
    changed = [fragment("quota_rows", "limit_row" if row["limit"] is not None else "other_row", row) for row in rows]
    return [fragment("quota_rows", "lead", _lead(of_period, today)), *changed]


def trigger_of(book: Book, path: str) -> int | None:
    """The amount at which the rulebook asks for a report on an account; None where it names none."""
    return next((step for step in book.alert_thresholds(path) if isinstance(step, int)), None)


def steps_on(standing: Iterable[StandingThresholds], book: Book, path: str) -> tuple[str | int, ...]:
    """The thresholds in force on an account, of all that stand, those set last first."""
    first = None
    for one in standing:
        if one.account == path:
            return one.thresholds
        begins = first is None and path.startswith(one.account.partition("*")[0])
        if begins and accounts.matches(one.account, path):
            first = one
    return book.alert_thresholds(path) if first is None else first.thresholds


def standing_thresholds(connection: Connection) -> Sequence[StandingThresholds]:
    """The thresholds that are set, the last one first."""
    return list(thresholds(connection))


def limit_note(path: str, limit: int | None, made: Sequence[LimitSet], today: date) -> str | None:
    """Whose an account's limit is, where an event has set it; None where it is the law's."""
    in_force = [one for one in made if one.valid_from <= today]
    latest = max(in_force, key=lambda one: (one.valid_from, one.n), default=None)
    if latest is None or latest.limit != limit:
        return None
    return say("quotas.set" if accounts.raisable(path) else "quotas.house")


def days_between(earliest: str | None, latest: str | None) -> str | None:
    """The days between which an account is full, as short as they can be told; None if there is but one, or none."""
    if earliest is None or latest is None or earliest == latest:
        return None
    first, last = date.fromisoformat(earliest), date.fromisoformat(latest)
    if first.year != last.year:
        return say("quotas.days", first=earliest, last=latest)
    alone = str(first.day) if first.month == last.month else _day_and_month(first)
    return say("quotas.days", first=alone, last=_day_and_month(last))


def _day_and_month(day: date) -> Markup:
    return say("quotas.day_and_month", day=day.day, month=str(say("quotas.months")).split()[day.month - 1])


def _every(connection: Connection, book: Book, today: date) -> Sequence[_One]:
    waiting, triggers = waits(connection, today), {family: trigger_of(book, family) for family in accounts.FAMILIES}
    found = []
    for at in standing(connection):
        balance = at.balance
        family, one = balance.account.partition("/")[0], waiting.get(balance.account, _NO_WAITS)
        trigger = triggers.get(family) if balance.limit is None else None
        size = max(1, balance.limit if balance.limit is not None else trigger or 1)
        counts = max(0, balance.balance)
        share, asked = counts * WHOLE // size, (counts + one.tpp) * WHOLE // size
        if balance.limit == 0:
            share, asked = WHOLE, max(WHOLE, asked)
        year, country = _year(balance.account), _country(balance.account, family)
        found.append(_One(balance.account, family, year, country, at, one, trigger, share, asked))
    return found


def _order(one: _One) -> tuple[bool, int, int, str]:
    return one.at.balance.limit is None and one.trigger is None, -one.asked, -one.share, one.path


def _country(path: str, family: str) -> str:
    """The country that the path of an account names."""
    read = accounts.read(path) if family in ("country", "nveu", "uveu") else None
    country = "" if read is None else read.country or read.part
    return country if len(country) == _COUNTRY_LETTERS else ""


def _places(connection: Connection, every: Iterable[_One]) -> dict[str, str]:
    """The country of each account: which its path names, else to which its latest shipment goes."""
    places = {path: one.country for path, one in latest_shipments(connection).items()}
    return places | {one.path: one.country for one in every if one.country}


def _year(path: str) -> str:
    return path.rpartition("/")[2] if path.startswith("lpp/") else ""


def _in_period(every: Sequence[_One], wanted: str, today: date) -> Sequence[_One]:
    if wanted == ALL:
        return every
    first = str(today.year)
    return [one for one in every if not one.year or (one.year == wanted if wanted else one.year >= first)]


def _chosen(connection: Connection, every: Sequence[_One], wanted: QuotaFilter) -> Sequence[_One]:
    if not wanted.given().keys() - {"year"}:
        return every
    places = _places(connection, every) if wanted.country else {}
    found = [
        one
        for one in every
        if (not wanted.kind or one.family == wanted.kind or (wanted.kind == UNLIMITED and one.at.balance.limit is None))
        and (not wanted.country or places.get(one.path) == wanted.country)
        and (not wanted.near or (_sized(one) and one.share >= wanted.near * _PERCENT))
    ]
    text = wanted.text
    if not text:
        return found
    if "*" in text:
        return [one for one in found if accounts.matches(text, one.path)]
    small = text.casefold()
    by_path = {one.path for one in found if small in one.path.casefold()}
    names = account_names(connection, [one.path for one in found if one.path not in by_path])
    return [one for one in found if one.path in by_path or small in names[one.path].casefold()]


def _sized(one: _One) -> bool:
    return one.at.balance.limit is not None or one.trigger is not None


def _kinds(every: Sequence[_One]) -> dict[str, int]:
    """How many accounts there are of each family, and without a limit."""
    found = dict.fromkeys(accounts.FAMILIES, 0)
    for one in every:
        found[one.family] = found.get(one.family, 0) + 1
    return {**found, UNLIMITED: sum(one.at.balance.limit is None for one in every)}


def _lead(every: Sequence[_One], today: date) -> Markup:
    """The sentence of the page: what is short, what will be full soon, who is past a trigger."""
    limited = [one for one in every if one.at.balance.limit is not None]
    soon = (today + timedelta(days=_SOON_DAYS)).isoformat()
    short = sum(one.waits.tpp > (one.at.balance.available or 0) for one in limited)
    full = sum(one.at.full_on is not None and one.at.full_on <= soon for one in limited)
    past = sum(one.trigger is not None and one.at.balance.balance >= one.trigger for one in every)
    told = [say("quotas.short", n=short) if short else say("quotas.none_short")]
    told += [say("quotas.soon", n=full)] if full else []
    told += [say("quotas.past_trigger", n=past)] if past else []
    return say("quotas.lead", parts=Markup(", ").join(told), accounts=say("quotas.accounts", n=len(every)))


def _rows(connection: Connection, book: Book, today: date, shown: Sequence[_One]) -> list[dict[str, Any]]:
    """What the table says of accounts."""
    paths = [one.path for one in shown]
    names, full = account_names(connection, paths), _forecasts(connection, shown)
    made, standing_steps = limits_set(connection), remembered(connection, standing_thresholds)
    return [
        {
            **_row(one, full.get(one.path)),
            "name": names[one.path],
            "note": limit_note(one.path, one.at.balance.limit, made.get(one.path, ()), today),
            "bar": _bar(one, steps_on(standing_steps, book, one.path)),
        }
        for one in shown
    ]


def _forecasts(connection: Connection, shown: Sequence[_One]) -> dict[str, Forecast]:
    """The forecasts of accounts; with their bounds as long as no more than so many entries have to be read for them."""
    found, near, read = {}, list[str](), 0
    for one in shown:
        if one.at.full_on is not None:
            found[one.path] = Forecast(one.at.full_on, None, None)
            read += one.at.balance.entries
            near += [one.path] if read <= _MOST_ENTRIES else []
    return found | forecasts(connection, near)


def _row(one: _One, forecast: Forecast | None) -> dict[str, Any]:
    balance = one.at.balance
    return {
        "path": one.path,
        "used": one.share if _sized(one) else None,
        "left": balance.available,
        "balance": balance.balance,
        "posted": balance.posted,
        "pending": balance.pending,
        "attested": balance.attested,
        "credits": balance.credits,
        "limit": balance.limit,
        "trigger": one.trigger,
        "forecast": forecast,
        "range": None if forecast is None else days_between(forecast.earliest, forecast.latest),
        "holds": one.waits.holds,
        "asked": one.waits.tpp,
        "past": one.waits.past,
    }


def _bar(one: _One, steps: Iterable[str | int]) -> Any:
    balance = one.at.balance
    size = balance.limit if balance.limit is not None else one.trigger
    marks = [amount for step in steps if (amount := amount_at(step, balance.limit)) is not None]
    return bar(
        limit=size, posted=balance.posted, pending=balance.pending, attested=balance.attested, credits=balance.credits,
        asked=one.waits.tpp if balance.limit is not None else 0, bounded=False,
        ticks=[amount for amount in marks if balance.limit is not None and amount < balance.limit],
    )  # fmt: skip
