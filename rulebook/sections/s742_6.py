"""15 CFR 742.6: which lines need a licence, and how an application would be reviewed; with 744.23(a)(3)."""

from datetime import date

from rulebook.law.authorization import named
from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment
from rulebook.sections import s774_supp1
from schemas import accounts
from schemas.plan import WAITING, Line


def needing(shipment: Shipment, law: Law) -> tuple[Line, ...]:
    """The lines that need a licence to this destination and these parties; none where nothing is exported."""
    return () if shipment.domestic else tuple([line for line in shipment.lines if needs(shipment, law, line)])


def needs(shipment: Shipment, law: Law, line: Line) -> bool:
    """Whether a line needs a licence: .a and weights anywhere, .b and 3A090.c by place and party.

    What this book does not decide is to be covered by what is claimed, by what a reviewer names or by a licence for it.
    """
    if line.level in ("a", "weights"):
        return True
    if line.level == "b":
        return bool(shipment.barred) or _in_b_area(shipment, law)
    if line.level in WAITING:
        return s774_supp1.waits(shipment, line)
    return line.level == "c" and bool(shipment.barred)


def _in_b_area(shipment: Shipment | Route, law: Law) -> bool:
    return not law.members("b_item_license_area").isdisjoint(shipment.destinations)


def _of(shipment: Shipment | Route, *levels: str) -> list[Line]:
    return [line for line in shipment.lines if line.level in levels]


@provision("15 CFR 742.6(a)(6)(iii)(A), (a)(13)", row="NLR 1", of_route=True)
def a6_worldwide(route: Route, law: Law) -> Verdict:
    """.a items and controlled model weights need a licence to every destination."""
    if route.domestic:
        return not_applicable("nothing is exported")
    lines = _of(route, "a", "weights")
    if lines:
        return not_met(f"a licence is needed to every destination for {named(lines)}")
    return met("there is no .a item and no controlled model weights")


@provision("15 CFR 742.6(a)(6)(iii)(B)", row="NLR 2", of_route=True)
def a6_b_items(route: Route, law: Law) -> Verdict:
    """.b items need a licence to Country Groups D:1, D:4 and D:5 without A:5 and A:6, and where named."""
    if route.domestic:
        return not_applicable("nothing is exported")
    lines = _of(route, "b")
    places = " and ".join(route.destinations)
    if lines and _in_b_area(route, law):
        return not_met(f"a licence is needed to {places} for {named(lines)}, a .b item")
    return met(f"no .b line needs a licence to {places}")


@provision("15 CFR 744.23(a)(3)(i)(A)", row="NLR 3", of_route=True)
def s744_23_b_items(route: Route, law: Law) -> Verdict | Test:
    """.b items need a licence for a party with headquarters or ultimate parent in D:5 or Macau, wherever it is.

    A receiving party that is located there counts as well: the stricter reading of "destined to".
    """
    if route.domestic:
        return not_applicable("nothing is exported")
    if "b" in route.levels and route.barred_parties:
        return _b_for_parties
    return met("no .b line is for a party of D:5 or Macau")


def _b_for_parties(shipment: Shipment, law: Law) -> Verdict:
    return not_met(f"{named(_of(shipment, 'b'))}: {'; '.join(shipment.barred_parties)}")


@provision("15 CFR 744.23(a)(3)(i)(B)", row="NLR 4", of_route=True)
def s744_23_memory(route: Route, law: Law) -> Verdict | Test:
    """3A090.c needs a licence to D:5 and Macau and for their parties."""
    if route.domestic:
        return not_applicable("nothing is exported")
    if "c" in route.levels and route.barred:
        return _memory_barred
    return met("no high bandwidth memory for D:5 or Macau")


def _memory_barred(shipment: Shipment, law: Law) -> Verdict:
    return not_met(f"{named(_of(shipment, 'c'))}: {'; '.join(shipment.barred)}")


def _users_outside(shipment: Shipment, law: Law) -> bool:
    inside = law.members("supp5a")
    users = (shipment.consignee, *shipment.end_users, *shipment.operators)
    return any(user.headquarters not in inside or user.parent_headquarters not in inside for user in users)


@provision("15 CFR 742.6(b)(10)(iii)(A)(1)", row="6.1", kind="policy", since=date(2026, 1, 15))
def b10_case_by_case(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """Case by case for exports from the U.S. to users in China or Macau below both limits (91 FR 1684); not weights."""
    asked, users = shipment.asked, law.members("case_by_case_users")
    if not shipment.barred or asked.transaction != "export" or "weights" in shipment.route.levels:
        return None
    if asked.ship_from not in law.members("united_states"):
        return None
    for user in shipment.end_users:
        if user.country not in users:
            return None
    lines = [
        (line, item)
        for line, item in zip(shipment.lines, asked.items, strict=True)
        if line.level == "a" and not line.software
    ]
    if not lines:
        return None
    most_tpp, most = law.amount("case_by_case_tpp"), law.amount("case_by_case_bandwidth")
    for line, item in lines:
        if (
            line.unit_tpp >= most_tpp * (item.circuits or 1)
            or item.memory_bandwidth_gbps is None
            or item.memory_bandwidth_gbps >= most
        ):
            return None
    return "case_by_case"


@provision("15 CFR 742.6(b)(10)(iii)(A)(1), (iv)(B)", row="6.2", kind="policy")
def b10_d5(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """D:5 or Macau by destination, headquarters or ultimate parent: presumption of denial."""
    return "presumption_of_denial" if shipment.barred else None


@provision("15 CFR 742.6(b)(14)", row="6.3", kind="policy")
def b14_weights(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """Weights for a user outside Supplement No. 5(a) by headquarters or parent: presumption of denial."""
    return "presumption_of_denial" if "weights" in shipment.route.levels and _users_outside(shipment, law) else None


@provision("15 CFR 742.6(b)(10)(iii)(A)(2)", row="6.4", kind="policy")
def b10_supp5a(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """.a to Supplement No. 5(a), or to an entity headquartered or parented there: presumption of approval."""
    if "a" not in shipment.route.levels:
        return None
    inside = law.members("supp5a")
    users = (shipment.consignee, *shipment.end_users)
    there = shipment.asked.ship_to in inside or any(
        user.headquarters in inside or user.parent_headquarters in inside for user in users
    )
    return "presumption_of_approval" if there else None


@provision("15 CFR 742.6(b)(10)(iii)(B)(1)", row="6.5", kind="policy")
def b10_within(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """.a elsewhere, within what is left of the country's allocation: presumption of approval.

    Software and technology have no TPP: they are within it as long as anything is left.
    """
    fits = available is not None and shipment.tpp <= available and available > 0
    return "presumption_of_approval" if fits and allocation(shipment, law) else None


@provision("15 CFR 742.6(b)(10)(iii)(B)(2)", row="6.6", kind="policy")
def b10_beyond(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """.a elsewhere, more than what is left of the allocation: policy of denial."""
    return "policy_of_denial" if available is not None and allocation(shipment, law) else None


@provision("15 CFR 742.6(b)(10)(iv)(A)", row="6.7", kind="policy")
def b10_b_items(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """.b items: presumption of approval."""
    levels = shipment.route.levels
    return "presumption_of_approval" if "b" in levels and levels.isdisjoint(("a", "weights")) else None


@provision("90 FR 4544, preamble on 15 CFR 742.6(b)(14)", row="6.8", kind="policy")
def b14_inside(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """Weights for users inside Supplement No. 5(a), where a paper is missing: presumption of approval."""
    levels = shipment.route.levels
    return "presumption_of_approval" if "weights" in levels and "a" not in levels else None


@provision("15 CFR 742.6(b)(10)", row="6.9", kind="policy")
def b10_else(shipment: Shipment, law: Law, available: int | None) -> str | None:
    """Anything else, and .a after 2027: case by case."""
    return "case_by_case"


POLICIES = (
    b10_case_by_case,
    b10_d5,
    b14_weights,
    b10_supp5a,
    b10_within,
    b10_beyond,
    b10_b_items,
    b14_inside,
    b10_else,
)


def allocation(shipment: Shipment, law: Law) -> tuple[str, int] | None:
    """The account of the destination's allocation and its limit; None where none is printed or the place has none."""
    limit = law.printed("country_allocation_tpp")
    country = shipment.asked.ship_to
    if limit is None or "a" not in shipment.route.levels or country not in law.members("allocation_area"):
        return None
    return accounts.country(country), limit
