"""15 CFR 740.3 and 740.4: License Exceptions LVS and GBS, which are never picked and fit nothing that is modelled."""

from rulebook.law.authorization import named, plan
from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, not_met, provision, try_all
from rulebook.law.shipment import Shipment
from schemas.plan import Option


def _never(shipment: Shipment, kind: str) -> Verdict:
    lines = [line for line in shipment.lines if line.level == "a"]
    if lines:
        return not_met(f"{kind} is not open to {named(lines)}, and is never picked")
    return not_met(f"{kind} is never picked: what it is open to is not modelled")


@provision("15 CFR 740.3", row="LVS")
def lvs_items(shipment: Shipment, law: Law) -> Verdict:
    """LVS is not open to .a items."""
    return _never(shipment, "LVS")


@provision("15 CFR 740.4", row="GBS")
def gbs_items(shipment: Shipment, law: Law) -> Verdict:
    """GBS is not open to .a items."""
    return _never(shipment, "GBS")


def lvs(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """License Exception LVS, closed."""
    return (plan(shipment, "LVS", try_all(shipment, law, (lvs_items,))),)


def gbs(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """License Exception GBS, closed."""
    return (plan(shipment, "GBS", try_all(shipment, law, (gbs_items,))),)
