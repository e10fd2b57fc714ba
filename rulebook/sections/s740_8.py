"""15 CFR 740.8: License Exceptions NAC (Notified Advanced Computing) and ACA (Advanced Computing Authorized)."""

from rulebook.law.authorization import duty, named, plan, record_retention
from rulebook.law.goods import Goods, Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, barred, met, not_met, provision, try_all, unknown
from rulebook.law.shipment import Shipment
from rulebook.sections import s740_8_c, s744
from schemas.plan import Debit, Line, Obligation, Option


def covers(line: Line, law: Law) -> bool:
    """Whether ACA or NAC may cover this line, by its ECCN and what it is designed for."""
    return _named(line, law) and (line.level == "b" or line.datacenter is False)


def _named(line: Line, law: Law) -> bool:
    listed = law.lists("aca_nac_items", line.eccn) or (law.switch("aca_by_740_8a") and _by_740_8a(line, law))
    return listed and line.level in ("a", "b")


def _by_740_8a(line: Line, law: Law) -> bool:
    return law.lists("aca_by_740_8a", line.eccn)


@provision("15 CFR 740.8(a)", row="ACA 1", of_goods=True)
def a_items(goods: Goods, law: Law) -> Verdict:
    """Every line that needs a licence is named in 740.8(a) and on its ECCN page: not 3A090.c, not weights."""
    others = [line for line in goods.needing if not _named(line, law)]
    if others:
        doubtful = any(_by_740_8a(line, law) for line in others)
        reading = " (the ECCN page is applied; 740.8(a) alone would allow it)" if doubtful else ""
        return not_met(f"{named(others)}: not an item of ACA or NAC{reading}")
    only_here = [line for line in goods.needing if not law.lists("aca_nac_items", line.eccn)]
    if only_here:
        return met(f"{named(only_here)} by 740.8(a), though the ECCN page does not name it (switch aca_by_740_8a)")
    return met(f"{named(goods.needing)}: items of 740.8(a)")


@provision("15 CFR 740.8(a)", row="ACA 2", of_goods=True)
def a_not_for_data_centres(goods: Goods, law: Law) -> Verdict:
    """No .a line is designed or marketed for data centres; .b lines may be. Where it is not said, it is taken to be."""
    lines = [line for line in goods.needing if line.level == "a" and line.datacenter is not False]
    if not lines:
        return met("no .a line is designed or marketed for data centres")
    if all(line.datacenter is None for line in lines):
        return unknown(
            f"{named(lines)}: datacenter is not given and read as true", f"items line {lines[0].line}: datacenter"
        )
    return not_met(f"{named(lines)}: an .a item for data centres")


@provision("15 CFR 740.8(a)", row="ACA 3", code="destination.denied", of_route=True)
def a_destination(route: Route, law: Law) -> Verdict | Test:
    """ACA: anywhere but D:5, Macau and their entities; and transfers within D:5 and Macau."""
    if route.transaction == "transfer" and route.ship_to in law.members("d5_or_macau"):
        return met(f"a transfer within {route.ship_to}")
    return barred if route.barred else met(f"{route.ship_to} and its parties are outside D:5 and Macau")


@provision("15 CFR 740.8(a)", row="NAC 2", of_route=True)
def a_nac_destination(route: Route, law: Law) -> Verdict | Test:
    """NAC: exports and reexports to D:5, Macau and entities headquartered or parented there."""
    if route.transaction == "transfer":
        return not_met("NAC authorizes no transfer (in-country)")
    if not route.barred:
        return not_met(f"neither {route.ship_to} nor a receiving party is of D:5 or Macau")
    return _to_barred


def _to_barred(shipment: Shipment, law: Law) -> Verdict:
    return met(f"{shipment.asked.transaction}: {'; '.join(shipment.barred)}")


_ACA = (a_items, a_not_for_data_centres, a_destination, s744.aca_end_use)
_NAC = (a_items, a_not_for_data_centres, a_nac_destination, s740_8_c.c_notification, s744.aca_end_use)


def aca(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """License Exception ACA: items not for data centres, without quota."""
    findings = try_all(shipment, law, _ACA)

    def duties() -> tuple[Obligation, ...]:
        return (duty(shipment, law, "purchase_order", shipment.day), record_retention(shipment, law, "ACA"))

    return (plan(shipment, "ACA", findings, duties=duties),)


def nac(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """License Exception NAC: the same items to D:5 and Macau, notified before."""
    findings = try_all(shipment, law, _NAC)

    def taken() -> tuple[Debit, ...]:
        return s740_8_c.debits(shipment, law)

    def duties() -> tuple[Obligation, ...]:
        return (duty(shipment, law, "purchase_order", shipment.day), record_retention(shipment, law, "NAC"))

    return (plan(shipment, "NAC", findings, taken, duties),)
