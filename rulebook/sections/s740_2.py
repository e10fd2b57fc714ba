"""15 CFR 740.2(a)(9)(ii): where license exceptions are closed for these items."""

from typing import Any

from rulebook.law.authorization import named
from rulebook.law.law import Law
from rulebook.law.provisions import Verdict, in_force, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from rulebook.sections import s742_6

_CONCERNED = frozenset({"a", "b", "c", "weights"})


@provision("15 CFR 740.2(a)(9)(ii); 742.6(b)(10)(iii)(A)(1)", row="4 D:5", code="destination.denied", kind="gate")
def d5_or_macau(shipment: Shipment, law: Law) -> Verdict:
    """No such item to Country Group D:5 or Macau, nor to a party located, headquartered or parented there."""
    if not shipment.barred:
        return met(
            f"neither {shipment.asked.ship_to} nor a party of {len(shipment.receivers)} receiving is of D:5 or Macau"
        )
    lines = [line for line in shipment.lines if line.level in _CONCERNED]
    if not lines:
        return not_applicable("no line is decided to be an advanced computing item")
    detail = f"{named(lines)} for Country Group D:5 or Macau: {'; '.join(shipment.barred)}"
    return not_met(detail, {"tests": _tests(shipment, law), "review_policy": _policy(shipment, law)})


def leaves(shipment: Shipment, law: Law) -> frozenset[str]:
    """What stays open for D:5 and Macau; NLR fails by its own rows."""
    inside = shipment.asked.transaction == "transfer" and shipment.asked.ship_to in law.members("d5_or_macau")
    return frozenset({"NLR", "NAC", "LICENSE", "ACA"} if inside else {"NLR", "NAC", "LICENSE"})


def _policy(shipment: Shipment, law: Law) -> str | None:
    policies = in_force((s742_6.b10_case_by_case, s742_6.b10_d5), law.day)
    return next((policy for one in policies if (policy := one.test(shipment, law, None))), None)


def _tests(shipment: Shipment, law: Law) -> list[dict[str, Any]]:
    barred = law.members("d5_or_macau")
    tests: list[dict[str, Any]] = []
    if shipment.asked.ship_to in barred:
        tests.append({"test": "destination", "country": shipment.asked.ship_to})
    for role, party in shipment.receivers:
        places = [("location", party.country), ("headquarters", party.headquarters)]
        if party.ultimate_parent is not None:
            places.append(("ultimate_parent", party.ultimate_parent.headquarters))
        tests.extend(
            {"test": test, "party": party.id, "role": role, "country": country}
            for test, country in places
            if country in barred
        )
    return tests


@provision("15 CFR 740.2(a)(9)(ii)", row="LPP 4")
def lpp_destination(shipment: Shipment, law: Law) -> Verdict:
    """LPP is not among the exceptions open to D:1, D:4 and D:5 without A:5 and A:6; 740.29(c) reads otherwise."""
    found = [place for place in shipment.destinations if place in law.members("restricted_740_2")]
    if not found:
        return met(f"{' and '.join(shipment.destinations)} is in no group to which exceptions are closed")
    if law.switch("lpp_in_d1_d4"):
        return met(
            f"{found[0]} is in D:1 or D:4; 740.29(c), which bars only D:5 and Macau, applies by the switch lpp_in_d1_d4"
        )
    return not_met(
        f"LPP is not open to {found[0]}, in D:1 or D:4 and not in A:5 or A:6 (740.29(c) alone would allow it; "
        "the stricter 740.2(a)(9)(ii) is applied)"
    )
