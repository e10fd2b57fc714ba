"""Supplement No. 10 to part 748, paragraph 6: the geographic shares of universal validated end-users."""

from rulebook.law.law import Law
from rulebook.law.provisions import provision
from rulebook.law.shipment import Shipment
from schemas import accounts
from schemas.plan import Debit, Share

_CITES = "Supplement No. 10 to part 748, paragraph 6"
_CODE = "veu.share_exceeded"


@provision(_CITES, row="VEU 7 outside 5(a)", code=_CODE, kind="quota")
def p6_outside(shipment: Shipment, law: Law, holder: str, tested: bool) -> Debit | None:
    """At most 25 % of the holder's total in destinations outside Supplement No. 5(a)."""
    if shipment.asked.ship_to in law.members("supp5a"):
        return None
    limit = Share(law.amount("uveu_outside_5a_percent"), accounts.uveu(holder, "total")) if tested else None
    return Debit(accounts.uveu(holder, "outside-5a"), shipment.tpp, limit, _CITES, _CODE, whole=True)


@provision(_CITES, row="VEU 7 one country", code=_CODE, kind="quota")
def p6_country(shipment: Shipment, law: Law, holder: str, tested: bool) -> Debit:
    """At most 7 % of the holder's total in any one country outside Supplement No. 5(a)."""
    place = shipment.asked.ship_to
    limited = tested and place not in law.members("supp5a")
    limit = Share(law.amount("uveu_country_percent"), accounts.uveu(holder, "total")) if limited else None
    return Debit(accounts.uveu(holder, place), shipment.tpp, limit, _CITES, _CODE, whole=True)


@provision(_CITES, row="VEU 7 outside US", code=_CODE, kind="quota")
def p6_outside_us(shipment: Shipment, law: Law, holder: str, tested: bool) -> Debit | None:
    """At most 50 % of the total outside the United States, where holder or parent is headquartered there.

    The text measures it on 1 February and 1 August; it is tested at each shipment, and a reviewer may set it aside.
    """
    home = law.members("united_states")
    if shipment.asked.ship_to in home:
        return None
    american = any(
        not home.isdisjoint((said.headquarters, said.parent_headquarters)) for said in shipment.said_of_consignee
    )
    limited = tested and american and _CODE not in shipment.set_aside
    limit = Share(law.amount("uveu_outside_us_percent"), accounts.uveu(holder, "total")) if limited else None
    return Debit(accounts.uveu(holder, "outside-us"), shipment.tpp, limit, _CITES, _CODE, whole=True)


def shares(shipment: Shipment, law: Law, holder: str, tested: bool) -> tuple[Debit, ...]:
    """The holder's total and each part of it that the destination belongs to; limits only where VEU is used."""
    total = Debit(accounts.uveu(holder, "total"), shipment.tpp, None, _CITES, _CODE, whole=True)
    parts = (row.test(shipment, law, holder, tested) for row in (p6_outside, p6_outside_us, p6_country))
    return (total, *(part for part in parts if part is not None))
