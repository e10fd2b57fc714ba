"""What parties have attested: the latest amount of each party on each account."""

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
        """What a party has attested on an account, 0 where nothing."""
        by = _key(by)
        if (path, by) in self._changed:
            return self._changed[path, by]
        table = tables.attestation
        query = select(table.c.tpp).where(table.c.account == path, table.c.by == by)
        return self._transaction.connection.execute(query).scalar() or 0

    def put(self, path: str, by: str, tpp: int) -> None:
        """Puts an attestation in the place of the same party's earlier one."""
        self._changed[path, _key(by)] = tpp

    def move(self, path: str, target: str) -> None:
        """Adds the attestations of one account to those of another."""
        table, connection = tables.attestation, self._transaction.connection
        for row in connection.execute(select(table.c.by, table.c.tpp).where(table.c.account == path)).all():
            self.put(target, row.by, self.find(target, row.by) + row.tpp)
        connection.execute(delete(table).where(table.c.account == path))

    def _write(self) -> None:
        rows = [(*key, tpp) for key, tpp in self._changed.items()]
        self._transaction.store.upsert(self._transaction.connection, tables.attestation, rows)
        self._changed = {}


def _key(by: str) -> str:
    """Who attests, as a key: a name that is longer than an index takes stands as its SHA-256."""
    return by if len(by) <= MOST_NAME else hashlib.sha256(by.encode()).hexdigest()
