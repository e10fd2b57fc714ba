"""15 CFR part 746: embargoes and the wide controls on Russia and Belarus; not modelled, so a reviewer decides."""

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.places import tests_of
from rulebook.law.provisions import Test, Verdict, met, provision, unknown
from rulebook.law.shipment import Shipment


@provision("15 CFR part 746", row="4 part 746", code="review.needed", kind="gate", of_route=True)
def no_embargo(route: Route, law: Law) -> Verdict | Test:
    """Whatever the goods, no receiving party is located, headquartered or parented in a country of part 746."""
    return _embargoed if route.embargoed else met("neither the destination nor a receiving party is of part 746")


def _embargoed(shipment: Shipment, law: Law) -> Verdict:
    found = "; ".join(shipment.embargoed)
    verdict = unknown(f"part 746: {found}; its controls are not modelled, so a reviewer decides", "part 746")
    return verdict._replace(facts={**verdict.facts, "tests": tests_of(shipment.declared, law.members("part_746"))})


def leaves(shipment: Shipment, law: Law) -> frozenset[str]:
    """What stays open for a country of part 746: a licence that names the party and the items."""
    return frozenset({"LICENSE"})


def concerned(shipment: Shipment) -> bool:
    """Whether part 746 asks for a licence for each line, as far as no reviewer has said otherwise."""
    return bool(shipment.embargoed) and "review.needed" not in shipment.set_aside
