"""15 CFR 748.15(a)(2)(ii)(B), (iii)(B): whose base a shipment adds to, and what only moves within it."""

from typing import NamedTuple

from rulebook.law.goods import Route
from rulebook.law.law import Law
from rulebook.law.provisions import Test, Verdict, met, not_met, provision, unknown
from rulebook.law.shipment import Shipment
from schemas import accounts
from schemas.models.parts import ListedFacility, Party
from schemas.plan import Debit, Veu

_CITES = "15 CFR 748.15(a)(2)(iii)(B)"


def standing(shipment: Shipment) -> list[Veu]:
    """The authorizations in force on the export date, of whatever holder and country."""
    day = shipment.day
    return [
        veu
        for veu in shipment.facts.veus
        if veu.authorized.valid_from <= day and (veu.revoked is None or day < veu.revoked)
    ]


def in_force(shipment: Shipment, party: str) -> list[Veu]:
    """The authorizations of a party that cover the destination on the export date."""
    one, place = shipment.facts.one, shipment.asked.ship_to
    wanted = one(party)
    return [
        veu
        for veu in standing(shipment)
        if one(veu.authorized.holder) == wanted and veu.authorized.country in (None, place)
    ]


class Owner(NamedTuple):
    """The ultimate parent of a holder; `known` is false where the holder stands for it, for want of a word."""

    id: str
    known: bool


def owner_of(shipment: Shipment, veu: Veu) -> Owner:
    """The holder's owner: as its authorization says, as registered, as a shipment to it says, else the holder."""
    facts, holder = shipment.facts, shipment.facts.one(veu.authorized.holder)
    if veu.authorized.owner is not None:
        return Owner(facts.one(veu.authorized.owner), True)
    for name in (veu.authorized.holder, *facts.names(holder)):
        if (registered := facts.registered.get(name)) is not None:
            return Owner(facts.one(registered.owner), True)
    for party in shipment.asked.receiving:
        if facts.one(party.id) == holder and party.ultimate_parent is not None:
            return Owner(facts.one(party.owner), True)
    for name in (veu.authorized.holder, *facts.names(holder)):
        if name in facts.owners:
            return Owner(facts.one(facts.owners[name]), True)
    return Owner(holder, False)


def of_group(shipment: Shipment, party: Party, veu: Veu) -> bool:
    """Whether a party is the holder, its owner, or has either of them as its owner."""
    one = shipment.facts.one
    group = (one(veu.authorized.holder), owner_of(shipment, veu).id)
    return one(party.id) in group or one(party.owner) in group


def site(shipment: Shipment, veu: Veu) -> ListedFacility | None:
    """The listed facility of the holder that the goods leave; None where they leave another place."""
    start, day = shipment.asked.from_facility, shipment.day
    if start is None:
        return None
    return next((one for one in veu.authorized.facilities if one.id == start and one.valid_from <= day), None)


def by_holder(shipment: Shipment, veu: Veu) -> bool:
    """Whether the holder itself exports."""
    return shipment.facts.one(shipment.asked.exporter.id) == shipment.facts.one(veu.authorized.holder)


def moved(shipment: Shipment, veu: Veu) -> bool:
    """Whether a shipment only moves what the group of a universal holder has: from its site, or by one of the group."""
    if not of_group(shipment, shipment.consignee, veu):
        return False
    return site(shipment, veu) is not None or of_group(shipment, shipment.asked.exporter, veu)


@provision("15 CFR 748.15(a)(2)(ii)(A)", row="4 site", code="transaction.inconsistent", kind="gate", of_route=True)
def a_site(route: Route, law: Law) -> Test | None:
    """A listed facility that the goods leave is in the country that they leave."""
    return _left if route.given.veus else None


def _left(shipment: Shipment, law: Law) -> Verdict | None:
    start = shipment.asked.from_facility
    if start is None:
        return None
    listed = {one.country for veu in shipment.facts.veus for one in veu.authorized.facilities if one.id == start}
    others = sorted(listed - {shipment.asked.ship_from})
    if others:
        detail = f"facility {start} is listed in {' and '.join(others)}, but ship_from is {shipment.asked.ship_from}"
        return not_met(detail, {"facility": start, "listed_in": others, "ship_from": shipment.asked.ship_from})
    return met(f"facility {start} is listed in {shipment.asked.ship_from}") if listed else None


@provision(
    "Supplement No. 10 to part 748, paragraph 6", row="4 owner", code="review.needed", kind="gate", of_route=True
)
def p6_owner(route: Route, law: Law) -> Test | None:
    """Shares are those of the holder with its parents and subsidiaries; where its owner is not known, of it alone."""
    return _owner_said if route.given.veus else None


def _owner_said(shipment: Shipment, law: Law) -> Verdict | None:
    if not shipment.tpp:
        return None
    for veu in in_force(shipment, shipment.consignee.id):
        if veu.authorized.program == "universal" and not owner_of(shipment, veu).known:
            holder = shipment.consignee.name
            return unknown(
                f"the ultimate parent of {holder} is not said: chips of its parents and subsidiaries are not counted",
                "ultimate_consignee: ultimate_parent",
            )
    return None


def universal(shipment: Shipment) -> dict[str, Veu]:
    """The universal holders on whose accounts a shipment counts: those of whose group the consignee is."""
    one = shipment.facts.one
    return {
        one(veu.authorized.holder): veu
        for veu in standing(shipment)
        if veu.authorized.program == "universal" and of_group(shipment, shipment.consignee, veu)
    }


def _between_own_sites(shipment: Shipment, holder: str) -> bool:
    """Whether a national holder itself moves goods out of a listed site of its own."""
    same = shipment.facts.one
    return any(
        same(veu.authorized.holder) == holder
        and veu.authorized.country == shipment.asked.ship_from
        and by_holder(shipment, veu)
        and site(shipment, veu) is not None
        for veu in standing(shipment)
        if veu.authorized.program == "national"
    )


@provision(_CITES, row="VEU 6 quota", code="quota.exhausted", kind="quota")
def b_installed(shipment: Shipment, law: Law, holder: str, tested: bool) -> Debit:
    """The installed base of one holder in one country, within the cap of the quarter where VEU is used."""
    limit = law.printed("nveu_base_tpp") if tested else None
    return Debit(accounts.nveu(holder, shipment.asked.ship_to), shipment.tpp, limit, cites=_CITES, whole=True)


def national(shipment: Shipment, law: Law, holder: str, tested: bool) -> tuple[Debit, ...]:
    """What enters the holder's base at the destination, and leaves the one at the start.

    A move by the holder itself between its own sites inside a country does neither.
    """
    asked = shipment.asked
    enters = any(veu.authorized.program == "national" for veu in in_force(shipment, holder))
    leaves = asked.from_facility is not None and _between_own_sites(shipment, holder)
    if leaves and asked.ship_from == asked.ship_to:
        return ()
    entered = (b_installed.test(shipment, law, holder, tested),) if enters else ()
    if not leaves:
        return entered
    start = accounts.nveu(holder, asked.ship_from)
    return (*entered, Debit(start, 0, None, cites=_CITES, whole=True, falls=shipment.tpp))
