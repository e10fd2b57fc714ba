"""Quota alerts: raised in the transaction of the entries that cause them."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ledger.registers.accounts import Entry
from schemas.event_types import QUOTA_ALERT
from schemas.plan import Short
from services.engine.answers import Answers
from services.engine.context import DecisionContext


@lru_cache(maxsize=1024)
def _fraction(text: str) -> tuple[int, int]:
    share = Fraction(text)
    return share.numerator, share.denominator


def thresholds(context: DecisionContext, path: str) -> Sequence[str | int]:
    """The thresholds of an account: those set for it, else for the latest pattern that matches, else the rulebook's.

    One that is set twice, such as "0.5" and "0.50", counts once.
    """
    made = context.journal.limits.thresholds(path)
    return _distinct(tuple(context.book.alert_thresholds(path) if made is None else made))


@lru_cache(maxsize=1024)
def _distinct(given: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Thresholds without those that repeat an earlier one in other digits."""
    found: dict[object, str | int] = {}
    for step in given:
        found.setdefault(step if isinstance(step, int) else _fraction(step), step)
    return tuple(found.values())


def crossed(threshold: str | int, limit: int | None, before: int, balance: int) -> bool:
    """Whether a balance that rose crossed a threshold: a fraction of the limit, or an amount of TPP.

    >>> crossed("0.8", 100, 79, 80), crossed("0.8", 100, 80, 90), crossed(50, None, 49, 51)
    (True, False, True)
    """
    if isinstance(threshold, int):
        return before < threshold <= balance
    if not limit:
        return False
    part, whole = _fraction(threshold)
    return before * whole < part * limit <= balance * whole


def amount_at(threshold: str | int, limit: int | None) -> int | None:
    """The least balance that has crossed a threshold; None for a fraction where there is no limit.

    >>> amount_at("0.8", 99), amount_at(50, None), amount_at("0.8", None)
    (80, 50, None)
    """
    if isinstance(threshold, int):
        return threshold
    if not limit:
        return None
    part, whole = _fraction(threshold)
    return -(-part * limit // whole)


def raise_alerts(context: DecisionContext, answers: Answers, entries: Sequence[Entry], crossed_by: str) -> None:
    """Raises the alerts that the entries of one decision or record cause, once per account.

    An account that a merger has emptied is no longer one: no room has come back on the survivor's.
    """
    if not entries:
        return
    first: dict[str, Entry] = {}
    last: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.account, entry)
        last[entry.account] = entry
    for path, entry in last.items():
        before, balance, limit = first[path].before, entry.balance, entry.known
        if balance > before:
            for threshold in thresholds(context, path):
                if crossed(threshold, limit, before, balance):
                    _alert(answers, path, "threshold", balance, limit, crossed_by, threshold=threshold)
            if limit is not None and limit < balance:
                _alert(answers, path, "over_limit", balance, limit, crossed_by)
        elif balance < before and context.journal.accounts.path(path) == path:
            replenish(context, answers, path, crossed_by)


def exhaust(context: DecisionContext, answers: Answers, shorts: Sequence[Short], crossed_by: str) -> None:
    """Raises an alert for each account that refused a debit for lack of quota, once until room comes back."""
    ledger = context.journal.accounts
    for short in shorts:
        account = ledger.open(short.debit.account)
        if short.debit.quota and not account.refused:
            ledger.refuse(account, short.limit)
            _alert(answers, account.path, "exhausted", account.balance, short.limit, crossed_by)


def replenish(context: DecisionContext, answers: Answers, path: str, crossed_by: str) -> None:
    """Raises an alert if an account that had refused a debit has room again."""
    account = context.journal.accounts.find(path)
    if account is None or not account.refused or (account.limit is not None and account.balance >= account.limit):
        return
    context.journal.accounts.replenish(account)
    waiting = context.journal.waiting.count(account.path)
    _alert(answers, account.path, "replenished", account.balance, account.limit, crossed_by, holds_waiting=waiting)


def _alert(
    answers: Answers, path: str, kind: str, balance: int, limit: int | None, crossed_by: str, **more: Any
) -> None:
    data = {"account": path, "kind": kind, "balance": balance, "limit": limit, "crossed_by": crossed_by}
    answers.add(QUOTA_ALERT, path, {**data, **more})
