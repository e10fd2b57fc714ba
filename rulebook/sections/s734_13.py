"""15 CFR 734.13 to 734.16, with 738.3(b) and 772.1: what is an export, a reexport or a transfer, and where it goes."""

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, met, not_applicable, not_met, provision
from rulebook.law.shipment import Shipment


@provision("15 CFR 738.3(b); 772.1", row="place part of", kind="gate", of_route=True)
def parts(route: Route, law: Law) -> Test | None:
    """A territory, possession or department counts as its country, unless the Commerce Country Chart lists it."""
    return _parts if route.given.moved else None


def _parts(shipment: Shipment, law: Law) -> Verdict | None:
    declared = shipment.declared
    places = [declared.ship_from, declared.ship_to, *(party.country for party in declared.receiving)]
    if declared.facility is not None:
        places.append(declared.facility.country)
    seats = [seat for party in declared.receiving for seat in (party.headquarters, party.parent_headquarters)]
    found = {code: law.place(code) for code in places if code != law.place(code)}
    found |= {code: law.period.seats[code] for code in seats if code in law.period.seats}
    if not found:
        return None
    return not_applicable("; ".join(f"{code} counts as {country}" for code, country in found.items()))


@provision("15 CFR 734.13; 734.14(a)(1)", row="place domestic", kind="gate", of_route=True)
def nothing_exported(route: Route, law: Law) -> Verdict | None:
    """Where the destination and every receiving party are in the United States, nothing is exported or reexported."""
    if not route.domestic:
        return None
    return not_applicable(
        "the destination and every receiving party are in the United States: nothing is exported or reexported"
    )


@provision(
    "15 CFR 734.13; 734.14; 734.16", row="4 transaction", code="transaction.inconsistent", kind="gate", of_route=True
)
def transaction(route: Route, law: Law) -> Verdict | Test | None:
    """A transfer stays in one country, an export or reexport leaves it; a reexport begins outside the United States."""
    if route.domestic:
        return None
    kind, start = route.transaction, route.ship_from
    stays, begins_here = start == route.ship_to, start in law.members("united_states")
    if (kind == "transfer") != stays or (kind == "reexport" and begins_here):
        return _inconsistent
    return met("the transaction agrees with ship_from and ship_to")


def _inconsistent(shipment: Shipment, law: Law) -> Verdict:
    asked, declared = shipment.asked, shipment.declared
    kind, start, end = asked.transaction, asked.ship_from, asked.ship_to
    places = f"ship_from is {declared.ship_from} and ship_to is {declared.ship_to}"
    facts = {"transaction": kind, "ship_from": declared.ship_from, "ship_to": declared.ship_to}
    if kind == "transfer" and start != end:
        return not_met(f"a transfer (in-country) stays in one country, but {places}", facts)
    if start == end:
        one = "" if declared.ship_from == declared.ship_to else f", which is one destination, {end}"
        return not_met(f"an {kind} leaves the country, but {places}{one}".replace("an reexport", "a reexport"), facts)
    return not_met(f"a reexport begins outside the United States, but {places}: this is an export", facts)


@provision("15 CFR 734.13; 734.14", row="place of export", kind="gate", of_route=True)
def begins_elsewhere(route: Route, law: Law) -> Test | None:
    """An export begins in the United States; from elsewhere it is a reexport, and is tested as such all the same."""
    if route.transaction != "export" or route.domestic or route.ship_from in law.members("united_states"):
        return None
    return _reexport


def _reexport(shipment: Shipment, law: Law) -> Verdict:
    return not_applicable(
        f"an export begins in the United States, but ship_from is {shipment.declared.ship_from}: this is a reexport"
    )
