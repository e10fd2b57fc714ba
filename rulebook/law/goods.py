"""What is shipped, without how much, to whom and when: what is found of it alone is found once for a period."""

from typing import Any

from rulebook.law.law import Law
from schemas.plan import Finding, Line

_MOST_LINES = 8
"""How many lines goods may have to be kept: those of more are hardly met again, and take room."""


class Goods:
    """The lines that need a licence, as paragraphs read them that look at nothing else; their amounts are 0.

    `found`: what such paragraphs gave, by provision.
    """

    __slots__ = ("found", "needing")

    def __init__(self, needing: tuple[Line, ...]) -> None:
        self.needing = tuple([line._replace(tpp=0, unit_tpp=0) for line in needing])
        self.found: dict[Any, tuple[Finding, ...]] = {}


class Route:
    """Which goods go where and how, without how much, under which names and when; the amounts of lines are 0.

    The fields are those of a shipment, `ship_to`, `transaction` and `uses` those of its request. `goods` are the lines
    that need a licence. `tried`: what was found of it, by the provisions that an authorization tries, in order: the
    findings of paragraphs that look at nothing else, and between them the others, which are to be tried.
    """

    __slots__ = (
        "barred",
        "barred_parties",
        "destinations",
        "domestic",
        "goods",
        "lines",
        "needing",
        "ship_to",
        "transaction",
        "tried",
        "uses",
    )

    def __init__(self, shipment: Any, law: Law) -> None:
        self.lines = tuple([line._replace(tpp=0, unit_tpp=0) for line in shipment.lines])
        self.goods = _goods_of(shipment.needing, law)
        self.needing = self.goods.needing
        self.ship_to = shipment.asked.ship_to
        self.destinations = shipment.destinations
        self.domestic = shipment.domestic
        self.transaction = shipment.asked.transaction
        self.uses = shipment.asked.part_744_uses
        self.barred = shipment.barred
        self.barred_parties = shipment.barred_parties
        self.tried: dict[Any, Any] = {}


def route_of(shipment: Any, law: Law) -> Route:
    """The route of a shipment whose lines in need are known: the same object for all that differ in nothing of it."""
    lines, needing = shipment.lines, shipment.needing
    if len(lines) > _MOST_LINES:
        return Route(shipment, law)
    asked = shipment.asked
    key = (
        "route",
        *[line[:4] + line[6:] for line in lines],
        len(needing) == len(lines) or tuple([line.line for line in needing]),
        shipment.destinations,
        shipment.domestic,
        asked.transaction,
        tuple(asked.part_744_uses),
        shipment.barred,
        shipment.barred_parties,
    )
    known: Route | None = law.worked_out.get(key)
    if known is None:
        known = Route(shipment, law)
        law.remember(key, known)
    return known


def _goods_of(needing: tuple[Line, ...], law: Law) -> Goods:
    """The goods of these lines: the same object for lines that differ in their amounts alone."""
    if len(needing) > _MOST_LINES:
        return Goods(needing)
    key = ("goods", *[line[:4] + line[6:] for line in needing])
    known: Goods | None = law.worked_out.get(key)
    if known is None:
        known = Goods(needing)
        law.remember(key, known)
    return known
