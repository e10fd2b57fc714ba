"""The parties of a shipment as they are compared with names."""

from collections.abc import Iterator
from typing import NamedTuple

from ledger.registers.names.clearings import Seen
from schemas.models.incoming import Requested
from schemas.models.parts import Parent, Party


class Named(NamedTuple):
    """A party as it is compared: its identifier, its role, its name, and what else is known of it."""

    id: str
    role: str
    name: str
    country: str
    address: str | None = None
    lei: str | None = None

    @property
    def seen(self) -> Seen:
        """What a clearing compares of it."""
        return Seen(self.name, self.country, self.lei)


def named_in(asked: Requested) -> list[Named]:
    """The parties of a shipment and their ultimate parents, each once, with the first of its roles."""
    found: dict[tuple[str, str], Named] = {}
    for role, party in roles_of(asked):
        found.setdefault((party.id, party.name), named(role, party))
    for role, party in roles_of(asked):
        parent = party.ultimate_parent
        if parent is not None:
            found.setdefault((parent.id, parent.name), named_parent(f"ultimate parent of the {role}", parent))
    return list(found.values())


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
