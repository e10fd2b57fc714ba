"""The parties of a shipment as they are compared with names."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.registers.names.clearings import Seen
from schemas.models.incoming import Requested
from schemas.models.parts import Parent, Party


class Named(NamedTuple):
    """A party as it is compared: its identifier, its role, its name, and what else is known of it.

    `first`: the country that is said of it first, where several are.
    """

    id: str
    role: str
    name: str
    country: str
    address: str | None = None
    lei: str | None = None
    first: str | None = None

    @property
    def seen(self) -> Seen:
        """What a clearing compares of it."""
        return Seen(self.name, self.first or self.country, self.lei)


def named_in(asked: Requested) -> list[Named]:
    """The parties of a shipment and their ultimate parents, with the first of their roles.

    A party is there more than once where several countries, addresses, LEIs or names are said of it. An LEI that is
    said of it once counts wherever none is said.
    """
    found: dict[tuple[str, str], list[Named]] = {}
    parents: dict[tuple[str, str], list[tuple[str, Parent]]] = {}
    for role, party in roles_of(asked):
        found.setdefault((party.id, party.name), []).append(named(role, party))
        parent = party.ultimate_parent
        if parent is not None:
            parents.setdefault((parent.id, parent.name), []).append((role, parent))
    for key, stated in parents.items():
        if key in found:
            found[key] += [found[key][0]._replace(address=None, lei=parent.lei) for _, parent in stated]
        else:
            found[key] = [named_parent(f"ultimate parent of the {role}", parent) for role, parent in stated]
    return [each for some in found.values() for each in (some if len(some) == 1 else _apart(some))]


def _apart(some: Sequence[Named]) -> Iterator[Named]:
    """What is said of a party of one name in several places, each once."""
    first = some[0]
    lei = next((one.lei for one in some if one.lei is not None), None)
    yield from dict.fromkeys(
        one._replace(role=first.role, lei=one.lei or lei, first=first.country if one.lei in (None, lei) else None)
        for one in some
    )


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
