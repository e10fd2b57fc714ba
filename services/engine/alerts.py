"""Quota alerts: raised in the transaction of the entries that cause them."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ledger.registers.accounts import Entry
from ledger.registers.limits import Short
from schemas import accounts
from services.engine.answers import ALERT, Out
from services.engine.context import Turn

QUOTA = "quota.exhausted"


@lru_cache(maxsize=1024)
def _fraction(text: str) -> tuple[int, int]:
    share = Fraction(text)
    return share.numerator, share.denominator


def thresholds(turn: Turn, path: str) -> Sequence[str | int]:
    """Where alerts are raised on an account: as set for it, else for the latest pattern that fits, else by the book."""
    made = turn.journal.limits.thresholds()
    if not made:
        return turn.book.alert_thresholds(path)
    if path in made:
        return made[path]
    fitting = [set_to for pattern, set_to in made.items() if "*" in pattern and accounts.matches(pattern, path)]
    return fitting[-1] if fitting else turn.book.alert_thresholds(path)


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


def raise_alerts(turn: Turn, out: Out, entries: Sequence[Entry], crossed_by: str) -> None:
    """Raises what the entries of one decision or record cause, once for each account however many its entries are."""
    first: dict[str, Entry] = {}
    last: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.account, entry)
        last[entry.account] = entry
    for path, entry in last.items():
        before, balance, limit = first[path].before, entry.balance, entry.known
        if balance > before:
            for threshold in thresholds(turn, path):
                if crossed(threshold, limit, before, balance):
                    _alert(out, path, "threshold", balance, limit, crossed_by, threshold=threshold)
            if limit is not None and limit < balance:
                _alert(out, path, "over_limit", balance, limit, crossed_by)
        elif balance < before:
            replenish(turn, out, path, crossed_by)


def exhaust_all(turn: Turn, out: Out, shorts: Sequence[Short], crossed_by: str) -> None:
    """Raises which accounts refused a debit for want of quota, each once until room comes back."""
    for short in shorts:
        account = turn.journal.accounts.open(short.debit.account)
        if short.debit.code != QUOTA or account.refused:
            continue
        turn.journal.accounts.refuse(account, short.limit)
        _alert(out, account.path, "exhausted", account.balance, short.limit, crossed_by)


def replenish(turn: Turn, out: Out, path: str, crossed_by: str) -> None:
    """Raises that room came back to an account that had refused a debit."""
    account = turn.journal.accounts.find(path)
    if account is None or not account.refused or (account.limit is not None and account.balance >= account.limit):
        return
    turn.journal.accounts.replenish(account)
    waiting = turn.journal.waiting.count(account.path)
    _alert(out, account.path, "replenished", account.balance, account.limit, crossed_by, holds_waiting=waiting)


def _alert(out: Out, path: str, kind: str, balance: int, limit: int | None, crossed_by: str, **more: Any) -> None:
    out.add(
        ALERT,
        path,
        {"account": path, "kind": kind, "balance": balance, "limit": limit, "crossed_by": crossed_by, **more},
    )
