"""The inbox and the outbox: each event once, with everything that was given out for it, in order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt

if TYPE_CHECKING:
    from ledger.journal import Journal

Key = tuple[str, str]
"""The source and id of an event: what identifies it for ever."""


@dataclass(frozen=True, slots=True)
class Known:
    """An event that the ledger has already answered: its record, its bytes, and its answers, one JSON text a line."""

    n: int
    event: bytes
    answers: str


class Mail:
    """What the journal holds of events and answers. A record's answers are its outbox, in the order of publication."""

    def __init__(self, journal: "Journal") -> None:
        self._journal = journal
        self._known: dict[Key, Known] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._mentions: list[tuple[str, int]] = []
        self.written: int = journal.head.n

    def recall(self, keys: Iterable[Key]) -> None:
        """Reads, in one query for all, which of these events the ledger has already answered."""
        table = tables.journal
        wanted: dict[str, set[str]] = {}
        for source, identifier in keys:
            wanted.setdefault(source, set()).add(identifier)
        journal = self._journal
        for source, ids in wanted.items():
            query = select(table.c.id, table.c.n, table.c.event, table.c.answers)
            chosen = query.where(table.c.source == source, journal.store.among(table.c.id, ids))
            for row in journal.connection.execute(chosen):
                self._known[source, row.id] = Known(row.n, row.event, row.answers)

    def known(self, key: Key) -> Known | None:
        """The event under this key, of those recalled and those remembered since."""
        return self._known.get(key)

    def remember(
        self, key: Key, kind: str, shipment: str | None, happened: int | None, position: str, event: bytes, answers: str
    ) -> None:
        """Records an event with its answers under the number of the record that is being made."""
        journal = self._journal
        self._known[key] = Known(journal.n, event, answers)
        rests_on = journal.rests_on(shipment)
        self._rows.append(
            (journal.n, *key, kind, shipment, happened, journal.recorded, position, event, answers, rests_on)
        )

    def mention(self, shipment: str) -> None:
        """Notes that this record decides a shipment which its event does not name."""
        self._mentions.append((shipment, self._journal.n))

    def event(self, n: int) -> bytes:
        """The bytes of the event of a record."""
        for row in reversed(self._rows):
            if row[0] == n:
                return bytes(row[8])
        table = tables.journal
        found = self._journal.connection.execute(select(table.c.event).where(table.c.n == n)).scalar_one_or_none()
        if found is None:
            raise LedgerCorrupt(f"journal record {n} is missing")
        return bytes(found)

    def answers(self, n: int) -> str:
        """What was given out for a record, one JSON text a line."""
        for row in reversed(self._rows):
            if row[0] == n:
                return str(row[9])
        table = tables.journal
        return str(self._journal.connection.execute(select(table.c.answers).where(table.c.n == n)).scalar_one())

    def forget(self) -> None:
        """Lets go of the events and answers of the transaction, which are large."""
        self._known.clear()

    def flush(self) -> None:
        """Writes what was remembered."""
        journal = self._journal
        journal.store.insert(journal.connection, tables.journal, self._rows)
        journal.store.insert(journal.connection, tables.mention, self._mentions)
        if self._rows:
            self.written = self._rows[-1][0]
        self._rows, self._mentions = [], []
