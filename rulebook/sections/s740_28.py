"""15 CFR 740.28: License Exception ACM (Advanced Compute Manufacturing)."""

from datetime import date

from rulebook.law.authorization import duty, months_after, named, plan, record_retention
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
from rulebook.sections import s740_27
from rulebook.sections.s774_supp1 import listed
from schemas import accounts
from schemas.plan import Debit, Obligation, Option

_USES = ("development", "production", "storage")


@provision("15 CFR 740.28(b)", row="ACM 1", of_goods=True)
def b_items(goods: Goods, law: Law) -> Verdict | None:
    """Every line that needs a licence is an eligible item."""
    if not goods.needing:
        return None
    others = [line for line in goods.needing if not listed(law, "acm_items", line)]
    if others:
        return not_met(f"not eligible for ACM: {named(others)}")
    return met(f"eligible for ACM: {named(goods.needing)}")


@provision("15 CFR 740.28(b), 90 FR 5298", row="ACM 1 designer", since=date(2025, 1, 16), of_goods=True)
def b_designer(goods: Goods, law: Law) -> Tried | Test:
    """The designer of the circuits is approved or authorized."""
    return s740_27.designers(law, goods.needing)


@provision("15 CFR 740.28(c)", row="ACM 2", code="destination.denied", of_route=True)
def c_destination(route: Route, law: Law) -> Verdict | Test:
    """Not to D:5 or Macau, nor to a consignee headquartered or parented there."""
    return outside_d5(route)


@provision("15 CFR 740.28(d)", row="ACM 3")
def d_private_sector(shipment: Shipment, law: Law) -> Verdict:
    """The consignee's firm, with its parents and sisters, is controlled by no government but the U.S."""
    consignee = shipment.consignee
    if consignee.private_sector is None:
        return unknown(
            f"it is not said whether {consignee.name} is a private sector end user",
            "ultimate_consignee: private_sector",
        )
    if consignee.private_sector:
        return met(f"{consignee.name} is a private sector end user")
    return not_met(f"{consignee.name} is owned or controlled by a government")


@provision("15 CFR 740.28(a)", row="ACM 4")
def a_end_use(shipment: Shipment, law: Law) -> Verdict:
    """For development, production or storage only."""
    use = shipment.asked.end_use
    return (
        met(f"the end use is {use}")
        if use in _USES
        else not_met(f"the end use is {use}, not development, production or storage")
    )


@provision("15 CFR 740.28(e)", row="ACM 5")
def e_facility(shipment: Shipment, law: Law) -> Verdict:
    """The facility that keeps the accounting is named and in the destination."""
    facility, place = shipment.asked.facility, shipment.asked.ship_to
    if facility is None:
        return unknown("no facility is named", "facility")
    if facility.country != place:
        return not_met(f"facility {facility.id} is in {facility.country}, not in {place}")
    return met(f"facility {facility.id} in {place}")


@provision("15 CFR 740.28(a)", row="ACM 6")
def a_customers(shipment: Shipment, law: Law) -> Verdict:
    """Ultimately for customers outside D:5 and Macau."""
    users = shipment.asked.end_user
    if not users:
        return not_applicable("no end user is named")
    barred = law.members("d5_or_macau")
    inside = [
        user.name
        for user in users
        if not barred.isdisjoint((user.country, user.headquarters, user.parent_headquarters))
    ]
    return (
        not_met(f"an end user of D:5 or Macau: {', '.join(inside)}")
        if inside
        else met("no end user that is named is of D:5 or Macau")
    )


_ACM = (b_items, b_designer, c_destination, d_private_sector, a_end_use, e_facility, a_customers)


def leaving(shipment: Shipment) -> tuple[Debit, ...]:
    """What leaves a facility under ACM, never more than came in; part of every option.

    A facility that is listed for a validated end-user is not accounted for under ACM.
    """
    start = shipment.asked.from_facility
    if start is None or not shipment.tpp:
        return ()
    if any(one.id == start for veu in shipment.facts.veus for one in veu.authorized.facilities):
        return ()
    return (
        Debit(
            accounts.facility(start), -shipment.tpp, None, "15 CFR 740.28(e)", "facility.short", floor=True, whole=True
        ),
    )


def acm(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """License Exception ACM: private sector manufacturers, without quota; each facility is accounted for."""
    findings = try_all(shipment, law, _ACM)

    def own() -> tuple[Debit, ...]:
        facility = shipment.asked.facility
        if facility is None:
            return ()
        return (Debit(accounts.facility(facility.id), shipment.needing_tpp, None, "15 CFR 740.28(e)"),)

    def duties() -> tuple[Obligation, ...]:
        due = months_after(shipment.day, law.amount("acm_accounting_months"))
        accounting = duty(
            shipment, law, "acm_facility_accounting", due, party=shipment.facts.one(shipment.consignee.id)
        )
        return accounting, record_retention(shipment, law)

    return (plan(shipment, "ACM", findings, own, duties),)
