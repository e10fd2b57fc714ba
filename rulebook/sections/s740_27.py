"""15 CFR 740.27: License Exception AIA (Artificial Intelligence Authorization)."""

from collections.abc import Sequence
from datetime import date

from rulebook.law.authorization import duty, named, once_for_each, plan, record_retention, statement
from rulebook.law.goods import Goods, Route
from rulebook.law.law import Law
from rulebook.law.provisions import (
    Test,
    Tried,
    Verdict,
    met,
    not_applicable,
    not_met,
    outside_d5,
    provision,
    try_all,
    unknown,
)
from rulebook.law.shipment import Shipment
from rulebook.parties.names import keys
from rulebook.sections.s774_supp1 import listed
from schemas import accounts
from schemas.models.incoming import Party
from schemas.plan import Debit, Line, Obligation, Option


def _items(shipment: Shipment | Goods) -> list[Line]:
    return [line for line in shipment.needing if line.level != "weights"]


def _eligible(line: Line, law: Law) -> bool:
    lists = ("aia_commodities", "aia_software", *(("aia_3e001",) if law.switch("aia_3e001") else ()))
    return any(listed(law, name, line) for name in lists)


@provision("15 CFR 740.27(a)(1), (2)(i)", row="AIA 1", of_goods=True)
def a1_items(goods: Goods, law: Law) -> Verdict | None:
    """Every line but weights is an eligible commodity or software."""
    lines = _items(goods)
    others = [line for line in lines if not _eligible(line, law)]
    if others:
        return not_met(f"not eligible for AIA: {named(others)}")
    return met(f"eligible for AIA: {named(lines)}") if lines else None


def designers(law: Law, lines: Sequence[Line]) -> Tried | Test:
    """Whether each line in need of one has an approved or authorized designer (90 FR 5298)."""
    lines = [line for line in lines if law.lists("designer_condition", line.eccn)]
    if not lines:
        return not_applicable("no line needs an approved or authorized designer")
    unnamed = [line for line in lines if line.designer is None]
    if unnamed:
        return unknown(
            f"{named(unnamed)}: no designer is given, and the catalogue knows none",
            f"items line {unnamed[0].line}: designer",
        )
    names = sorted({line.designer for line in lines if line.designer is not None})
    found = met(f"approved or authorized as a designer: {', '.join(names)}")
    others = [name for name in names if keys(name).isdisjoint(_approved(law))]

    def authorized(shipment: Shipment, law: Law) -> Verdict:
        known = _authorized(shipment)
        left = [name for name in others if keys(name).isdisjoint(known)]
        if not left:
            return found
        return not_met(f"neither approved nor authorized as a designer on {shipment.day}: {', '.join(left)}")

    return authorized if others else found


def _approved(law: Law) -> frozenset[str]:
    approved: frozenset[str] | None = law.worked_out.get("designers")
    if approved is None:
        approved = frozenset().union(*(keys(known) for known in law.period.designers))
        law.remember("designers", approved)
    return approved


def _authorized(shipment: Shipment) -> frozenset[str]:
    day = shipment.day
    both = (*shipment.asked.certifications, *shipment.facts.certifications)
    return frozenset().union(
        *(
            keys(one.party)
            for one in both
            if one.kind == "authorized_ic_designer"
            and one.date <= day
            and (one.valid_until is None or day <= one.valid_until)
        )
    )


@provision("15 CFR 740.27(a)(1), 90 FR 5298", row="AIA 2", since=date(2025, 1, 16), of_goods=True)
def a1_designer(goods: Goods, law: Law) -> Tried | Test:
    """The designer of the circuits is approved or authorized."""
    lines = _items(goods)
    return designers(law, lines) if lines else None


@provision("15 CFR 740.27(a)", row="AIA 3", of_route=True)
def a_location(route: Route, law: Law) -> Verdict | None:
    """The destination and the consignee's country are in Supplement No. 5(a)."""
    if not _items(route.goods):
        return None
    outside = [place for place in route.destinations if place not in law.members("supp5a")]
    if outside:
        return not_met(f"{' and '.join(outside)} {_are(outside)} not in Supplement No. 5(a)")
    return met(f"{' and '.join(route.destinations)} {_are(route.destinations)} in Supplement No. 5(a)")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _outside(party: Party, inside: frozenset[str], located: bool) -> str | None:
    if located and party.country not in inside:
        return f"{party.name} is in {party.country}"
    if party.headquarters not in inside:
        return f"{party.name} is headquartered in {party.headquarters}"
    if party.parent_headquarters not in inside:
        parent = party.ultimate_parent.name if party.ultimate_parent else party.name
        return f"the ultimate parent of {party.name}, {parent}, is headquartered in {party.parent_headquarters}"
    return None


def _consignee(shipment: Shipment, law: Law) -> Verdict:
    consignee = shipment.consignee
    outside = _outside(consignee, law.members("supp5a"), located=False)
    if outside:
        return not_met(f"{outside}, not in Supplement No. 5(a)")
    return met(
        f"{consignee.name} is headquartered in {consignee.headquarters}, "
        f"its ultimate parent in {consignee.parent_headquarters}"
    )


@provision("15 CFR 740.27(a)", row="AIA 4", of_goods=True)
def a_headquarters(goods: Goods, law: Law) -> Test | None:
    """The consignee's headquarters and its ultimate parent's are in Supplement No. 5(a)."""
    return _consignee if _items(goods) else None


@provision("15 CFR 740.27(a), (b)(2)(iv)", row="AIA 5", of_goods=True)
def a_users(goods: Goods, law: Law) -> Test | None:
    """Operator and end users, where named, are located, headquartered and parented in Supplement No. 5(a)."""
    return _users if _items(goods) else None


def _users(shipment: Shipment, law: Law) -> Verdict:
    asked = shipment.asked
    users = (*(asked.operator or ()), *(asked.end_user or ()))
    if not users:
        return not_applicable("no operator or end user besides the ultimate consignee is named")
    inside = law.members("supp5a")
    outside = [found for user in users if (found := _outside(user, inside, located=True))]
    return (
        not_met(f"not in Supplement No. 5(a): {'; '.join(outside)}")
        if outside
        else met("each operator and end user that is named is of Supplement No. 5(a)")
    )


@provision("15 CFR 740.27(b)(2)", row="AIA 6", code="certification.missing", of_goods=True)
def b2_certification(goods: Goods, law: Law) -> Verdict | Test | None:
    """The ultimate consignee certified once; no expiry unless the certification states one. Not for software."""
    lines = _items(goods)
    if not lines:
        return None
    return not_applicable("software needs no certification") if all(line.software for line in lines) else _certified


def _certified(shipment: Shipment, law: Law) -> Verdict:
    return statement(shipment, "aia_consignee_certification", (shipment.consignee.id,), shipment.consignee.name)


def consignee_outside(shipment: Shipment, law: Law) -> bool:
    """Whether the ultimate consignee's headquarters or its ultimate parent's are outside Supplement No. 5(a)."""
    return _outside(shipment.consignee, law.members("supp5a"), located=False) is not None


def _weights(goods: Goods) -> bool:
    return any(line.level == "weights" for line in goods.needing)


@provision("15 CFR 740.27(a)(3)", row="AIA weights 1", of_goods=True)
def a3_entity(goods: Goods, law: Law) -> Test | None:
    """Weights: consignee, end users and operators have headquarters and ultimate parent in Supplement No. 5(a).

    Both: the preamble and 742.6(b)(14) against the paragraph's "or".
    """
    return _entity if _weights(goods) else None


def _entity(shipment: Shipment, law: Law) -> Verdict:
    inside = law.members("supp5a")
    users = dict.fromkeys((shipment.consignee.id, *(user.id for user in (*shipment.end_users, *shipment.operators))))
    outside = _all_outside((shipment.consignee, *shipment.end_users, *shipment.operators), inside)
    if outside:
        return not_met(f"not of Supplement No. 5(a): {'; '.join(outside)}")
    if len(users) == 1:
        return _consignee(shipment, law)
    return met(f"{len(users)} parties obtain the weights, all headquartered and parented in Supplement No. 5(a)")


def _all_outside(parties: tuple[Party, ...], inside: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for party in parties if (found := _outside(party, inside, located=False))))


@provision("15 CFR 740.27(b)(2)(iv)", row="AIA note")
def b2_others(shipment: Shipment, law: Law) -> Verdict | None:
    """A purchaser or intermediate consignee outside Supplement No. 5(a): a finding; it does not obtain the items."""
    asked, inside = shipment.asked, law.members("supp5a")
    others = (*(asked.purchaser or ()), *(asked.intermediate_consignees or ()))
    outside = [found for party in others if (found := _outside(party, inside, located=True))]
    if not outside:
        return None
    return not_applicable(
        f"{'; '.join(dict.fromkeys(outside))}, outside Supplement No. 5(a): "
        "the items may not be passed on to it without authorization"
    )


@provision("15 CFR 740.27(a)(3)(i)", row="AIA weights 2", of_route=True)
def a3_location(route: Route, law: Law) -> Verdict | Test | None:
    """Weights: the entities are located outside D:5 and Macau."""
    return outside_d5(route) if _weights(route.goods) else None


@provision(
    "15 CFR 740.27(a)(3)(ii)",
    row="AIA weights 3",
    code="certification.missing",
    since=date(2026, 1, 15),
    of_goods=True,
)
def a3_facility(goods: Goods, law: Law) -> Test | None:
    """Weights: stored in a facility under paragraphs 14, 15 and 18 of Supplement No. 10 to part 748, which is named."""
    return _facility if _weights(goods) else None


def _facility(shipment: Shipment, law: Law) -> Verdict:
    kind, consignee, facility = "facility_security", shipment.consignee, shipment.asked.facility
    if facility is None:
        missing = unknown("no facility is named: in which secured one the weights are stored is not said", "facility")
        more = {"kind": kind, "party": consignee.id, "needed_by": shipment.day.isoformat()}
        return missing._replace(facts={**missing.facts, **more})
    parties = (consignee.id, *(operator.id for operator in shipment.operators))
    return statement(shipment, kind, parties, f"{consignee.name} for facility {facility.id}", facility=facility.id)


_AIA = (
    a1_items,
    a1_designer,
    a_location,
    a_headquarters,
    a_users,
    b2_certification,
    a3_entity,
    a3_location,
    a3_facility,
    b2_others,
)


def _account(shipment: Shipment) -> str:
    return accounts.aia(shipment.facts.one(shipment.consignee.id))


def _debits(shipment: Shipment) -> tuple[Debit, ...]:
    return (Debit(_account(shipment), shipment.needing_tpp, None, cites="15 CFR 740.27(c)", free=True),)


def _duties(shipment: Shipment, law: Law) -> tuple[Obligation, ...]:
    if not _items(shipment):
        return (record_retention(shipment, law),)
    day = shipment.day
    furnished = once_for_each(shipment, *(line.eccn for line in _items(shipment)))
    owed = [
        duty(shipment, law, "aia_furnish_eccn", day, once=furnished),
        duty(shipment, law, "aia_shipment_notice", day),
    ]
    if shipment.needing_tpp:
        mark = 1 if law.switch("aia_file_always") else law.amount("aia_report_tpp")
        filed = once_for_each(shipment)
        reached = (_account(shipment), mark)
        owed.append(duty(shipment, law, "aia_certification_submission", day, reaches=reached, once=filed))
    return (*owed, record_retention(shipment, law))


def aia(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """License Exception AIA: Supplement No. 5(a) entities in its destinations, without quota; and weights."""
    findings = try_all(shipment, law, _AIA)
    return (plan(shipment, "AIA", findings, lambda: _debits(shipment), lambda: _duties(shipment, law)),)
