"""What licences, authorizations and notices name: items by ECCN and part number, parties by identifier."""

from collections.abc import Iterable, Sequence

from rulebook.law.law import Law
from rulebook.law.shipment import Shipment
from schemas.models.incoming import Item
from schemas.models.parts import NamedItem, Party
from schemas.plan import Line


def is_of(eccn: str, heading: str) -> bool:
    """Whether an ECCN is this one or a sub-paragraph of it.

    >>> is_of("3A090.a", "3A090"), is_of("3A001.z.1.a", "3A001.z.1"), is_of("3A090", "3A090.a")
    (True, True, False)
    """
    return eccn == heading or eccn.startswith(f"{heading}.")


def same_part(one: str, other: str) -> bool:
    """Whether two part numbers are one, without regard to case and outer spaces."""
    return one.strip().casefold() == other.strip().casefold()


def names_item(names: Iterable[NamedItem], line: Line, item: Item) -> bool:
    """Whether one of these names a line, by the class in force; the declared ECCN tells which paragraph of it."""
    eccns = [line.eccn, item.eccn] if is_of(item.eccn, line.eccn) else [line.eccn]
    return any(
        (one.eccn is None or any(is_of(eccn, one.eccn) for eccn in eccns))
        and (one.part_number is None or same_part(one.part_number, item.part_number))
        for one in names
    )


def unnamed(shipment: Shipment, lines: Iterable[Line], names: Sequence[NamedItem]) -> list[Line]:
    """Those of the lines that none of these names."""
    items = {item.line: item for item in shipment.asked.items}
    return [line for line in lines if not names_item(names, line, items[line.line])]


def commodity(line: Line, *levels: str) -> bool:
    """Whether a line is a commodity of one of these levels."""
    return line.level in levels and not line.software


def to_be_named(shipment: Shipment, law: Law) -> list[tuple[str, Party, list[str]]]:
    """The receiving parties of D:5, Macau or part 746: role, party, and the countries that make them so."""
    places = law.members("named_by_license")
    each = ((role, party, _within(party, places)) for role, party in shipment.receivers)
    return [(role, party, countries) for role, party, countries in each if countries]


def touches_part_746(shipment: Shipment, law: Law) -> bool:
    """Whether a destination or a receiving party is of part 746, by location, headquarters or ultimate parent."""
    places = law.members("part_746")
    return not places.isdisjoint(shipment.destinations) or any(
        _within(party, places) for _, party in shipment.receivers
    )


def _within(party: Party, places: frozenset[str]) -> list[str]:
    """Which of these places the party is of: its location, its headquarters, its parent's."""
    countries = dict.fromkeys((party.country, party.headquarters, party.parent_headquarters))
    return [country for country in countries if country in places]
