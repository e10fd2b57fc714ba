"""What is shipped, without how much, to whom and when: what is found of it alone is found once for a period."""

from typing import Any, NamedTuple

from rulebook.law.law import Law
from schemas.plan import Line

_MOST_LINES = 8
"""How many lines goods may have to be kept: those of more are hardly met again, and take room."""


class Goods:
    """The lines that need a licence, as paragraphs read them that look at nothing else; their amounts are 0.

    `found`: what such paragraphs gave, by provision.
    """

    __slots__ = ("found", "needing")

    def __init__(self, needing: tuple[Line, ...]) -> None:
        self.needing = tuple([line._replace(tpp=0, unit_tpp=0) for line in needing])
        self.found: dict[Any, Any] = {}


class Given(NamedTuple):
    """Which facts there are of a shipment at all, beside its goods and its way; the most of them mostly are not.

    `lists` of parties in force, `ownership`, `namesakes` and `veus` as facts have them, `red_flags` as the request
    has them. `moved`: a place is a territory. `doubtful`: a line is said not to be subject to the EAR.
    """

    lists: bool
    ownership: bool
    namesakes: bool
    veus: bool
    red_flags: bool
    moved: bool
    doubtful: bool


class Route:
    """Which goods go where and how, without how much, under which names and when; the amounts of lines are 0.

    The fields are those of a shipment, `ship_from`, `ship_to`, `transaction` and `uses` those of its request; of what
    has names in it, `barred`, `barred_parties` and `embargoed`, only whether there is any. `goods` are the lines that
    need a licence, `levels` those of all lines. `tried`: what was found of it, by the provisions that are tried
    together: the findings of paragraphs that look at nothing else, and between them the others, which are to be tried.
    `covering`: the same route where other lines are to be covered, by their numbers.
    """

    __slots__ = (
        "barred",
        "barred_parties",
        "covering",
        "destinations",
        "domestic",
        "embargoed",
        "given",
        "goods",
        "levels",
        "lines",
        "needing",
        "ship_from",
        "ship_to",
        "transaction",
        "tried",
        "uses",
    )

    def __init__(self, shipment: Any, law: Law) -> None:
        self.lines = tuple([line._replace(tpp=0, unit_tpp=0) for line in shipment.lines])
        self.levels = frozenset([line.level for line in shipment.lines])
        self.goods = _goods_of(shipment.needing, law)
        self.needing = self.goods.needing
        self.ship_from = shipment.asked.ship_from
        self.ship_to = shipment.asked.ship_to
        self.destinations = shipment.destinations
        self.domestic = shipment.domestic
        self.transaction = shipment.asked.transaction
        self.uses = shipment.asked.part_744_uses
        self.barred = bool(shipment.barred)
        self.barred_parties = bool(shipment.barred_parties)
        self.embargoed = bool(shipment.embargoed)
        self.given = shipment.given
        self.tried: dict[Any, Any] = {}
        self.covering: dict[Any, Route] = {}


def route_of(shipment: Any, law: Law) -> Route:
    """The route of a shipment of which nothing is to be covered yet: the same object for all that agree in it."""
    lines = shipment.lines
    if len(lines) > _MOST_LINES:
        return Route(shipment, law)
    asked = shipment.asked
    key = (
        "route",
        *[line[:4] + line[6:] for line in lines],
        asked.ship_from,
        shipment.destinations,
        shipment.domestic,
        asked.transaction,
        asked.part_744_uses,
        not shipment.barred,
        not shipment.barred_parties,
        not shipment.embargoed,
        shipment.given,
    )
    known: Route | None = law.worked_out.get(key)
    if known is None:
        known = Route(shipment, law)
        law.remember(key, known)
    return known


def route_to_cover(shipment: Any, law: Law) -> Route:
    """The shipment's route where the lines are to be covered that need a licence."""
    needing, covering = shipment.needing, shipment.route.covering
    which = len(needing) == len(shipment.lines) or tuple([line.line for line in needing])
    known: Route | None = covering.get(which)
    if known is None:
        known = covering[which] = Route(shipment, law)
        known.covering = covering
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
