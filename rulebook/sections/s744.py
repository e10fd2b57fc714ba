"""15 CFR part 744: prohibited end uses and users, and listed parties."""

from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment


def _uses(shipment: Shipment) -> str:
    return ", ".join(shipment.asked.part_744_uses)


@provision("15 CFR part 744", row="4 part 744", code="end_use.prohibited", kind="gate")
def end_use(shipment: Shipment, law: Law) -> Verdict:
    """A prohibited end use or user closes every exception, VEU and NLR; only a licence stays open."""
    if shipment.asked.part_744_uses:
        return not_met(
            f"declared: {_uses(shipment)}; only a licence is open", {"uses": list(shipment.asked.part_744_uses)}
        )
    return met(f"no part 744 end use is declared; the end use is {shipment.asked.end_use}")


def leaves(shipment: Shipment, law: Law) -> frozenset[str]:
    """What stays open for a prohibited end use or user."""
    return frozenset({"LICENSE"})


@provision("15 CFR 740.29(e)", row="LPP 5", code="end_use.prohibited")
def lpp_end_use(shipment: Shipment, law: Law) -> Verdict:
    """LPP is not for an end use or end user prohibited under part 744."""
    return (
        not_met(f"declared: {_uses(shipment)}")
        if shipment.asked.part_744_uses
        else met("no part 744 end use is declared")
    )


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
