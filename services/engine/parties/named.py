"""The parties of a shipment as they are compared with names."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ledger.registers.names.clearings import Seen
from schemas.models.incoming import Requested
from schemas.models.parts import Parent, Party


class Named(NamedTuple):
    """A party as it is compared: its identifier, its role, its name, and what else is known of it.

    `seen_in`: the country that a clearing compares, None where that is `country`.
    """

    id: str
    role: str
    name: str
    country: str
    address: str | None = None
    lei: str | None = None
    seen_in: str | None = None

    @property
    def seen(self) -> Seen:
        """What a clearing compares of it."""
        return Seen(self.name, self.country if self.seen_in is None else self.seen_in, self.lei)


def named_in(asked: Requested) -> list[Named]:
    """The parties of a shipment and their ultimate parents, each once, with the first of its roles.

    One that is stated again under its name with another country, address or LEI is there with each of them. For a
    clearing its country is the one that is stated first, and its LEI is known wherever it is not stated.
    """
    every = [named(role, party) for role, party in roles_of(asked)]
    parents = [
        named_parent(f"ultimate parent of the {role}", party.ultimate_parent)
        for role, party in roles_of(asked)
        if party.ultimate_parent is not None
    ]
    leis = {(one.id, one.name): one.lei for one in reversed([*every, *parents]) if one.lei is not None}
    found: dict[tuple[str, str], dict[Named, Named]] = {}
    for one in every:
        _add(found, one, leis)
    for one in parents:
        stated = found.get((one.id, one.name), {})
        if not stated or one.lei not in (None, *(each.lei for each in stated)):
            _add(found, one, leis)
    return [one for stated in found.values() for one in stated.values()]


def _add(found: dict[tuple[str, str], dict[Named, Named]], one: Named, leis: Mapping[tuple[str, str], str]) -> None:
    key = one.id, one.name
    stated = found.setdefault(key, {})
    first = next(iter(stated.values()), one)
    made = one._replace(lei=one.lei or leis.get(key), seen_in=first.seen_in or first.country)
    stated.setdefault(made._replace(role=""), made)


def named(role: str, party: Party) -> Named:
    """A party as it is compared."""
    return Named(party.id, role, party.name, party.country, party.address, party.lei)


def named_parent(role: str, parent: Parent) -> Named:
    """An ultimate parent as it is compared: in the country of its headquarters."""
    return Named(parent.id, role, parent.name, parent.headquarters, lei=parent.lei)


def roles_of(asked: Requested) -> Iterator[tuple[str, Party]]:
    """Each party of a shipment with its role, the exporter last."""
    yield "ultimate consignee", asked.ultimate_consignee
    for role, parties in (
        ("end user", asked.end_user),
        ("operator", asked.operator),
        ("purchaser", asked.purchaser),
        ("intermediate consignee", asked.intermediate_consignees),
    ):
        for party in parties or ():
            yield role, party
    yield "exporter", asked.exporter
