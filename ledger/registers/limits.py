"""Whether debits fit: integers in, integers out, no database."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from schemas.plan import Debit, Share, Short


def after(debits: Sequence[Debit], balances: Mapping[str, int]) -> dict[str, int]:
    """The balance of each debited account after every debit of the option."""
    result: dict[str, int] = {}
    for debit in debits:
        result[debit.account] = result.get(debit.account, balances[debit.account]) + debit.amount
    return result


def limit_value(limit: int | Share | None, balances: Mapping[str, int]) -> int | None:
    """A limit in TPP, a share rounded down. `balances` are those after the debits.

    >>> limit_value(Share(25, "uveu/H/total"), {"uveu/H/total": 1_001})
    250
    >>> limit_value(Share(25, "uveu/H/total", most=200), {"uveu/H/total": 1_001})
    200
    """
    if isinstance(limit, Share):
        share = limit.percent * balances[limit.of] // 100
        return share if limit.most is None else min(share, limit.most)
    return limit


def lower(of_house: int, of_law: int | Share | None) -> int | Share:
    """The limit where the house has set one beside the law's: the lower holds.

    >>> lower(30, 20), lower(10, 20), lower(10, None)
    (20, 10, 10)
    """
    if isinstance(of_law, Share):
        return of_law._replace(most=of_house)
    return of_house if of_law is None else min(of_house, of_law)


def shortfalls(
    debits: Sequence[Debit],
    balances: Mapping[str, int],
    limits: Mapping[str, int | Share | None],
    removable: Mapping[str, int] = MappingProxyType({}),
) -> list[Short]:
    """The debits that would exceed their limit or take their account below zero; empty if all fit.

    `balances` are those before the option, of every debited account and of the accounts of which its limits are shares;
    `limits` are those in force, by account; `removable` is what has arrived at a facility and may leave it. A share may
    reach exactly its percentage (Supplement No. 10 to part 748, paragraph 6).

    >>> debit = Debit("lpp/CON-70/2025", 26_914_400, 26_900_000, "15 CFR 740.29(d)")
    >>> [short.short_by for short in shortfalls([debit], {debit.account: 0}, {debit.account: 26_900_000})]
    [14400]
    """
    later = dict(balances)
    later.update(after(debits, balances))
    found = []
    for debit in debits:
        before, now = balances[debit.account], later[debit.account]
        limit = limits[debit.account]
        if debit.floor and -debit.amount > removable[debit.account]:
            available = max(0, removable[debit.account])
            found.append(Short(debit, 0, before, available, -debit.amount - available, available))
        elif limit is not None and debit.amount > 0:
            value = limit_value(limit, later)
            if value is not None and now > value:
                available = max(0, value - before)
                most = _most_of_share(limit, before, balances[limit.of]) if isinstance(limit, Share) else available
                found.append(Short(debit, value, before, available, debit.amount - available, most))
    return found


def _most_of_share(share: Share, part: int, whole: int) -> int:
    """The most that can be added to part and whole: `100 * (part + x) <= percent * (whole + x)`."""
    if share.percent >= 100:
        return 0
    most = (share.percent * whole - 100 * part) // (100 - share.percent)
    return max(0, most if share.most is None else min(most, share.most - part))
