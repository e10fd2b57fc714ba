"""Judging a shipment: the law's options against the ledger's balances, and the debits of the first that fits."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import orjson

from ledger.registers.accounts import Entry
from ledger.registers.limits import Short
from ledger.registers.shipments import SetAside
from schemas import accounts
from schemas.models.incoming import Requested
from schemas.plan import Case, Debit, Option, Reason, Share
from services.engine.context import Turn

if TYPE_CHECKING:
    from rulebook.screening.book import Screening

SHARE = "veu.share_exceeded"


@dataclass(slots=True)
class Judgement:
    """What law and ledger say of a shipment: the option taken with its entries, or the reasons why none was.

    `tried`: the options in order, each with what was short, until one fitted. `chosen` fits; it was taken only where no
    reason stands against it.
    """

    case: Case
    screening: "Screening"
    tried: list[tuple[Option, list[Short]]] = field(default_factory=list)
    chosen: Option | None = None
    entries: list[Entry] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    @property
    def passes(self) -> bool:
        """Whether the shipment may go."""
        return self.chosen is not None and not self.reasons

    @property
    def shorts(self) -> list[Short]:
        """Every debit that found no room."""
        return [short for _, shorts in self.tried for short in shorts]


def judge(turn: Turn, asked: Requested, reviewed: Sequence[SetAside] = (), posted: bool = False) -> Judgement:
    """Screens a shipment and debits the first option that fits, as pending or, where it has left, as posted.

    `reviewed`: the reasons that reviewers have set aside. A reason is passed over only
    where it stands now just as the reviewer saw it; of the shares of a validated end-user the account alone decides.
    """
    facts = turn.journal.parties.about(asked)
    seen = {(one.code, dumps_sorted(one.facts)) for one in reviewed}
    aside = frozenset(one.code for one in reviewed if one.code == SHARE)
    while True:
        result = _tried(turn, Case(asked, facts, aside))
        more = _agreed(result.reasons, seen) - aside if seen else frozenset()
        if not more:
            break
        aside |= more
    if result.passes and result.chosen:
        day, debits = asked.export_date, result.chosen.debits
        limits, book = turn.journal.limits, turn.book
        known = {one.account: limits.in_force(one.account, day, book.limit(one.account, day)) for one in debits}
        result.entries = turn.journal.take(result.chosen, asked.shipment_id, day, known, posted)
    return result


def _agreed(reasons: Sequence[Reason], seen: AbstractSet[tuple[str, str]]) -> frozenset[str]:
    """The codes of which every reason was seen by a reviewer as it stands."""
    unseen = {reason.code for reason in reasons if (reason.code, dumps_sorted(reason.facts)) not in seen}
    return frozenset(reason.code for reason in reasons) - unseen


def _tried(turn: Turn, case: Case) -> Judgement:
    """Screens a case and finds the first option that fits, or the reasons why none does; nothing is moved."""
    screening = turn.book.screen(case)
    result = Judgement(case, screening)
    for option in screening.options:
        shorts = turn.journal.short(option, case.asked.export_date) if option.open else []
        result.tried.append((option, shorts))
        if option.open and not shorts:
            result.chosen = option
            break
    result.reasons = list(screening.reasons)
    if result.chosen is None and not screening.stopped:
        result.reasons += _against(turn, result)
    return result


def dumps_sorted(facts: Mapping[str, Any]) -> str:
    """Facts as a text that is equal where they are."""
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()


def _against(turn: Turn, result: Judgement) -> list[Reason]:
    """Why nothing fits: the reasons of the claimed authorization, else what is lacking and that a licence is needed."""
    screening, book, case = result.screening, turn.book, result.case
    reasons: list[Reason] = []
    claimed = case.asked.authorization is not None
    for option, shorts in result.tried:
        if shorts:
            reasons += [short_reason(turn, result, option, short) for short in shorts]
        elif not option.open:
            reasons += book.reasons(option) if claimed else book.lacking(option)
    if claimed:
        others = [
            option.authorization
            for option in book.alternatives(case, screening)
            if not turn.journal.short(option, case.asked.export_date)
        ]
        reasons = reasons if result.tried else list(screening.closed)
        return _distinct([_naming(reason, list(dict.fromkeys(others))) for reason in reasons])
    wanted = book.allocation(case, screening)
    available = None
    if wanted is not None:
        path, of_law = wanted
        limit = turn.journal.limits.in_force(path, case.asked.export_date, of_law)
        available = max(0, limit - turn.journal.accounts.balance(path)) if isinstance(limit, int) else None
    refusal = book.refusal(case, screening, available)
    undecided = book.undecided(case, screening)
    closed = [reason for reason in screening.closed if reason.code != refusal.code]
    return _distinct([*closed, *reasons, *([undecided] if undecided else []), refusal])


def _naming(reason: Reason, others: list[str]) -> Reason:
    if not others:
        return reason
    message = f"{reason.message} {', '.join(others)} would fit."
    return Reason(reason.code, reason.citation, message, {**reason.facts, "others": others})


def _distinct(reasons: Sequence[Reason]) -> list[Reason]:
    return list({(reason.code, dumps_sorted(reason.facts)): reason for reason in reasons}.values())


def short_reason(turn: Turn, result: Judgement, option: Option, short: Short) -> Reason:
    """The reason of one account that has no room, with what would fit and from when."""
    debit, asked = short.debit, abs(short.debit.amount)
    facts: dict[str, Any] = {
        "account": turn.journal.accounts.path(debit.account),
        "asked": asked,
        "available": short.available,
        "short_by": short.short_by,
        "limit": short.limit,
        "balance": short.balance,
    }
    message = (
        f"{facts['account']} has {short.available:,} TPP available and {asked:,} are asked: "
        f"{short.short_by:,} too many ({short.balance:,} of {short.limit:,} used)."
        if not debit.floor
        else f"{asked:,} TPP are to leave facility {debit.account.partition('/')[2]}, {short.available:,} are in it: "
        f"{short.short_by:,} too many."
    )
    counted = [line for line in result.screening.lines if line.tpp and _counts(option, debit, line.line)]
    if len(counted) == 1 and counted[0].unit_tpp:
        fits = short.most // counted[0].unit_tpp
        facts["fits"] = fits
        message += f" At most {fits:,} units of line {counted[0].line} fit."
    later = fits_from(turn, debit, asked, result.case.asked.export_date)
    if later is not None:
        facts["fits_from"] = later.isoformat()
        message += f" All of it fits from {later.isoformat()}."
    return Reason(debit.code, debit.cites, message, facts)


def _counts(option: Option, debit: Debit, line: int) -> bool:
    family = debit.account.partition("/")[0]
    if family in ("nveu", "uveu") or debit.amount < 0:
        return True
    return option.lines.get(line) == option.authorization


def fits_from(turn: Turn, debit: Debit, asked: int, day: date) -> date | None:
    """The first later day on which the whole debit fits by itself, if known: a new year or quarter, a limit set."""
    if debit.floor or isinstance(debit.limit, Share):
        return None
    limits, balance = turn.journal.limits, turn.journal.accounts.balance
    path = turn.journal.accounts.path(debit.account)
    found = []
    for first, account, of_law in turn.book.openings(debit.account, day):
        limit = limits.in_force(account, first, of_law)
        if isinstance(limit, int) and balance(account) + asked <= limit:
            found.append(first)
            break
    year = (accounts.read(path) or accounts.Account("")).year
    for made in (fact.data for fact in limits.of(path)):
        if made.valid_from > day and (not year or str(made.valid_from.year) == year):
            limit = limits.in_force(path, made.valid_from, debit.limit)
            if isinstance(limit, int) and balance(path) + asked <= limit:
                found.append(made.valid_from)
    return min(found, default=None)
