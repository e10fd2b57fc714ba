"""15 CFR part 744: prohibited end uses and users, listed parties, and how their applications are reviewed."""

from typing import Any

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from schemas.codes import Result
from schemas.plan import Hit

MOST_TOLD = 50
"""How many hits of names a decision tells, and at most how many of what ended."""
_STRICTEST_LAST = ("presumption_of_approval", "case_by_case", "presumption_of_denial", "policy_of_denial")


def _uses(shipment: Shipment) -> str:
    return ", ".join(shipment.asked.part_744_uses)


@provision("15 CFR part 744", row="4 part 744", code="end_use.prohibited", kind="gate")
def end_use(shipment: Shipment, law: Law) -> Verdict:
    """A prohibited end use or user closes every exception, VEU and NLR; only a licence stays open."""
    uses = shipment.asked.part_744_uses
    if not uses:
        return met(f"no part 744 end use is declared; the end use is {shipment.asked.end_use}")
    sections = ", ".join(dict.fromkeys(law.period.policies[use][1] for use in uses))
    policy = policies.test(shipment, law, None)
    return not_met(
        f"declared: {_uses(shipment)} ({sections}); only a licence is open",
        {"uses": list(uses), "review_policy": policy},
    )


def leaves(shipment: Shipment, law: Law) -> frozenset[str]:
    """What stays open for a prohibited end use or user."""
    return frozenset({"LICENSE"})


@provision("15 CFR part 744", row="6.0", kind="policy")
def policies(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """The strictest of part 744's own policies for the declared uses; none where no use is declared."""
    found = [law.period.policies[use][0] for use in shipment.asked.part_744_uses]
    return max(found, key=_STRICTEST_LAST.index) if found else None


def stricter(shipment: Shipment, law: Law, policy: str) -> tuple[str, str]:
    """A policy of review, or that of part 744 where it is stricter, then with the section that says so; else empty."""
    own = policies.test(shipment, law, None)
    if own is None or _STRICTEST_LAST.index(own) <= _STRICTEST_LAST.index(policy):
        return policy, ""
    for use in shipment.asked.part_744_uses:
        found, citation = law.period.policies[use]
        if found == own:
            return own, citation
    raise LookupError(own)


@provision("15 CFR 740.29(e)", row="LPP 5", code="end_use.prohibited", of_route=True)
def lpp_end_use(route: Route, law: Law) -> Verdict:
    """LPP is not for an end use or end user prohibited under part 744."""
    return _undeclared(route)


@provision("15 CFR 740.8(b)", row="ACA 4", code="end_use.prohibited", of_route=True)
def aca_end_use(route: Route, law: Law) -> Verdict:
    """ACA and NAC are closed where part 744 asks for a licence, 744.23(a)(3) apart; part 744 closes them before."""
    return _undeclared(route)


def _undeclared(route: Route) -> Verdict:
    if route.uses:
        return not_met(f"declared: {', '.join(route.uses)}")
    return met("no part 744 end use is declared")


@provision(
    "15 CFR part 744, restricted-party lists", row="4 lists", code="party.screening_hit", kind="gate", of_route=True
)
def listed(route: Route, law: Law) -> Verdict | Test:
    """No party resembles an entry of a list in force of which it was not cleared."""
    if route.given.lists:
        return _searched
    return not_applicable("no restricted-party list is loaded: the parties were not screened")


def _searched(shipment: Shipment, law: Law) -> list[Verdict]:
    facts = shipment.facts
    found = [not_met(resembles(hit), told(hit), cites=hit.citation) for hit in facts.hits[:MOST_TOLD]]
    found += untold(len(facts.hits) - MOST_TOLD)
    if not found:
        searched = ", ".join(f"{one.name} {one.version}" for one in facts.lists)
        found.append(met(f"no party resembles an entry of {searched}"))
    return [*found, *(not_applicable(_over(hit)) for hit in facts.over[:MOST_TOLD])]


def untold(more: int) -> list[Verdict]:
    """What stands for further hits where `more` is above 0: no reviewer has seen them, and none releases them.

    A decision has to stay small enough to be published, however many parties a shipment names.
    """
    if more <= 0:
        return []
    detail = f"parties or their owners resemble {more:,} more entries: clear or correct those that are told first"
    return [not_met(detail, {"untold": more})]


def resembles(hit: Hit) -> str:
    """Who resembles whom, by how much, and what the entry asks for."""
    of = f"entry {hit.entry} of the list {hit.list} {hit.version}"
    alias = "" if hit.matched == hit.listed else f", also known as {hit.matched}"
    text = f"{hit.name} ({hit.party}), the {hit.role}, resembles {hit.listed}{alias}, {of}, with a score of {hit.score}"
    if hit.cleared_for is not None:
        text += f"; {hit.cleared_for}, of the same name, was cleared"
    if hit.requirement:
        text += f"; licence requirement: {hit.requirement.rstrip('.')}"
    if hit.policy:
        text += f"; review policy: {hit.policy.rstrip('.')}"
    return text


def told(hit: Hit) -> dict[str, Any]:
    """The figures and names of a hit."""
    facts: dict[str, Any] = {
        "party": hit.party,
        "role": hit.role,
        "name": hit.name,
        "list": hit.list,
        "version": hit.version,
        "entry": hit.entry,
        "listed_name": hit.listed,
        "matched_alias": hit.matched,
        "listed_countries": list(hit.countries),
        "score": hit.score,
        "threshold": hit.threshold,
        "country_agrees": hit.country_agrees,
        "country_points": hit.country_points,
        "address_points": hit.address_points,
        "explanation": [{"asked": a, "listed": b, "score": score} for a, b, score in hit.explanation],
        "content": hit.content,
    }
    return facts if hit.cleared_for is None else {**facts, "cleared_for": hit.cleared_for}


def _over(hit: Hit) -> str:
    return (
        f"{hit.name} ({hit.party}) resembles {hit.listed}, entry {hit.entry} of the list {hit.list} {hit.version}, "
        f"which ended on {hit.ended}"
    )


@provision("15 CFR part 744, restricted-party lists", row="4 lists age", kind="gate", of_route=True)
def list_age(route: Route, law: Law) -> Test | None:
    """Whether a list is older than the house allows: a finding, since a list of before holds by what it says."""
    return _stale if route.given.lists else None


def _stale(shipment: Shipment, law: Law) -> list[Verdict] | None:
    stale = [
        f"the list {one.name} {one.version} is {one.age} days old, more than the {one.max_age} that were set"
        for one in shipment.facts.lists
        if one.stale
    ]
    return [Verdict(Result.UNKNOWN, detail) for detail in stale] or None
