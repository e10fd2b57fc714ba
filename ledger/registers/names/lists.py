"""Restricted-party lists: which are in force, and the content under each digest."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from ledger.cache import Lasting, Written
from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.store import LedgerCorrupt, Store, by_code_points
from ledger.registers.facts import ALL, Fact, FactBook
from ledger.registers.records import Records
from ledger.registers.transaction import Transaction
from schemas.kinds import FactKind
from schemas.models.facts import ListLoaded
from schemas.plan import ListInForce
from schemas.times import day_of
from schemas.wire.read import Event, read_record


@dataclass(frozen=True, slots=True)
class LoadDay(Lasting):
    """The day on which a list was loaded. All are kept: each is of one record, which never changes."""

    day: date

    @staticmethod
    def changed(written: Written) -> Iterable[str]:  # noqa: ARG004
        """None."""
        return ()


class Lists:
    """The restricted-party lists of a ledger; a later load under a name takes the place of the earlier one."""

    def __init__(self, transaction: Transaction, facts: FactBook, records: Records) -> None:
        self._transaction = transaction
        self._facts = facts
        self._records = records
        self._days = transaction.cache.rows(LoadDay)
        self._known: tuple[tuple[Fact, ...], int | None, tuple[ListInForce, ...]] = ((), None, ())

    def load(self, made: ListLoaded, day: date) -> None:
        """States that a list is in force from the record being made on, which was loaded on a day."""
        fact = self._facts.add(FactKind.LIST, ALL, made)
        self._days[str(fact.n)] = LoadDay(day)

    def in_force(self) -> tuple[ListInForce, ...]:
        """The lists in force, by name; the record being made is noted to rest on their loads."""
        facts, ticked = self._facts.of(FactKind.LIST, ALL), self._transaction.ticked
        if not facts:
            return ()
        if self._known[0] is not facts or self._known[1] != ticked:
            latest = {fact.data.name: fact for fact in facts}
            found = tuple(self._in_force(latest[name]) for name in sorted(latest))
            self._known = (facts, ticked, found)
        self._transaction.use(*(one.n for one in self._known[2]))
        return self._known[2]

    def before(self, name: str, n: int) -> ListInForce | None:
        """The list that was in force under a name before a record, None if there was none."""
        facts = [fact for fact in self._facts.of(FactKind.LIST, ALL) if fact.data.name == name and fact.n < n]
        return self._in_force(facts[-1]) if facts else None

    def content(self, sha256: str) -> bytes:
        """The content of a list by its digest; raises LedgerCorrupt where the ledger does not have it."""
        return content_in(self._transaction.connection, sha256)

    def registered(self, after: str, most: int) -> list[str]:
        """Registered parties by identifier in the order of code points, those after one and at most so many."""
        self._transaction.flush()
        key = by_code_points(self._transaction.store, tables.fact.c.key)
        query = select(tables.fact.c.key).where(tables.fact.c.kind == FactKind.PARTY.value, key > after)
        found = query.group_by(tables.fact.c.key).order_by(key).limit(most)
        return list(self._transaction.connection.execute(found).scalars())

    def _in_force(self, fact: Fact) -> ListInForce:
        made: ListLoaded = fact.data
        ticked = self._transaction.ticked
        age = None
        if made.max_age_days is not None and ticked is not None:
            age = max(0, (day_of(ticked) - self.day(fact.n)).days)
        return ListInForce(fact.n, made.name, made.version, made.sha256, made.least, age, made.max_age_days)

    def day(self, n: int) -> date:
        """The day on which the list was loaded of which a record tells."""
        known = self._days.get(str(n))
        if known is None:
            event = read_record(self._records.event(n))
            if not isinstance(event, Event):
                raise LedgerCorrupt(f"journal record {n} is not a valid event")
            known = self._days[str(n)] = LoadDay(event.happened.date())
        return known.day


def keep_content(store: Store, content: bytes, sha256: str) -> None:
    """Keeps the content of a list under its digest, in a transaction of its own; one that is there stays as it is."""
    table = tables.list_content
    with store.begin() as connection:
        if connection.execute(select(table.c.sha256).where(table.c.sha256 == sha256)).first() is None:
            store.insert(connection, table, [(sha256, zlib.compress(content, 9))])


def content(store: Store, sha256: str) -> bytes:
    """The content of a list by its digest; raises LedgerCorrupt where the ledger does not have it."""
    with store.read() as connection:
        return content_in(connection, sha256)


def content_in(connection: Connection, sha256: str) -> bytes:
    """The content of a list by its digest, as a connection sees it; raises LedgerCorrupt where it is not there."""
    table = tables.list_content
    found = connection.execute(select(table.c.content).where(table.c.sha256 == sha256)).scalar_one_or_none()
    if found is None:
        raise LedgerCorrupt(f"the ledger is damaged: the content of the list {sha256} is missing")
    with stored(f"the list {sha256}"):
        return unpacked(bytes(found))


def unpacked(packed: bytes) -> bytes:
    """The content of a list as the table keeps it; raises ValueError if it is damaged."""
    try:
        return zlib.decompress(packed)
    except zlib.error as error:
        raise ValueError(str(error)) from error
