"""Judging a shipment: the law's options against the ledger's balances, and the debits of the first that fits."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from ledger.registers.accounts import Entry
from rulebook import Screening
from schemas import accounts
from schemas.models.incoming import Requested
from schemas.plan import Case, Debit, Obligation, Option, Reason, Share, Short
from services.engine.context import Turn


@dataclass(slots=True)
class Judgement:
    """What law and ledger say of a shipment: the option taken with its entries, or the reasons why none was.

    `tried`: the options in order, each with what was short, until one fitted. `chosen` fits; it was taken only where no
    reason stands against it. `owed`: what it then obliges to.
    """

    case: Case
    screening: Screening
    tried: list[tuple[Option, list[Short]]] = field(default_factory=list)
    chosen: Option | None = None
    entries: list[Entry] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    owed: list[Obligation] = field(default_factory=list)

    @property
    def passes(self) -> bool:
        """Whether the shipment may go."""
        return self.chosen is not None and not self.reasons

    @property
    def shorts(self) -> list[Short]:
        """Every debit that found no room."""
        return [short for _, shorts in self.tried for short in shorts]


def judge(turn: Turn, asked: Requested, reviewed: Sequence[Sequence[Any]] = (), posted: bool = False) -> Judgement:
    """Screens a shipment and debits the first option that fits, as pending or, where it has left, as posted.

    `reviewed`: the reasons, each a code with its facts, that reviewers have set aside. A reason is passed over only
    where it stands now just as the reviewer saw it, or where the book says that it is settled.
    """
    facts = turn.journal.facts.about(asked)
    seen = {(code, _as_text(facts)) for code, facts in reviewed}
    aside = turn.book.settled(code for code, _ in reviewed)
    while True:
        result = _tried(turn, Case(asked, facts, aside))
        more = _agreed(result.reasons, seen) - aside if seen else frozenset()
        if not more:
            break
        aside |= more
    if result.passes and result.chosen:
        day, debits = asked.export_date, result.chosen.debits
        known = {one.account: turn.journal.limit(one.account, day, turn.book.limit(one.account, day)) for one in debits}
        result.entries = turn.journal.take(result.chosen, asked.shipment_id, day, known, posted)
        planned = result.chosen.obligations
        turn.journal.facts.load(key for one in planned for names in one.once for key in _keys(one.kind, names))
        result.owed = [one for one in planned if _owed(turn, one, result.entries)]
    return result


def _owed(turn: Turn, obligation: Obligation, entries: Sequence[Entry]) -> bool:
    """Whether the entries bring the account to the balance of which a duty speaks, and it was not met once before."""
    if obligation.reaches is not None and not _reached(obligation, entries):
        return False
    return not obligation.once or not all(_met(turn, obligation.kind, names) for names in obligation.once)


def _reached(obligation: Obligation, entries: Sequence[Entry]) -> bool:
    path, mark = obligation.reaches or ("", 0)
    return any(
        entry.account == path and (entry.balance == mark if obligation.exactly else entry.balance >= mark)
        for entry in entries
    )


def _met(turn: Turn, kind: str, names: Sequence[str]) -> bool:
    """Whether what needs to be met only once was met, under one of its names."""
    stated = [n for key in _keys(kind, names) for n, _ in turn.journal.facts.of("met", key)]
    turn.journal.used.update(stated)
    return bool(stated)


def _keys(kind: str, names: Sequence[str]) -> list[str]:
    return [f"{kind}/{name}" for name in names]


def _agreed(reasons: Sequence[Reason], seen: AbstractSet[tuple[str, str]]) -> frozenset[str]:
    """The codes of which every reason was seen by a reviewer as it stands."""
    unseen = {reason.code for reason in reasons if (reason.code, _as_text(reason.facts)) not in seen}
    return frozenset(reason.code for reason in reasons) - unseen


def _tried(turn: Turn, case: Case) -> Judgement:
    """Screens a case and finds the first option that fits, or the reasons why none does; nothing is moved."""
    screening = turn.book.screen(case)
    result = Judgement(case, screening)
    for planned in screening.options:
        option = turn.journal.settled(planned, case.asked.export_date)
        shorts = turn.journal.short(option, case.asked.export_date) if option.open else []
        result.tried.append((option, shorts))
        if option.open and not shorts:
            result.chosen = option
            break
    result.reasons = list(screening.reasons)
    if result.chosen is None and not screening.stopped:
        result.reasons += _against(turn, result)
    return result


def _as_text(facts: Mapping[str, Any]) -> str:
    """Facts as a text that is equal where they are."""
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()


def _against(turn: Turn, result: Judgement) -> list[Reason]:
    """Why nothing fits, with the claimed shipment's other authorizations that would."""
    day = result.case.asked.export_date
    explanation = turn.book.explain(result.screening, _available(turn, result))
    reasons = list(explanation.barriers)
    for (option, shorts), closed in zip(result.tried, explanation.closed, strict=True):
        reasons += [_shortage(turn, result, option, short) for short in shorts] or closed
    reasons += explanation.refusal
    fitting = [option.authorization for option in explanation.alternatives if not turn.journal.short(option, day)]
    return _distinct([_naming(reason, list(dict.fromkeys(fitting))) for reason in reasons])


def _available(turn: Turn, result: Judgement) -> int | None:
    """TPP left of the account on which the policy of review depends; None where it depends on none."""
    if result.case.asked.authorization is not None or (allocation := result.screening.allocation) is None:
        return None
    path, of_law = allocation
    limit = turn.journal.limit(path, result.case.asked.export_date, of_law)
    return max(0, limit - turn.journal.balance(path)) if isinstance(limit, int) else None


def _naming(reason: Reason, others: list[str]) -> Reason:
    if not others:
        return reason
    message = f"{reason.message} {', '.join(others)} would fit."
    return Reason(reason.code, reason.citation, message, {**reason.facts, "others": others})


def _distinct(reasons: Sequence[Reason]) -> list[Reason]:
    return list({(reason.code, _as_text(reason.facts)): reason for reason in reasons}.values())


def _shortage(turn: Turn, result: Judgement, option: Option, short: Short) -> Reason:
    """The reason of one account that has no room."""
    debit = short.debit
    later = _fits_from(turn, debit, abs(debit.amount), result.case.asked.export_date)
    return turn.book.shortage(result.screening, option, short, turn.journal.path(debit.account), later)


def _fits_from(turn: Turn, debit: Debit, asked: int, day: date) -> date | None:
    """The first later day on which the whole debit fits by itself, if known: a new year or quarter, a limit set."""
    if debit.floor or isinstance(debit.limit, Share):
        return None
    journal = turn.journal
    path = journal.path(debit.account)
    found = []
    for first, account, of_law in turn.book.openings(debit.account, day):
        limit = journal.limit(account, first, of_law)
        if isinstance(limit, int) and journal.balance(account) + asked <= limit:
            found.append(first)
            break
    for _, made in journal.facts.limits(path):
        if made.valid_from > day and accounts.within(path, made.valid_from):
            limit = journal.limit(path, made.valid_from, debit.limit)
            if isinstance(limit, int) and journal.balance(path) + asked <= limit:
                found.append(made.valid_from)
    return min(found, default=None)
