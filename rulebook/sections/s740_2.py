"""15 CFR 740.2(a)(9)(ii): where license exceptions are closed for these items."""

from datetime import timedelta
from typing import Any

from rulebook.law.authorization import named
from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.places import tests_of
from rulebook.law.provisions import Test, Verdict, met, not_applicable, not_met, policy_in_words, provision, versions
from rulebook.law.shipment import Shipment
from rulebook.sections import s740_8, s742_6, s744
from schemas.plan import Line

_PARAGRAPHS = (
    ("a", "15 CFR 740.2(a)(9)(ii); 742.6(b)(10)(iii)(A)(1)"),
    ("b", "15 CFR 740.2(a)(9)(ii); 742.6(b)(10)(iv)(B)"),
    ("c", "15 CFR 744.23(a)(3)(i)(B)"),
    ("weights", "15 CFR 740.2(a)(9)(ii); 742.6(b)(14)"),
)
"""The paragraph for the items of each level."""


@provision("15 CFR 740.2(a)(9)(ii); 742.6(b)", row="4 D:5", code="destination.denied", kind="gate", of_route=True)
def d5_or_macau(route: Route, law: Law) -> Verdict | Test:
    """No such item to Country Group D:5 or Macau, nor to a party located, headquartered or parented there."""
    return _denied if route.barred else met("neither the destination nor a receiving party is of D:5 or Macau")


def _denied(shipment: Shipment, law: Law) -> Verdict | list[Verdict]:
    if shipment.domestic:
        return not_applicable(f"nothing is exported, though {'; '.join(shipment.barred)}")
    concerned = [(lines, cites) for level, cites in _PARAGRAPHS if (lines := _lines(shipment, level))]
    if not concerned:
        return not_applicable("no line is decided to be an advanced computing item")
    policy, places = _policy(shipment, law), "; ".join(shipment.barred)
    facts: dict[str, Any] = {
        "tests": tests_of(shipment.declared, law.members("d5_or_macau")),
        "review_policy": policy,
    }
    after = f"applications are reviewed {policy_in_words(policy)}; open: {_open(shipment, law)}"
    return [
        not_met(f"{named(lines)} for Country Group D:5 or Macau: {places}; {after}", facts, cites=cites)
        for lines, cites in concerned
    ]


def _lines(shipment: Shipment, level: str) -> list[Line]:
    return [line for line in shipment.lines if line.level == level]


def _open(shipment: Shipment, law: Law) -> str:
    """What may still carry the shipment, in words."""
    if shipment.asked.part_744_uses:
        return "an issued licence"
    concerned = [line for line in shipment.lines if line.level in ("a", "b", "c", "weights")]
    eligible = all(s740_8.covers(line, law) for line in concerned)
    if eligible and shipment.asked.transaction != "transfer":
        latest = shipment.day - timedelta(days=law.amount("nac_notice_days"))
        return f"NAC with a notification of {latest} or earlier, or an issued licence"
    if eligible and "ACA" in leaves(shipment, law):
        return "ACA for this transfer, or an issued licence"
    return "an issued licence"


def leaves(shipment: Shipment, law: Law) -> frozenset[str]:
    """What stays open for D:5 and Macau; NLR fails by its own rows."""
    inside = shipment.asked.transaction == "transfer" and shipment.asked.ship_to in law.members("d5_or_macau")
    return frozenset({"NLR", "NAC", "LICENSE", "ACA"} if inside else {"NLR", "NAC", "LICENSE"})


def _policy(shipment: Shipment, law: Law) -> str:
    """The policy for the shipment: of 742.6, or of part 744 where that is stricter."""
    policies = versions(law, (s742_6.b10_case_by_case, s742_6.b10_d5))
    own = next(policy for one in policies if (policy := one.test(shipment, law, None)))
    return s744.stricter(shipment, law, own)[0]


@provision("15 CFR 740.2(a)(9)(ii)", row="LPP 4", of_route=True)
def lpp_destination(route: Route, law: Law) -> Verdict:
    """LPP is not among the exceptions open to D:1, D:4 and D:5 without A:5 and A:6; 740.29(c) reads otherwise."""
    found = [place for place in route.destinations if place in law.members("restricted_740_2")]
    if not found:
        return met(f"{' and '.join(route.destinations)}: in no group to which exceptions are closed")
    if law.switch("lpp_in_d1_d4"):
        return met(
            f"{found[0]} is in D:1 or D:4; 740.29(c), which bars only D:5 and Macau, applies by the switch lpp_in_d1_d4"
        )
    return not_met(
        f"LPP is not open to {found[0]}, in D:1 or D:4 and not in A:5 or A:6 (740.29(c) alone would allow it; "
        "the stricter 740.2(a)(9)(ii) is applied)"
    )
