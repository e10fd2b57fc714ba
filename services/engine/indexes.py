"""Indexes of restricted-party lists: built once for a digest, outside every turn, and shared by all batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ledger.database.store import LedgerCorrupt, Store
from ledger.registers.names.lists import content

if TYPE_CHECKING:
    from rulebook.parties.entries import ListEntry
    from rulebook.parties.matching import ListIndex

T = TypeVar("T")

KEPT = 4
"""How many indexes are kept that nobody waits for: those asked for last."""


class Unprepared(Exception):
    """A transaction needs indexes that are not built: it is rolled back, they are built, and it is tried again.

    `digests` are all that it needs, built or not.
    """

    def __init__(self, digests: Collection[str]) -> None:
        super().__init__()
        self.digests = digests


@dataclass(frozen=True, slots=True)
class Prepared:
    """A list as it is searched: its entries by their ids, and their index."""

    entries: dict[str, ListEntry]
    index: ListIndex


class Indexes:
    """The indexes of a process. Any number of threads may ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._built: dict[str, Prepared] = {}

    def all_of(self, digests: Collection[str]) -> list[Prepared]:
        """The lists of these digests, in order; raises Unprepared if one is not built."""
        try:
            return [self._built[digest] for digest in digests]
        except KeyError:
            raise Unprepared(digests) from None

    def prepare(self, digests: Collection[str]) -> None:
        """Builds what is not built yet; raises LedgerCorrupt where the ledger lacks a list's content."""
        with self._lock:
            for digest in digests:
                found = self._built.get(digest) or self._build(digest)
                others = {key: one for key, one in self._built.items() if key != digest}
                self._built = {**others, digest: found}
            excess = len(self._built) - max(KEPT, len(digests))
            if excess > 0:
                self._built = dict(list(self._built.items())[excess:])

    def having_built(self, do: Callable[[], T]) -> T:
        """What a function returns; where it raises Unprepared the indexes are built, and it is called again."""
        wanted: dict[str, None] = {}
        while True:
            try:
                return do()
            except Unprepared as needed:
                wanted |= dict.fromkeys(needed.digests)
                self.prepare(wanted)

    def _build(self, digest: str) -> Prepared:
        from rulebook.parties.entries import digest_of, entries_of
        from rulebook.parties.matching import ListIndex

        text = content(self._store, digest)
        if digest_of(text) != digest:
            raise LedgerCorrupt(f"the ledger is damaged: the content kept for the list {digest} is another")
        entries = entries_of(text)
        return Prepared({entry.id: entry for entry in entries}, ListIndex(entries))
