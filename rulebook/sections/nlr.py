"""NLR: what needs no licence (742.6, 744.23, part 746)."""

from rulebook.law.authorization import plan
from rulebook.law.law import Law
from rulebook.law.provisions import try_all
from rulebook.law.shipment import Shipment
from rulebook.sections import s742_6, s774_supp1
from schemas.plan import Option

_NLR = (
    s742_6.a6_worldwide,
    s742_6.a6_b_items,
    s742_6.s744_23_b_items,
    s742_6.s744_23_memory,
    s774_supp1.no_license,
)


def nlr(shipment: Shipment, law: Law) -> tuple[Option, ...]:
    """No licence required: no line needs one to this destination and these parties."""
    return (plan(shipment, "NLR", try_all(shipment, law, _NLR)),)
