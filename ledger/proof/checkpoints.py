"""Checkpoints over the journal's tree, and records with their proofs (docs/contract/books.md)."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt, LedgerError, Store
from ledger.proof.leaves import hashes, leaves, seal
from ledger.proof.merkle import Read, consistency_proof, inclusion_proof, levels, reader, root
from ledger.proof.notes import Checkpoint, PublicKey, SigningKey, sign

_READ_ONLY = "the ledger is read-only, so no checkpoint can be signed in it"
_NEAR = 50
"""Records whose numbers are this close are read with one query."""


class OtherKey(LedgerError):
    """Another key signs this ledger; the message names it."""


def checkpoints(connection: Connection) -> list[tuple[int, str, str]]:
    """Every checkpoint, smallest first: its size, the public key that it is signed with, its signed note."""
    return [(row.n, row.key, row.note) for row in connection.execute(select(tables.checkpoint).order_by("n", "key"))]


@dataclass(frozen=True, slots=True)
class Signer:
    """A key, and the sizes of the first and the last checkpoint that it signed, in records."""

    key: PublicKey
    first: int
    last: int


def signers(connection: Connection) -> list[Signer]:
    """The keys that checkpoints are signed with, the newest first; raises NoteError if one is malformed."""
    found: dict[str, tuple[int, int]] = {}
    for n, key, _ in checkpoints(connection):
        found[key] = (found.get(key, (n, n))[0], n)
    order = sorted(found.items(), key=lambda one: (one[1][1], one[1][0], one[0]), reverse=True)
    return [Signer(PublicKey.parse(key), first, last) for key, (first, last) in order]


def keys(connection: Connection) -> list[PublicKey]:
    """The public keys that checkpoints are signed with, the newest first."""
    return [one.key for one in signers(connection)]


def present_keys(connection: Connection) -> list[PublicKey]:
    """The key that signs now: of those with the newest checkpoint, the one that began last.

    None where nothing was signed. More than one where programs of version 0.1.0 began with the same checkpoint.
    """
    found = signers(connection)
    return [one.key for one in found if (one.last, one.first) == (found[0].last, found[0].first)]


def check_key(connection: Connection, key: PublicKey, size: int, *, rotate: bool) -> None:
    """Raises OtherKey if another key signs this ledger, and the ledger cannot change to this one over `size` records.

    The keys' first checkpoints tell which replaced which, so that two must not begin with the same.
    """
    present = present_keys(connection)
    if not present or key in present:
        return
    wanted = present[0].short
    if not rotate:
        raise OtherKey(f"this ledger is signed with the key {wanted}, not with {key.short}")
    if key in keys(connection):
        raise OtherKey(f"the key {key.short} was replaced by {wanted}; a replaced key does not sign again")
    if signers(connection)[0].first == size:
        raise OtherKey(f"the key {wanted} has just begun to sign this ledger; it can be replaced after the next record")


def cover(store: Store, key: SigningKey, records: int | None = None, *, rotate: bool = False) -> bytes:
    """The newest checkpoint of this key, signed now if none covers the first `records` records, or all.

    `rotate`: from now on this key signs instead of the present one. Raises OtherKey, and LedgerError if one
    must be signed and the ledger is read-only.
    """
    with store.read() as connection:
        last = int(connection.execute(select(tables.head.c.n)).scalar_one())
        check_key(connection, key.public, last, rotate=rotate)
        mine = [(n, note) for n, signer, note in checkpoints(connection) if signer == str(key.public)]
    if mine and mine[-1][0] >= (last if records is None else records):
        return mine[-1][1].encode()
    if store.read_only:
        raise LedgerError(f"{_READ_ONLY}, and none of the key {key.public} covers all of its records")
    size = seal(store)
    with store.read() as connection:
        checkpoint = Checkpoint(key.public.name, size, root(tree(connection, size), size))
    note = sign(checkpoint.text, key)
    with store.begin() as connection:
        store.lock_leaves(connection)
        check_key(connection, key.public, size, rotate=rotate)
        this = (tables.checkpoint.c.n == size, tables.checkpoint.c.key == str(key.public))
        if connection.execute(select(tables.checkpoint.c.n).where(*this)).scalar() is None:
            store.insert(connection, tables.checkpoint, [(size, str(key.public), note.decode())])
    return note


def newest(store: Store, signer: PublicKey | None = None) -> tuple[bytes, PublicKey]:
    """The newest checkpoint of a read-only ledger, of this key or of any, and its key; raises LedgerError."""
    with store.read() as connection:
        found = [one for one in checkpoints(connection) if signer is None or one[1] == str(signer)]
    if not found:
        raise LedgerError(f"{_READ_ONLY}, and it has none{f' of the key {signer}' if signer else ''}")
    _, key, note = found[-1]
    return note.encode(), PublicKey.parse(key)


def check_covered(connection: Connection, shipments: Iterable[str], size: int) -> None:
    """Raises LedgerError if a shipment has a record after the first `size`."""
    head = connection.execute(select(tables.head.c.n)).scalar_one()
    for shipment in shipments:
        if last := [n for n in of_shipment(connection, shipment, head) if n > size]:
            raise LedgerError(
                f"{_READ_ONLY}, and the newest in it covers {size} records, but {shipment} has record {last[-1]}"
            )


def tree(connection: Connection, size: int) -> Read:
    """The hashes of the complete subtrees over the first `size` leaves; raises LedgerCorrupt if one is missing."""
    found = hashes(connection, size)
    if len(found) != size:
        raise LedgerCorrupt(f"only {len(found)} of the first {size} records have a leaf; see `tpp audit verify`")
    return reader(levels(found))


def of_shipment(connection: Connection, shipment: str, size: int) -> list[int]:
    """The records of a shipment among the first `size`: its own, and those that decided it."""
    found: set[int] = set()
    for table in (tables.journal, tables.mention):
        query = select(table.c.n).where(table.c.shipment_id == shipment, table.c.n <= size)
        found.update(connection.execute(query).scalars())
    return sorted(found)


def booked_in(connection: Connection, first: str, last: str, size: int) -> list[str]:
    """The shipments with an entry booked between two days, both included, among the first `size` records."""
    e = tables.entry
    query = select(e.c.shipment_id).where(
        e.c.booked >= first, e.c.booked <= last, e.c.n <= size, e.c.shipment_id.is_not(None)
    )
    return sorted(connection.execute(query.distinct()).scalars())


def closure(connection: Connection, store: Store, records: Iterable[int]) -> list[int]:
    """Records with all records that they rest on, and the earlier ones of their shipments, in order."""
    found: set[int] = set()
    new = set(records)
    while new:
        found |= new
        named: set[int] = set()
        for _, leaf in _leaves_of(connection, store, sorted(new)):
            content = orjson.loads(leaf)
            named.update(content["rests_on"], [content["previous"]] if content["previous"] else [])
        new = named - found
    return sorted(found)


def proven(
    connection: Connection, store: Store, records: Sequence[int], read: Read, size: int
) -> Iterator[dict[str, Any]]:
    """Records with their leaves, their inclusion proofs in the tree of `size` leaves, their bytes and answers."""
    for row, leaf in _leaves_of(connection, store, records):
        yield {
            "leaf": orjson.loads(leaf),
            "proof": [_base64(one) for one in inclusion_proof(read, row.n - 1, size)],
            "event": _base64(row.event),
            "answers": [_base64(line.encode()) for line in row.answers],
        }


def consistency(read: Read, old: Checkpoint, new: Checkpoint) -> list[str] | None:
    """The proof that one checkpoint is a prefix of another, in base64; None if it is not."""
    if old.size > new.size or root(read, old.size) != old.root or root(read, new.size) != new.root:
        return None
    return [_base64(one) for one in consistency_proof(read, old.size, new.size)]


def _leaves_of(connection: Connection, store: Store, records: Sequence[int]) -> Iterator[tuple[Any, bytes]]:
    wanted = set(records)
    start = 0
    for index, n in enumerate(records):
        if index + 1 < len(records) and records[index + 1] - n <= _NEAR:
            continue
        for row, leaf in leaves(connection, store, records[start] - 1, n):
            if row.n in wanted:
                yield row, leaf
        start = index + 1


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
