"""Judging a shipment: the law's options against the ledger's balances, and the debits of the first that fits."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import orjson

from ledger.journal import Journal, Tested
from ledger.registers.accounts import Entry
from ledger.registers.shipments import SetAside
from rulebook import Screening
from schemas import accounts
from schemas.kinds import FactKind
from schemas.models.incoming import Requested
from schemas.plan import Case, Debit, Obligation, Option, Reason, Share, Short
from services.engine.context import DecisionContext
from services.engine.parties.namesakes import facts_of


@dataclass(slots=True)
class Judgement:
    """The judgement of law and ledger on a shipment: the option taken with its entries, or the reasons against it.

    `tried`: the options in order, up to the first that fits, each with its short debits. `chosen` fits, as `tested` if
    quotas are; it is taken only if there are no reasons. `owed`: the obligations that it brings. `keys`: under which
    facts were looked up.
    """

    case: Case
    screening: Screening
    tried: list[tuple[Option, list[Short]]] = field(default_factory=list)
    chosen: Option | None = None
    tested: Tested | None = None
    entries: list[Entry] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    owed: list[Obligation] = field(default_factory=list)
    keys: AbstractSet[str] = frozenset()

    @property
    def passes(self) -> bool:
        """Whether the shipment may go."""
        return self.chosen is not None and not self.reasons

    @property
    def shorts(self) -> list[Short]:
        """Every debit that does not fit."""
        return [short for _, shorts in self.tried for short in shorts]


def judge(
    context: DecisionContext,
    asked: Requested,
    reviewed: Sequence[SetAside] = (),
    posted: bool = False,
    named: bool = False,
    explained: bool = True,
    taken: Mapping[int, str] | None = None,
) -> Judgement:
    """Screens a shipment and debits the first option that fits, as pending or, if it has left, as posted.

    `reviewed`: the reasons that reviewers have set aside. A reason is disregarded only if it is the same as when the
    reviewer saw it, or if the rulebook says that it is settled. `named`: whether the
    authorization is one that a reviewer named. `taken`: what covered each line of a shipment that was let go, where no
    other authorization is to be tried. `explained`: whether the reasons are wanted of a shipment that no authorization
    fits; what a reviewer has set aside is compared with them.
    """
    explained = explained or bool(reviewed)
    facts, keys = context.journal.facts.noting(facts_of, context, asked)
    case = Case(asked, facts, named=named, taken=taken)
    result = _reviewed(
        context, case, reviewed, lambda context, case: _tried(context, case, explained), context.book.same
    )
    result.keys = keys
    if result.passes and result.chosen and result.tested:
        day, debits = asked.export_date, result.chosen.debits
        limits, book = context.journal.limits, context.book
        known = {one.account: limits.in_force(one.account, day, book.limit(one.account, day)) for one in debits}
        result.entries = context.journal.take(result.tested, asked.shipment_id, known, posted)
        planned = result.chosen.obligations
        context.journal.facts.load(once_keys(context.journal, planned))
        result.owed = [one for one in planned if _owed(context, one, result.entries)]
    return result


def judge_departure(
    context: DecisionContext,
    asked: Requested,
    reviewed: Sequence[SetAside],
    named: bool,
    taken: Mapping[int, str],
    debited: AbstractSet[str],
) -> Judgement:
    """Screens a shipment that leaves as planned under what it was let go under, by the facts of now.

    No quota is tested and no balance changes: it passes only on accounts that it has `debited`. A reason that reviewers
    set aside stays so if a figure in its facts has moved.
    """
    facts, keys = context.journal.facts.noting(facts_of, context, asked)
    case = Case(asked, facts, named=named, taken=taken)
    result = _reviewed(
        context,
        case,
        reviewed,
        lambda context, case: _standing(context, case, debited),
        partial(context.book.same, lasting=True),
    )
    result.keys = keys
    return result


def _standing(context: DecisionContext, case: Case, debited: AbstractSet[str]) -> Judgement:
    """Screens a case and finds the first open option that tests no account but those debited, or why there is none."""
    screening = context.screen(case)
    result = Judgement(case, screening, [(option, []) for option in screening.options])
    path, elsewhere = context.journal.accounts.path, list[Reason]()
    for option in screening.options:
        if not option.open:
            continue
        others = [
            debit
            for debit in option.debits
            if debit.limit is not None
            and not debit.falls
            and debited.isdisjoint(path(one.account) for one in (debit, *debit.otherwise))
        ]
        if not others:
            result.chosen = option
            break
        elsewhere += [context.book.elsewhere(option, debit) for debit in others]
    result.reasons = list(screening.reasons)
    if result.chosen is None and not screening.stopped:
        result.reasons += _against(context, result, elsewhere)
    return result


def _reviewed(
    context: DecisionContext,
    case: Case,
    reviewed: Sequence[SetAside],
    judge: Callable[[DecisionContext, Case], Judgement],
    same: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
) -> Judgement:
    """The judgement of a case without what reviewers have set aside; `same` are the facts that make a reason the same.

    What is set aside may let further reasons appear that reviewers have seen too.
    """
    if not reviewed:
        return judge(context, case)
    seen = {(one.code, _as_text(same(one.code, one.facts))) for one in reviewed}
    aside = context.book.settled(one.code for one in reviewed)
    while True:
        result = judge(context, replace(case, set_aside=aside))
        reasons = {(reason.code, _as_text(same(reason.code, reason.facts))) for reason in result.reasons}
        more = frozenset(code for code, _ in reasons) - frozenset(code for code, _ in reasons - seen) - aside
        if not more:
            return result
        aside |= more


def _owed(context: DecisionContext, obligation: Obligation, entries: Sequence[Entry]) -> bool:
    """Whether the entries bring the account to the balance of which a duty speaks, and it was not met once before."""
    if obligation.reaches is not None and not _reached(obligation, entries):
        return False
    return not obligation.once or not all(met_once(context, obligation.kind, name) for name in obligation.once)


def _reached(obligation: Obligation, entries: Sequence[Entry]) -> bool:
    path, mark = obligation.reaches or ("", 0)
    return any(
        entry.account == path and (entry.balance == mark if obligation.exactly else entry.balance >= mark)
        for entry in entries
    )


def met_once(context: DecisionContext, kind: str, name: str) -> bool:
    """Whether what one party owes for another only once was met, under whatever name either of them has had."""
    return any(context.journal.facts.used(FactKind.MET, key) for key in _keys(context.journal, kind, name))


def once_keys(journal: Journal, owed: Iterable[Obligation]) -> Iterator[str]:
    """The keys under which it is stated that what these obligations ask only once was met."""
    return (key for one in owed for name in one.once for key in _keys(journal, one.kind, name))


def _keys(journal: Journal, kind: str, name: str) -> list[str]:
    """The keys of what is owed once: the name says the party that owes, the one for which, and what, if it is said."""
    group = journal.parties.group
    by, to, *what = name.split("/")
    return ["/".join((kind, one, other, *what)) for one in group(by) for other in group(to)]


def _tried(context: DecisionContext, case: Case, explained: bool) -> Judgement:
    """Screens a case and finds the first option that fits, or the reasons why none does; changes no balance."""
    screening = context.screen(case)
    result = Judgement(case, screening)
    options, day = context.journal.options, case.asked.export_date
    for planned in screening.options:
        if not planned.open:
            result.tried.append((options.settled(planned, day) if planned.debits else planned, []))
            continue
        tested = options.test(planned, day)
        result.tried.append((tested.option, tested.shorts))
        if not tested.shorts:
            result.chosen, result.tested = tested.option, tested
            break
    result.reasons = list(screening.reasons)
    if explained and result.chosen is None and not screening.stopped:
        result.reasons += _against(context, result)
    return result


def _as_text(facts: Mapping[str, Any]) -> str:
    """Facts as a string; equal facts give equal strings."""
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()


def _against(context: DecisionContext, result: Judgement, more: Sequence[Reason] = ()) -> list[Reason]:
    """Why no option fits, `more` among it; for a claimed authorization, also which others would."""
    day = result.case.asked.export_date
    explanation = context.book.explain(result.screening, *_left(context, result))
    reasons = list(explanation.barriers)
    for (option, shorts), closed in zip(result.tried, explanation.closed, strict=True):
        reasons += [_shortage(context, result, option, short) for short in shorts] or closed
    reasons += [*more, *explanation.refusal]
    test = context.journal.options.test
    fitting = [option.authorization for option in explanation.alternatives if not test(option, day).shorts]
    others = list(dict.fromkeys(fitting))
    return _distinct([_naming(reason, others) for reason in reasons] if others else reasons)


def _left(context: DecisionContext, result: Judgement) -> tuple[int | None, int | None]:
    """TPP left of the account on which the policy of review depends, and its limit; None where it depends on none."""
    if (allocation := result.screening.allocation) is None:
        return None, None
    path, of_law = allocation
    limit = context.journal.limits.in_force(path, result.case.asked.export_date, of_law)
    return (max(0, limit - context.journal.accounts.balance(path)), limit) if isinstance(limit, int) else (None, None)


def _naming(reason: Reason, others: list[str]) -> Reason:
    message = f"{reason.message} {', '.join(others)} would fit instead."
    return Reason(reason.code, reason.citation, message, {**reason.facts, "others": others})


def _distinct(reasons: list[Reason]) -> list[Reason]:
    """Reasons without those of the same code and facts as a later one; facts are compared only where codes repeat."""
    if len(reasons) < 2 or len({reason.code for reason in reasons}) == len(reasons):
        return reasons
    return list({(reason.code, _as_text(reason.facts)): reason for reason in reasons}.values())


def _shortage(context: DecisionContext, result: Judgement, option: Option, short: Short) -> Reason:
    """The reason for one account that has no room."""
    debit = short.debit
    later = _fits_from(context, debit, abs(debit.amount), result.case.asked.export_date)
    return context.book.shortage(result.screening, option, short, context.journal.accounts.path(debit.account), later)


def _fits_from(context: DecisionContext, debit: Debit, asked: int, day: date) -> date | None:
    """The first later day on which the whole debit fits, if known: a new year or quarter, or a new limit."""
    if debit.floor or isinstance(debit.limit, Share):
        return None
    ledger, limits = context.journal.accounts, context.journal.limits
    path = ledger.path(debit.account)
    found = []
    for first, account, of_law in context.book.openings(debit.account, day):
        limit = limits.in_force(account, first, of_law)
        if isinstance(limit, int) and ledger.balance(account) + asked <= limit:
            found.append(first)
            break
    for made in limits.of(path):
        if made.data.valid_from > day and accounts.within(path, made.data.valid_from):
            limit = limits.in_force(path, made.data.valid_from, debit.limit)
            if isinstance(limit, int) and ledger.balance(path) + asked <= limit:
                found.append(made.data.valid_from)
    return min(found, default=None)
