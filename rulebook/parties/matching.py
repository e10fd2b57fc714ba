"""Which entries of a list a party resembles: by name, address and LEI, and how much."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rulebook.parties.addresses import AddressIndex, is_address, same_address
from rulebook.parties.entries import ListEntry
from rulebook.parties.index import NameIndex, Resemblance
from rulebook.parties.scoring import ONE, Pair
from rulebook.parties.vocabulary import PART_OF

__all__ = ["Asked", "ListIndex", "Match", "Pair"]

COUNTRY_AGREES, COUNTRY_DIFFERS, ADDRESS_AGREES = 1, -2, 5
"""Hundredths by which a country raises or lowers a score and an address raises it.

A name of eight letters with one of them wrong scores 0.87, so that it stays at 0.85 in another country too. A telling
word that agrees beside a common one that does not scores 0.83, and stays below it in the same country: a country is
shared by very many. An address that differs says nothing: a company has several, and a list seldom has all of them.
"""
_MOST_RAISED = COUNTRY_AGREES + ADDRESS_AGREES
_HUNDREDTH = ONE // 100
_ROOM, _ROOM_OF_A_MATCH = 1 << 24, 1_000
"""About how many bytes the names that are remembered take at most, and how many one resemblance takes."""


class Asked(NamedTuple):
    """A party as it is looked up. `country` is an ISO 3166-1 alpha-2 code."""

    name: str
    country: str | None = None
    address: str | None = None
    lei: str | None = None


class Match(NamedTuple):
    """An entry that a party resembles.

    `matched` is the listed name or alias that resembles it most, in the entry's own spelling, or the LEI or the address
    if that is what agrees. `score` is in hundredths, rounded down: 100 is 1.00. The points for country and address are
    in it, and are what they really moved: without them, the names alone have `score - country_points - address_points`.
    `country_agrees` is None where one side has no country. `pairs` are the words of both, with how much they agree in
    ten thousandths; a word without a counterpart stands beside an empty text.
    """

    entry: ListEntry
    matched: str
    score: int
    country_agrees: bool | None
    country_points: int
    address_points: int
    pairs: tuple[Pair, ...]


class ListIndex:
    """The entries of a list, so that those that a party resembles are found quickly.

    What is found depends on the entries alone, not on their order, and not on what was asked before. An index may be
    used by several threads.
    """

    def __init__(self, entries: Iterable[ListEntry]) -> None:
        self._entries = tuple(sorted(entries, key=lambda entry: entry.id))
        self._listed = tuple((entry.name, *entry.aliases) for entry in self._entries)
        places = {at for at, entry in enumerate(self._entries) if is_address(entry.name)}
        self._names = NameIndex(() if at in places else names for at, names in enumerate(self._listed))
        self._places = AddressIndex({at: self._entries[at].addresses for at in sorted(places)})
        self._leis: dict[str, list[int]] = {}
        for at, entry in enumerate(self._entries):
            for lei in entry.leis:
                self._leis.setdefault(_plain(lei), []).append(at)
        self._remembered: dict[tuple[Asked, int, int], tuple[Match, ...]] = {}
        self._room = _ROOM

    def matches(self, asked: Asked, least: int, threshold: int | None = None) -> list[Match]:
        """The entries that a party resembles at `least` (hundredths) or more, best first, ties by id, each once.

        The country and the address never take a name that is the entry's own below `threshold`, which is `least` if it
        is not given. A bounded number of parties is remembered.
        """
        threshold = least if threshold is None else threshold
        found = self._remembered.get((asked, least, threshold))
        if found is None:
            found = self._found(asked, least, threshold)
            self._remember((asked, least, threshold), found)
        return list(found)

    def _remember(self, key: tuple[Asked, int, int], found: tuple[Match, ...]) -> None:
        asked = key[0]
        size = 300 + 4 * (len(asked.name) + len(asked.address or "")) + _ROOM_OF_A_MATCH * len(found)
        if size > self._room:
            self._remembered.clear()
            self._room = _ROOM
        self._room -= size
        self._remembered[key] = found

    def _found(self, asked: Asked, least: int, threshold: int) -> tuple[Match, ...]:
        found: dict[int, Match] = {}
        for match, at in self._all(asked, least, threshold):
            known = found.get(at)
            if match.score >= least and (known is None or match.score > known.score):
                found[at] = match
        return tuple(sorted(found.values(), key=lambda match: (-match.score, match.entry.id)))

    def _all(self, asked: Asked, least: int, threshold: int) -> Iterator[tuple[Match, int]]:
        for one in self._names.resembling(asked.name, max(least - _MOST_RAISED, 0) * _HUNDREDTH):
            yield self._match(asked, one, self._listed[one.entry][one.name], threshold), one.entry
        if asked.address:
            for at, address, score, pairs in self._places.resembling(asked.address):
                one = Resemblance(at, 0, score, pairs)
                yield self._match(asked._replace(address=None), one, address, threshold), at
        if asked.lei:
            lei = _plain(asked.lei)
            for at in self._leis.get(lei, ()):
                agrees = _country_agrees(asked, self._entries[at])
                yield Match(self._entries[at], lei, 100, agrees, 0, 0, (Pair(lei, lei, ONE),)), at

    def _match(self, asked: Asked, one: Resemblance, matched: str, threshold: int) -> Match:
        entry = self._entries[one.entry]
        agrees = _country_agrees(asked, entry)
        alone = total = one.score // _HUNDREDTH
        if agrees is not None:
            total = min(max(total + (COUNTRY_AGREES if agrees else COUNTRY_DIFFERS), 0), 100)
        country_points = total - alone
        if asked.address and total < 100 and same_address(asked.address, entry.addresses):
            total = min(total + ADDRESS_AGREES, 100)
        address_points = total - alone - country_points
        if alone == 100 and total < threshold:
            country_points, total = country_points + threshold - total, threshold
        return Match(entry, matched, total, agrees, country_points, address_points, one.pairs)


def _plain(lei: str) -> str:
    return "".join(lei.split()).upper()


def _country_agrees(asked: Asked, entry: ListEntry) -> bool | None:
    if not asked.country or not entry.countries:
        return None
    country = asked.country.upper()
    return PART_OF.get(country, country) in {PART_OF.get(one, one) for one in entry.countries}
