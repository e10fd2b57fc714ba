"""Temporary."""

from collections.abc import Iterable
from typing import NamedTuple

from rulebook.parties.entries import ListEntry
from rulebook.parties.index import Index
from rulebook.parties.scoring import Pair


class Asked(NamedTuple):
    name: str
    country: str | None = None
    address: str | None = None
    lei: str | None = None


class Match(NamedTuple):
    entry: ListEntry
    matched: str
    score: int
    country_agrees: bool | None
    country_points: int
    address_points: int
    pairs: tuple[Pair, ...]


class ListIndex:
    def __init__(self, entries: Iterable[ListEntry]) -> None:
        self.entries = tuple(entries)
        self.index = Index([(one.name, *one.aliases) for one in self.entries])

    def matches(self, asked: Asked, least: int) -> list[Match]:
        return [
            Match(self.entries[one.entry], one.name, one.score // 100, None, 0, 0, one.pairs)
            for one in self.index.resembling(asked.name, least * 100)
        ]
