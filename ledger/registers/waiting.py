"""Held shipments, and the accounts that had no room for them."""

from collections.abc import Iterable

from sqlalchemy import delete, func, select

from ledger.database import tables
from ledger.registers.transaction import Transaction
from schemas import accounts


class Waiting:
    """Which held shipments wait for room on which accounts."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._rows: list[tuple[str, str]] = []
        self._gone: set[str] = set()
        transaction.at_flush(self._write)

    def add(self, shipment: str, paths: Iterable[str]) -> None:
        """Notes that a shipment waits for room on these accounts."""
        self._rows.extend((path, shipment) for path in dict.fromkeys(paths))

    def remove(self, shipment: str) -> None:
        """Notes that a shipment no longer waits for any account."""
        self._gone.add(shipment)
        self._rows = [(path, waiting) for path, waiting in self._rows if waiting != shipment]

    def count(self, path: str) -> int:
        """How many held shipments wait for room on an account."""
        self._transaction.flush()
        query = select(func.count()).select_from(tables.waiting).where(tables.waiting.c.account == path)
        return int(self._transaction.connection.execute(query).scalar_one())

    def move(self, absorbed: str, survivor: str) -> None:
        """Makes shipments that wait for an absorbed party's accounts wait for the survivor's."""
        self._transaction.flush()
        table, connection = tables.waiting, self._transaction.connection
        perhaps = select(table).where(table.c.account.contains(f"/{absorbed}", autoescape=True))
        for row in connection.execute(perhaps).all():
            if accounts.party(row.account) == absorbed:
                this = table.c.account == row.account, table.c.shipment_id == row.shipment_id
                connection.execute(delete(table).where(*this))
                self._rows.append((accounts.of_party(row.account, survivor), row.shipment_id))

    def _write(self) -> None:
        store, connection, table = self._transaction.store, self._transaction.connection, tables.waiting
        if self._gone:
            connection.execute(delete(table).where(store.among(table.c.shipment_id, self._gone)))
        store.upsert(connection, table, self._rows)
        self._rows, self._gone = [], set()
