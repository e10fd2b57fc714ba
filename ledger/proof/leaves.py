"""The leaves of the journal's Merkle tree: one for each record, hashed after its commit (docs/contract/books.md)."""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt, Store
from ledger.proof.merkle import leaf_hash
from schemas.event_types import short_name
from schemas.times import instant_text

BATCH = 2_000


class Unreadable(LedgerCorrupt):
    """A record whose leaf cannot be computed."""

    def __init__(self, row: Any, why: Exception) -> None:
        super().__init__(f"journal record {row.n} cannot be read: {why}")
        self.row = row


def leaves(connection: Connection, store: Store, after: int, until: int | None = None) -> Iterator[tuple[Any, bytes]]:
    """Records after one number up to another, in order, each with its leaf: RFC 8785 JSON.

    All texts are Unicode and all numbers are integers below 2^53, for which sorted members without spaces are that
    form. Raises Unreadable if a record contains anything else.
    """
    j = tables.journal
    last = until if until is not None else int(connection.execute(select(tables.head.c.n)).scalar_one())
    while after < last:
        rows = connection.execute(j.select().where(j.c.n > after, j.c.n <= last).order_by(j.c.n).limit(BATCH)).all()
        if not rows:
            return
        through = rows[-1].n
        entries = _entries(connection, after, through)
        before = _before(connection, store, {row.shipment_id for row in rows if row.shipment_id}, after)
        mentioned = _mentioned(connection, after, through)
        for row in rows:
            previous = before.get(row.shipment_id) if row.shipment_id else None
            for name in (row.shipment_id, *mentioned.get(row.n, ())):
                before[name] = row.n
            try:
                leaf = orjson.dumps(_leaf(row, entries.get(row.n, []), previous), option=orjson.OPT_SORT_KEYS)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise Unreadable(row, error) from error
            yield row, leaf
        after = through


def _leaf(row: Any, entries: list[Any], previous: int | None) -> dict[str, Any]:
    happened = None if row.happened is None else instant_text(row.happened)
    return {
        "n": row.n,
        "kind": short_name(row.type),
        "recorded": instant_text(row.recorded),
        "source": row.source,
        "id": row.id,
        "event": hashlib.sha256(row.event).hexdigest(),
        "answers": [hashlib.sha256(line.encode()).hexdigest() for line in row.answers],
        "shipment_id": row.shipment_id,
        "previous": previous,
        "rests_on": [int(n) for n in row.rests_on.split()],
        "entries": [
            {
                "account": path,
                "entry": e.entry,
                "booked": e.booked,
                "happened": happened,
                "pending": e.pending,
                "posted": e.posted,
                "attested": e.attested,
                "credits": e.credits,
                "balance": e.balance,
                "limit": e.limit,
                "late_for": e.late_for,
            }
            for path, e in entries
        ],
    }


def _entries(connection: Connection, after: int, last: int) -> dict[int, list[Any]]:
    a, e = tables.account, tables.entry
    query = select(e, a.c.path).join_from(e, a, e.c.account == a.c.id, isouter=True).where(e.c.n > after, e.c.n <= last)
    found: dict[int, list[Any]] = {}
    for row in sorted(connection.execute(query), key=lambda row: (row.path or "", row.entry)):
        found.setdefault(row.n, []).append((row.path, row))
    return found


def _before(connection: Connection, store: Store, shipments: set[str], until: int) -> dict[str | None, int]:
    """The last record of each shipment up to a number: its own, or one that decided it."""
    found: dict[str | None, int] = {}
    for table in (tables.journal, tables.mention):
        query = (
            select(table.c.shipment_id, func.max(table.c.n))
            .where(store.among(table.c.shipment_id, shipments), table.c.n <= until)
            .group_by(table.c.shipment_id)
        )
        for name, n in connection.execute(query):
            found[name] = max(n, found.get(name, 0))
    return found


def _mentioned(connection: Connection, after: int, last: int) -> dict[int, list[str]]:
    m = tables.mention
    found: dict[int, list[str]] = {}
    for name, n in connection.execute(select(m.c.shipment_id, m.c.n).where(m.c.n > after, m.c.n <= last)):
        found.setdefault(n, []).append(name)
    return found


def sealed(connection: Connection) -> int:
    """How many records have their leaf in the tree."""
    return connection.execute(select(func.max(tables.leaf.c.n))).scalar() or 0


def check_last_leaf(connection: Connection, store: Store) -> None:
    """Raises LedgerCorrupt if the tree or a signed checkpoint goes beyond the last record, or the last leaf differs."""
    last, size = int(connection.execute(select(tables.head.c.n)).scalar_one()), sealed(connection)
    signed = connection.execute(select(func.max(tables.checkpoint.c.n))).scalar() or 0
    if max(size, signed) > last:
        what = f"the tree has {size} leaves" if size > last else f"a signed checkpoint covers {signed} records"
        raise LedgerCorrupt(f"{what}, but the ledger ends at record {last}; see `tpp audit verify`")
    for row, leaf in leaves(connection, store, size - 1, size) if size else ():
        if hash_of(connection, row.n) != leaf_hash(leaf):
            raise LedgerCorrupt(f"journal record {row.n} is not the one of its leaf; see `tpp audit verify`")


def seal(store: Store) -> int:
    """Hashes the leaves of records that have none, without blocking writers; returns how many the tree has."""
    while True:
        with store.read() as connection:
            size = sealed(connection)
            last = int(connection.execute(select(tables.head.c.n)).scalar_one())
            made = [(row.n, leaf_hash(leaf)) for row, leaf in leaves(connection, store, size, min(last, size + BATCH))]
        if not made:
            return size
        with store.begin() as connection:
            store.lock_leaves(connection)
            if sealed(connection) == size:
                store.insert(connection, tables.leaf, made)


def hash_of(connection: Connection, n: int) -> bytes:
    """The hash of the leaf of a record."""
    return bytes(connection.execute(select(tables.leaf.c.hash).where(tables.leaf.c.n == n)).scalar_one())


def hashes(connection: Connection, until: int | None = None) -> list[bytes]:
    """The hashes of the leaves in the tree, in order; `until`: only of this many records."""
    query = select(tables.leaf.c.hash).order_by(tables.leaf.c.n)
    if until is not None:
        query = query.where(tables.leaf.c.n <= until)
    return [bytes(one) for one in connection.execute(query).scalars()]
