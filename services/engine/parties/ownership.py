"""Ownership: the owners of a shipment's parties, through the registered owners of owners, and whom these resemble."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rulebook.parties.ownership import DEEPEST, larger
from schemas.models.incoming import Requested
from schemas.models.parts import Party
from schemas.plan import Facts, Hit, Holding, Owned, Ownership
from services.engine.context import DecisionContext
from services.engine.parties.named import Named, named_in

MOST_OWNERS, MOST_LINKS = 1_000, 1_000
"""How many owners of owners of a shipment's parties are looked up, and how many links lead to them; of an owner whose
owners would be more all are left out. The owners of the parties themselves are all looked up.
"""


class _Known(NamedTuple):
    """What is known of a party besides its owners: where it is, its address, its LEI."""

    country: str
    address: str | None
    lei: str | None


def ownership_of(
    context: DecisionContext, asked: Requested, known: Facts, hits_of: Callable[[Named], list[Hit]]
) -> Ownership | None:
    """Who owns the parties of a shipment on its export date, and what these owners resemble; None if nothing is known.

    `known`: what is known of the parties themselves. `hits_of`: what an owner resembles in the lists by which ownership
    counts.
    """
    stated = [party for party in asked.parties if party.owners]
    if not stated and not any(party.owners for party in known.registered.values()):
        return None
    looking = _Lookup(context, asked, known, hits_of)
    parties: dict[tuple[str, str], Owned] = {}
    for party in named_in(asked):
        key = looking.one(party.id)
        if looking.owners_of(key):
            parties.setdefault((key, party.country), Owned(party.id, party.role, party.name, party.country))
    if not parties:
        return None
    looking.follow(key for key, _ in parties)
    return Ownership(tuple(parties.values()), looking.owners, looking.hits, frozenset(looking.left))


class _Lookup:
    """Looks up owners, link by link; parties are known by their surviving identifiers."""

    def __init__(
        self, context: DecisionContext, asked: Requested, known: Facts, hits_of: Callable[[Named], list[Hit]]
    ) -> None:
        self._parties = context.journal.parties
        self._day = asked.export_date
        self._hits_of = hits_of
        self.one = self._parties.survivor
        self.owners: dict[str, tuple[Holding, ...]] = {}
        self.hits: dict[str, tuple[Hit, ...]] = {}
        self.left: set[str] = set()
        self._links = MOST_LINKS
        self._cut: set[str] = set()
        self._compared: set[tuple[str, str]] = set()
        self._stated: dict[str, list[Holding]] = {}
        for party in asked.parties:
            self._stated.setdefault(self.one(party.id), []).extend(_holdings(party))
        self._named: dict[str, _Known] = {}
        for each in named_in(asked):
            self._named.setdefault(self.one(each.id), _Known(each.country, each.address, each.lei))
        self._registered = {self.one(key): party for key, party in known.registered.items()}

    def owners_of(self, key: str) -> tuple[Holding, ...]:
        """The owners of a party whose registration has been looked up, each once."""
        found = self.owners.get(key)
        if found is None:
            registered = self._registered.get(key)
            every = [*self._stated.get(key, ()), *(_holdings(registered) if registered else ())]
            found = larger(every, self.one)
            if found:
                self.owners[key] = found
        return found

    def follow(self, parties: Iterable[str]) -> None:
        """Looks up the owners of parties and of these owners, as many links as are followed."""
        level = list(dict.fromkeys(parties))
        seen, left = set(level), MOST_OWNERS
        for depth in range(1, DEEPEST + 1):
            names: dict[str, dict[str, str]] = {}
            for key in level:
                for held in self.owners_of(key):
                    names.setdefault(self.one(held.id), {}).setdefault(held.name, held.id)
            level = [key for key in names if key not in seen]
            seen.update(level)
            if depth > 1:
                self.left.update(level[left:])
                level = level[:left]
                left -= len(level)
            if not level:
                break
            self._registered |= self._parties.registered(level, self._day)
            for key, stated in names.items():
                if key not in self.left:
                    self._compare(key, stated)
            for key in level:
                self._limit(key)
        self.left |= self._cut - {key for key, _ in self._compared}

    def _limit(self, key: str) -> None:
        """Leaves out the owners of an owner where they are more than the links that are left."""
        found = self.owners_of(key)
        if len(found) > self._links:
            self._cut.update(self.one(held.id) for held in found)
            del self.owners[key]
            self._stated.pop(key, None)
            self._registered.pop(key, None)
        else:
            self._links -= len(found)

    def _compare(self, key: str, names: dict[str, str]) -> None:
        """Compares an owner with the lists, by the names under which it was stated and its registered one."""
        registered = self._registered.get(key)
        if registered is not None:
            names = {**names, registered.name: names.get(registered.name, registered.id)}
        where = self._named.get(key) or (
            _Known("", None, None)
            if registered is None
            else _Known(registered.country, registered.address, registered.lei)
        )
        found = {(hit.list, hit.entry): hit for hit in self.hits.get(key, ())}
        for name, identifier in names.items():
            if (key, name) in self._compared:
                continue
            self._compared.add((key, name))
            for hit in self._hits_of(Named(identifier, "owner", name, *where)):
                if hit.ended is None:
                    found.setdefault((hit.list, hit.entry), hit)
        if found:
            self.hits[key] = tuple(found.values())


def _holdings(party: Party) -> list[Holding]:
    return [Holding(one.id, one.name, one.share) for one in party.owners]
