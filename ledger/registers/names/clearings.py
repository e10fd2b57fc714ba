"""Clearings: parties that are not the listed ones that they resemble, and what was compared."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple

import orjson
from sqlalchemy import bindparam

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.statements import Statement
from ledger.registers.transaction import Transaction

_C = tables.clearing
_LOAD = Statement(
    lambda _: (
        _C.select()
        .where(_C.c.list == bindparam("list"), _C.c.entry == bindparam("entry"))
        .order_by(*_C.primary_key.columns)
    )
)
_HIT = Statement(lambda _: tables.last_hit.select().where(tables.last_hit.c.party == bindparam("party")))


class Seen(NamedTuple):
    """What a party was when it was compared with an entry: its name, its country, its LEI if it has one."""

    name: str
    country: str
    lei: str | None

    def text(self) -> str:
        """What was seen as the tables keep it."""
        return orjson.dumps(list(self)).decode()


@dataclass(frozen=True, slots=True)
class Clearing:
    """One clearing: the record that states it, the last export date for which it stands, and what was compared.

    `seen` and `content`, the SHA-256 of the entry, are None until they are seen first.
    """

    list: str
    entry: str
    party: str
    n: int
    until: date | None = None
    seen: Seen | None = None
    content: str | None = None

    def row(self) -> tuple[str | int | None, ...]:
        """The clearing in the order of the table's columns."""
        until = None if self.until is None else self.until.isoformat()
        seen = None if self.seen is None else self.seen.text()
        return self.list, self.entry, self.party, self.n, until, seen, self.content


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a party was in a record: the record's number, and its name, country and LEI there.

    Dropped whole when others have written: the table has no index on the record's number.
    """

    n: int
    seen: Seen


class OfEntry(tuple[Clearing, ...]):
    """The clearings of one entry of a list. Dropped whole when others have written: what was seen has no number."""

    __slots__ = ()


class Clearings:
    """The clearings of a ledger; a later one of the same party and entry takes the place of the earlier."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._known = transaction.cache.rows(OfEntry)
        self._changed: dict[tuple[str, str, str], Clearing] = {}
        self._hits = transaction.cache.rows(Sighting)
        self._new_hits: dict[str, Sighting] = {}
        self._noting = True
        transaction.at_flush(self._write)

    def of(self, name: str, entry: str) -> tuple[Clearing, ...]:
        """The clearings of an entry of a list, by party."""
        key = f"{name}\n{entry}"
        found = self._known.get(key)
        if found is None:
            rows = _LOAD.run(self._transaction.store, self._transaction.connection, list=name, entry=entry)
            with stored(f"the clearings of {entry} of {name}"):
                found = self._known[key] = OfEntry(map(_read, rows))
        return found

    def put(self, one: Clearing) -> None:
        """States a clearing, or what was compared by it."""
        key = f"{one.list}\n{one.entry}"
        others: Iterable[Clearing] = (other for other in self.of(one.list, one.entry) if other.party != one.party)
        self._known[key] = OfEntry(sorted((*others, one), key=lambda each: each.party))
        self._changed[one.list, one.entry, one.party] = one

    def see(self, one: Clearing, seen: Seen | None = None, content: str | None = None) -> Clearing:
        """Notes what was compared, as far as it is not noted yet."""
        made = replace(one, seen=one.seen or seen, content=one.content or content)
        if made != one:
            self.put(made)
        return made

    # --- the last hit of a party ------------------------------------------------------------------------------------

    def hit(self, party: str, seen: Seen) -> None:
        """Notes that a party resembles an entry of a list in the record being made, and what it is there."""
        if self._noting:
            self._hits[party] = self._new_hits[party] = Sighting(self._transaction.n, seen)

    @contextmanager
    def unnoted(self) -> Iterator[None]:
        """Notes no hit meanwhile: one that no answer tells of, so that nobody can have cleared it."""
        self._noting = False
        try:
            yield
        finally:
            self._noting = True

    def last_hit(self, party: str) -> Sighting | None:
        """The record in which a party resembled an entry last, None if it never did."""
        if party not in self._hits:
            rows = _HIT.run(self._transaction.store, self._transaction.connection, party=party)
            with stored(f"the last hit of {party}"):
                each = [Sighting(row.n, Seen(*orjson.loads(row.seen))) for row in rows]
            self._hits[party] = each[0] if each else None
        return self._hits[party]

    def _write(self) -> None:
        store, connection = self._transaction.store, self._transaction.connection
        store.upsert(connection, tables.clearing, [self._changed[key].row() for key in sorted(self._changed)])
        self._changed = {}
        hits = [(party, one.n, one.seen.text()) for party, one in sorted(self._new_hits.items())]
        store.upsert(connection, tables.last_hit, hits)
        self._new_hits = {}


def _read(row: Any) -> Clearing:
    name, entry, party, n, until, seen, content = row
    return Clearing(
        name, entry, party, n,
        date.fromisoformat(until) if until else None,
        Seen(*orjson.loads(seen)) if seen else None,
        content,
    )  # fmt: skip
