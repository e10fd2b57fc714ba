"""Attestations: the latest amount of each party on each account."""

import hashlib

from sqlalchemy import delete, select

from ledger.database import tables
from ledger.registers.transaction import Transaction

MOST_NAME = 200


class Attestations:
    """The latest attestation of each party on each account, in TPP."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._changed: dict[tuple[str, str], int] = {}
        transaction.at_flush(self._write)

    def find(self, path: str, by: str) -> int:
        """The amount that a party has attested on an account, 0 if none."""
        by = _key(by)
        if (path, by) in self._changed:
            return self._changed[path, by]
        table = tables.attestation
        query = select(table.c.tpp).where(table.c.account == path, table.c.by == by)
        return self._transaction.connection.execute(query).scalar() or 0

    def put(self, path: str, by: str, tpp: int) -> None:
        """Replaces the same party's earlier attestation."""
        self._changed[path, _key(by)] = tpp

    def move(self, path: str, target: str) -> None:
        """Adds the attestations of one account to those of another."""
        table, connection = tables.attestation, self._transaction.connection
        self._transaction.before_write()
        for row in connection.execute(select(table.c.by, table.c.tpp).where(table.c.account == path)).all():
            self.put(target, row.by, self.find(target, row.by) + row.tpp)
        connection.execute(delete(table).where(table.c.account == path))

    def _write(self) -> None:
        rows = [(*key, tpp) for key, tpp in self._changed.items()]
        self._transaction.store.upsert(self._transaction.connection, tables.attestation, rows)
        self._changed = {}


def _key(by: str) -> str:
    """The attesting party as a key: the SHA-256 of a name that is too long for an index."""
    return by if len(by) <= MOST_NAME else hashlib.sha256(by.encode()).hexdigest()
