"""15 CFR part 744: prohibited end uses and users, listed parties, and how their applications are reviewed."""

from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment

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


@provision("15 CFR 740.29(e)", row="LPP 5", code="end_use.prohibited")
def lpp_end_use(shipment: Shipment, law: Law) -> Verdict:
    """LPP is not for an end use or end user prohibited under part 744."""
    return _undeclared(shipment)


@provision("15 CFR 740.8(b)", row="ACA 4", code="end_use.prohibited")
def aca_end_use(shipment: Shipment, law: Law) -> Verdict:
    """ACA and NAC are closed where part 744 asks for a licence, 744.23(a)(3) apart; part 744 closes them before."""
    return _undeclared(shipment)


def _undeclared(shipment: Shipment) -> Verdict:
    if shipment.asked.part_744_uses:
        return not_met(f"declared: {_uses(shipment)}")
    return met("no part 744 end use is declared")


@provision("15 CFR part 744, restricted-party lists", row="4 lists", code="party.screening_hit", kind="gate")
def listed(shipment: Shipment, law: Law) -> Verdict | list[Verdict]:
    """No party resembles a listed one that was not cleared."""
    facts = shipment.facts
    if facts.hits:
        return [
            not_met(
                f"{hit.name} ({hit.party}) resembles {hit.listed}, entry {hit.entry} of {hit.list}, by {hit.score}",
                {
                    "party": hit.party,
                    "name": hit.name,
                    "list": hit.list,
                    "entry": hit.entry,
                    "listed": hit.listed,
                    "score": str(hit.score),
                },
            )
            for hit in facts.hits
        ]
    if not facts.lists:
        return not_applicable("no restricted-party list is loaded: the parties were not screened")
    return met(f"no party resembles an entry of {', '.join(facts.lists)}")
