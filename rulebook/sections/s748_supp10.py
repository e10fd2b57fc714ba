"""Supplement No. 10 to part 748, paragraph 6: the geographic shares of universal validated end-users."""

from rulebook.law.law import Law
from rulebook.law.provisions import provision
from rulebook.law.shipment import Shipment
from rulebook.sections.s748_15_bases import moved
from schemas import accounts
from schemas.plan import Debit, Share, Veu

_CITES = "Supplement No. 10 to part 748, paragraph 6"
_CODE = "veu.share_exceeded"


def _changed(shipment: Shipment, account: str, ends: bool, starts: bool, limit: Share | None = None) -> Debit | None:
    """What a part gains where the shipment ends in it, and loses where a move starts in it; tested where it gains."""
    if not ends and not starts:
        return None
    tpp = shipment.tpp
    gain, loss = tpp if ends else 0, tpp if starts else 0
    return Debit(account, gain, limit if ends else None, _CITES, _CODE, whole=True, falls=loss)


@provision(_CITES, row="VEU 7 outside 5(a)", code=_CODE, kind="quota")
def p6_outside(shipment: Shipment, law: Law, holder: str, tested: bool, start: str | None) -> Debit | None:
    """At most 25 % of the group's total in destinations outside Supplement No. 5(a)."""
    inside = law.members("supp5a")
    limit = Share(law.amount("uveu_outside_5a_percent"), accounts.uveu(holder, "total")) if tested else None
    ends, starts = shipment.asked.ship_to not in inside, start is not None and start not in inside
    return _changed(shipment, accounts.uveu(holder, "outside-5a"), ends, starts, limit)


@provision(_CITES, row="VEU 7 one country", code=_CODE, kind="quota")
def p6_country(shipment: Shipment, law: Law, holder: str, tested: bool) -> Debit:
    """At most 7 % of the group's total in any one country outside Supplement No. 5(a)."""
    place = shipment.asked.ship_to
    limited = tested and place not in law.members("supp5a")
    limit = Share(law.amount("uveu_country_percent"), accounts.uveu(holder, "total")) if limited else None
    return Debit(accounts.uveu(holder, place), shipment.tpp, limit, _CITES, _CODE, whole=True)


@provision(_CITES, row="VEU 7 outside US", code=_CODE, kind="quota")
def p6_outside_us(shipment: Shipment, law: Law, holder: str, tested: bool, start: str | None) -> Debit | None:
    """At most 50 % of the total outside the United States, where holder or parent is headquartered there.

    The text measures it on 1 February and 1 August; it is tested at each shipment, and a reviewer may set it aside.
    """
    home = law.members("united_states")
    american = any(
        not home.isdisjoint((said.headquarters, said.parent_headquarters)) for said in shipment.said_of_consignee
    )
    limited = tested and american and _CODE not in shipment.set_aside
    limit = Share(law.amount("uveu_outside_us_percent"), accounts.uveu(holder, "total")) if limited else None
    ends, starts = shipment.asked.ship_to not in home, start is not None and start not in home
    return _changed(shipment, accounts.uveu(holder, "outside-us"), ends, starts, limit)


def shares(shipment: Shipment, law: Law, veu: Veu, tested: bool) -> tuple[Debit, ...]:
    """The total of a universal holder's group and each part of it that changes; limits only where its VEU is used.

    A move leaves the total as it is, and lowers the parts that it starts in by at most what is there. Within a country
    it changes nothing.
    """
    holder = shipment.facts.one(veu.authorized.holder)
    asked = shipment.asked
    start = asked.ship_from if moved(shipment, veu) else None
    if start == asked.ship_to:
        return ()
    parts = [
        p6_outside.test(shipment, law, holder, tested, start),
        p6_outside_us.test(shipment, law, holder, tested, start),
        p6_country.test(shipment, law, holder, tested),
    ]
    if start is None:
        parts.insert(0, Debit(accounts.uveu(holder, "total"), shipment.tpp, None, _CITES, _CODE, whole=True))
    else:
        parts.append(_changed(shipment, accounts.uveu(holder, start), ends=False, starts=True))
    return tuple(part for part in parts if part is not None)
