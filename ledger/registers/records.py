"""Records: each event once, with all its answers, in the order of publication."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
from sqlalchemy import bindparam, select

from ledger.database import tables
from ledger.database.columns import lines_of
from ledger.database.statements import Load, Statement
from ledger.database.store import LedgerCorrupt, contains
from ledger.registers.transaction import Transaction
from schemas.wire.read import Event, Rejection, read_record

Key = tuple[str, str]
"""The source and id of an event, which identify it permanently."""

_J = tables.journal
_ANSWERED = Statement(
    lambda among: among.unique((_J.c.source, _J.c.id, _J.c.n, _J.c.event, _J.c.answers), (_J.c.source, _J.c.id), "keys")
)
_HOLDS = Statement(
    lambda _: select(_J.c.n).where(
        _J.c.n == bindparam("record"), _J.c.source == bindparam("source"), _J.c.id == bindparam("id")
    )
)
_EVENT = select(tables.journal.c.event).where(tables.journal.c.n == bindparam("record"))
_ANSWERS = select(tables.journal.c.answers).where(tables.journal.c.n == bindparam("record"))
_LOAD = Statement(lambda among: select(_J.c.n, _J.c.event, _J.c.answers).where(among(_J.c.n, "records")))

AnswerTexts = tuple[str, ...]
"""The answers of one record: events as JSON texts."""


class AnsweredEvent(NamedTuple):
    """An event that the ledger has already answered: its record, its bytes, and its answers."""

    n: int
    event: bytes
    answers: AnswerTexts


class Records:
    """The records of a ledger: its inbox and its outbox in one."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._answered: dict[Key, AnsweredEvent] = {}
        self._known: dict[int, AnsweredEvent] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._mentions: list[tuple[str, int]] = []
        self._events: dict[int, bytes] = {}
        self._read: dict[int, Event] = {}
        self.last: tuple[int, Key] | None = None
        """The number of the last record written in this transaction, and its event."""
        transaction.at_flush(self._write)

    def recall(self, keys: Iterable[Key]) -> None:
        """Reads which of these events the ledger has already answered, in one query for all."""
        self._transaction.read(self.recalling(keys))

    def recalling(self, keys: Iterable[Key]) -> Load:
        """The load of `recall`."""
        if wanted := list(dict.fromkeys(keys)):
            for row in (yield _ANSWERED.asking(keys=orjson.dumps(wanted).decode())):
                self._answered[row.source, row.id] = AnsweredEvent(row.n, row.event, lines_of(row.answers))

    def answered(self, key: Key) -> AnsweredEvent | None:
        """The event under this key, of those recalled and those added since."""
        return self._answered.get(key)

    def find(self, key: Key) -> AnsweredEvent | None:
        """The event under this key, recalled or not."""
        found = self._answered.get(key)
        if found is None:
            self.recall([key])
            found = self._answered.get(key)
        return found

    def add(
        self, key: Key, type: str, shipment: str | None, happened: int | None, position: str, event: bytes,
        answers: AnswerTexts,
    ) -> None:  # fmt: skip
        """Adds the record that is being made: an event with its answers.

        `happened` is in microseconds, None without a time; `position` is JSON.
        """
        transaction, n = self._transaction, self._transaction.n
        self._answered[key] = self._known[n] = AnsweredEvent(n, event, answers)
        self._rows.append(
            (
                n, *key, type, shipment, happened, transaction.recorded, position, event, "\n".join(answers),
                transaction.rests_on(shipment),
            )
        )  # fmt: skip

    def keep(self, event: Event) -> None:
        """Keeps the event of the record being made as it was read: within the transaction it is not read again."""
        self._read[self._transaction.n] = event

    def mention(self, shipment: str) -> None:
        """Notes that the record being made decides a shipment which its event does not name."""
        self._mentions.append((shipment, self._transaction.n))

    def newest(self, shipment: str, type: str, after: int, saying: str) -> tuple[int, bytes] | None:
        """The newest event of a type about a shipment after a record whose answers say a text, with its record.

        Only the records of the shipment are looked at, by the database; one event is read, however many there are.
        """
        self._transaction.flush()
        j = tables.journal
        said = contains(self._transaction.connection, j.c.answers, saying)
        chosen = (j.c.shipment_id == shipment) & (j.c.type == type) & (j.c.n > after) & said
        query = select(j.c.n, j.c.event).where(chosen).order_by(j.c.n.desc()).limit(1)
        row = self._transaction.connection.execute(query).one_or_none()
        return None if row is None else (row.n, bytes(row.event))

    def load_events(self, numbers: Iterable[int]) -> None:
        """Reads the events of records, in one query for all."""
        wanted = {n for n in numbers if n not in self._known and n not in self._events}
        if wanted:
            query = select(_J.c.n, _J.c.event).where(_J.c.n.in_(sorted(wanted)))
            self._events.update((row.n, bytes(row.event)) for row in self._transaction.connection.execute(query))

    def loading(self, numbers: Iterable[int]) -> Load:
        """Reads records, their events and their answers, in one query for all."""
        wanted = {n for n in numbers if n not in self._known}
        if wanted:
            for row in (yield _LOAD.asking(records=wanted)):
                self._known[row.n] = AnsweredEvent(row.n, bytes(row.event), lines_of(row.answers))

    def event(self, n: int) -> bytes:
        """The bytes of the event of a record."""
        if n in self._known:
            return self._known[n].event
        if n in self._events:
            return self._events[n]
        found = self._transaction.connection.execute(_EVENT, {"record": n}).scalar_one_or_none()
        if found is None:
            raise LedgerCorrupt(f"journal record {n} is missing")
        return bytes(found)

    def read(self, n: int) -> Event | Rejection:
        """The event of a record, as it was read if it was kept."""
        return self._read.get(n) or read_record(self.event(n))

    def answers(self, n: int) -> AnswerTexts:
        """The answers of a record."""
        if n in self._known:
            return self._known[n].answers
        answers: AnswerTexts = self._transaction.connection.execute(_ANSWERS, {"record": n}).scalar_one()
        return answers

    def holds(self, n: int, key: Key) -> bool:
        """Whether the record of this number is that of this event."""
        store, connection = self._transaction.store, self._transaction.connection
        return _HOLDS.run(store, connection, record=n, source=key[0], id=key[1]) != []

    def forget(self) -> None:
        """Releases the events and answers of the transaction, which are large."""
        self._answered.clear()
        self._events.clear()
        self._known.clear()
        self._read.clear()

    def _write(self) -> None:
        store, connection = self._transaction.store, self._transaction.connection
        store.insert(connection, tables.journal, self._rows)
        store.insert(connection, tables.mention, self._mentions)
        if self._rows:
            n, source, identifier, *_ = self._rows[-1]
            self.last = n, (source, identifier)
            self._transaction.written(n)
        self._rows, self._mentions = [], []
