"""The lists in force as people see them, and a search in them, which writes nothing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.database.store import Connection
from ledger.queries.names.lists import LoadedList, lists_in_force
from ledger.queries.work_list import ledger_day
from rulebook.parties.matching import Asked, Match
from schemas.times import instant_text
from services.engine.indexes import Indexes
from services.engine.parties.screening import decimal

LEAST = 50
"""The least score that a search gives, in hundredths."""
FIRST = 10
"""How many entries a search gives for a name where nothing is said."""
MOST = 100
"""How many it gives at most."""


class Found(NamedTuple):
    """An entry of a list that a name resembles."""

    loaded: LoadedList
    match: Match

    def to_json(self, name: str) -> dict[str, Any]:
        """The match as the facts of a hold have it, and whether it would hold."""
        data, match = self.loaded.data, self.match
        return {
            "name": name,
            "list": data.name,
            "version": data.version,
            "entry": match.entry.id,
            "listed_name": match.entry.name,
            "matched_alias": match.matched,
            "score": decimal(match.score),
            "threshold": decimal(data.least),
            "hit": match.score >= data.least,
            "country_agrees": match.country_agrees,
            "country_points": decimal(match.country_points),
            "address_points": decimal(match.address_points),
            "explanation": [
                {"asked": one.asked, "listed": one.listed, "score": decimal(one.score // 100)} for one in match.pairs
            ],
        }


def status(connection: Connection) -> list[dict[str, Any]]:
    """The lists in force, by name; ages are those on the day of the last tick, null before the first one."""
    today = ledger_day(connection)
    return [
        {
            "name": one.data.name,
            "version": one.data.version,
            "entries": one.data.entries,
            "digest": one.digest,
            "loaded": instant_text(one.happened),
            "age_days": None if today is None else one.age(today),
            "threshold": decimal(one.data.least),
            "stale": one.is_stale(today),
        }
        for one in lists_in_force(connection)
    ]


class Search:
    """A search in the lists in force. Raises LedgerCorrupt where the ledger lacks a list's content."""

    def __init__(self, lists: Sequence[LoadedList], indexes: Indexes) -> None:
        digests = [one.data.sha256 for one in lists]
        indexes.prepare(digests)
        self._lists = list(zip(lists, indexes.all_of(digests), strict=True))

    def resembling(self, asked: Asked, limit: int) -> dict[str, Any]:
        """The entries that a party resembles at LEAST or more: best first, ties by list and entry."""
        found = [
            Found(loaded, match)
            for loaded, prepared in self._lists
            for match in prepared.index.matches(asked, LEAST, loaded.data.least)
        ]
        found.sort(key=lambda one: (-one.match.score, one.loaded.data.name, one.match.entry.id))
        return {"name": asked.name, "matches": [one.to_json(asked.name) for one in found[:limit]]}
