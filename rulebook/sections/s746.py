"""15 CFR part 746: embargoes and the wide controls on Russia and Belarus; not modelled, so a reviewer decides."""

from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, met, not_met, provision, unknown
from rulebook.law.shipment import Shipment


def _undecided(shipment: Shipment, law: Law) -> Verdict:
    listed = law.members("part_746")
    found = [place for place in shipment.destinations if place in listed]
    if not found:
        return met(f"{' and '.join(shipment.destinations)} is no destination of part 746")
    if "review.needed" in shipment.set_aside:
        return met(f"part 746 for {found[0]}: set aside by a reviewer")
    return unknown(
        f"{found[0]} is a destination of part 746, whose controls are not modelled: a reviewer decides", "part 746"
    )


@provision("15 CFR part 746", row="NLR 5", code="review.needed")
def no_embargo(shipment: Shipment, law: Law) -> Verdict:
    """What needs no licence elsewhere may need one to an embargoed destination, to Russia and to Belarus."""
    return _undecided(shipment, law)


@provision("15 CFR 740.8(b); part 746", row="ACA 4", code="review.needed")
def no_restriction(shipment: Shipment, law: Law) -> Verdict:
    """ACA and NAC are closed where part 744 or 746 asks for a licence; part 744 closes them before."""
    if shipment.asked.part_744_uses:
        return not_met(f"declared: {', '.join(shipment.asked.part_744_uses)}", code="end_use.prohibited")
    return _undecided(shipment, law)
