"""What every authorization is made of: covered lines, debits, duties and the papers that it asks for."""

import calendar
from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache

from rulebook.law.law import Law
from rulebook.law.provisions import Kept, Verdict, all_open, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from schemas.plan import NOTHING, Debit, Finding, Line, Obligation, Option, of_fields

_SHOWN = 5
_UNDECIDED = frozenset({"technology", "undecided"})
_GRANTS = frozenset({"ACA", "AIA", "ACM", "VEU", "LPP", "NAC", "LICENSE", "SAVING", "NOT_YET_REQUIRED"})
_MISSING = "certification.missing"
_EXPIRED = "certification.expired"


@provision("15 CFR 758.1(g)", row="5 needed")
def needed(shipment: Shipment, law: Law | None, kind: str = "LPP") -> Verdict | None:
    """An authorization is claimed only where a line needs a licence; a licence that is not needed is not a fault."""
    if shipment.needing or kind not in _GRANTS:
        return None
    if shipment.domestic:
        said = "nothing is exported, so that no authorization is needed"
        return not_applicable(said) if kind == "LICENSE" else not_met(said)
    if any(line.level in _UNDECIDED for line in shipment.lines):
        said = "whether a line needs a licence is not decided"
        return not_applicable(said) if kind == "LICENSE" else not_met(said)
    technology = [line for line in shipment.lines if line.software]
    said = f"{named(technology)}: this book asks no licence for it" if technology else "no line needs a licence"
    return not_applicable(f"the licence is not needed: {said}") if kind == "LICENSE" else not_met(said)


def plan(
    shipment: Shipment,
    kind: str,
    findings: tuple[Finding, ...],
    own: Callable[[], tuple[Debit, ...]] = tuple,
    duties: Callable[[], tuple[Obligation, ...]] = tuple,
    reference: str | None = None,
    apply_to: str | None = None,
) -> Option:
    """An option that covers the lines in need; its own debits first, then those that any authorization brings.

    A debit of nothing is left out. Where the findings are not all open, nothing is planned, and `own` and `duties` are
    not called; an option that a route closes by itself is the same object for all shipments on it.
    """
    if not shipment.needing and (said := needed.test(shipment, None, kind)) is not None:
        found = needed.finding(said)
        findings = (*findings, found) if found.open else (found,)
    kept = findings if isinstance(findings, Kept) and reference is apply_to is None else None
    if kept is not None and kept.option is not None:
        return kept.option
    if not all_open(findings):
        closed = of_fields(Option, (kind, findings, NOTHING, (), (), reference, apply_to))
        if kept is not None:
            kept.option = closed
        return closed
    planned = own()
    debits = tuple([debit for debit in planned if debit.amount or debit.falls])
    if shipment.base:
        taken = {debit.account for debit in planned}
        debits += tuple(debit for debit in shipment.base if debit.floor or debit.account not in taken)
    covered, owed = shipment.covered_by(kind), () if shipment.brief else duties()
    return of_fields(Option, (kind, findings, covered, debits, owed, reference, apply_to))


def duty(
    shipment: Shipment,
    law: Law,
    kind: str,
    due: date,
    party: str | None = None,
    reaches: tuple[str, int] | None = None,
    exactly: bool = False,
    once: tuple[str, ...] = (),
    cites: str = "",
) -> Obligation:
    """An obligation as the book's notices describe it; `cites` where another paragraph asks for it than they say."""
    template = law.worked_out.get(("notice", kind))
    if template is None:
        notice = law.period.notices[kind]
        template = notice["citation"], {name: notice[name] for name in ("what", "to", "subject") if name in notice}
        law.remember(("notice", kind), template)
    citation, contents = template
    words = {**contents, "shipment": shipment.in_words()}
    return of_fields(Obligation, (kind, due, cites or citation, words, party, reaches, exactly, once))


def once_for_each(shipment: Shipment, *more: str) -> tuple[str, ...]:
    """The names of what this exporter owes this ultimate consignee once: one, or one for each word of `more`."""
    one = shipment.facts.one
    pair = f"{one(shipment.asked.exporter.id)}/{one(shipment.consignee.id)}"
    return tuple(f"{pair}/{word}" for word in dict.fromkeys(more)) or (pair,)


def record_retention(shipment: Shipment, law: Law, authorization: str = "") -> Obligation:
    """Records are kept five years from the export; the book says under which paragraph of an authorization."""
    months = 12 * law.amount("record_retention_years")
    cites: str = law.period.notices["record_retention"].get("citations", {}).get(authorization, "")
    return duty(shipment, law, "record_retention", months_after(shipment.day, months), cites=cites)


@lru_cache(maxsize=4096)
def months_after(day: date, months: int) -> date:
    """The same day so many months later; the last of that month where it has no such day.

    >>> months_after(date(2025, 8, 31), 6)
    datetime.date(2026, 2, 28)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def statement(
    shipment: Shipment,
    kind: str,
    parties: Iterable[str],
    name: str,
    this_year: bool = False,
    facility: str | None = None,
) -> Verdict:
    """Whether a statement of `kind` by one of these parties is in force on the export date.

    `this_year`: whether it speaks of its own calendar year only. `facility`: the one that it must speak of.
    """
    day = shipment.day
    ids = tuple(parties)
    found = shipment.certifications(kind, ids)
    facts = {"kind": kind, "party": ids[0], "needed_by": day.isoformat()}
    if facility is not None:
        found = [one for one in found if one.facility == facility]
    if not found:
        return not_met(f"no {kind} of {name} is on file; one dated {day} or earlier is needed", facts, _MISSING)
    valid = [
        one
        for one in found
        if one.date <= day
        and (one.valid_until is None or one.valid_until >= day)
        and (not this_year or one.date.year == day.year)
    ]
    if valid:
        best = valid[0] if len(valid) == 1 else max(valid, key=lambda one: one.date)
        return met(f"{kind} {best.reference} of {name}, dated {best.date}")
    start = f"the {kind} of {name}"
    old_enough = [one for one in found if one.date <= day]
    if not old_enough:
        first = min(one.date for one in found)
        detail = f"{start} is dated {first}, later than {day}; the shipment may leave from {first}"
        return not_met(detail, facts | {"possible_from": first.isoformat()}, _MISSING)
    newest = max(old_enough, key=lambda one: one.date)
    if newest.valid_until is not None and newest.valid_until < day:
        return not_met(f"{start} was valid until {newest.valid_until}, not on {day}", facts, _EXPIRED)
    detail = f"{start} is dated {newest.date} and counts for {newest.date.year}, not for {day.year}"
    return not_met(detail, facts, _EXPIRED)


def named(lines: Iterable[Line]) -> str:
    """Lines with their ECCNs, as findings name them: `line 1 (3A090.a)`."""
    each = [f"line {line.line} ({line.eccn})" for line in lines]
    more = len(each) - _SHOWN
    return ", ".join(each) if more <= 0 else f"{', '.join(each[:_SHOWN])} and {more} more"
