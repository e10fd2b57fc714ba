"""Who publishes, and how far: one process at a time may hold a right on a ledger, and the relay keeps its place."""

import sqlite3
import zlib
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ledger.database import tables
from ledger.database.store import LedgerError, Store


class Lost(Exception):
    """The right was lost, with the connection that held it; someone else may have it by now."""


class Right:
    """What one process at a time may do with a ledger, such as `relay`; the right ends with the process.

    PostgreSQL: an advisory lock of a connection that is kept. SQLite: an exclusive transaction on a file beside the
    ledger, since one on the ledger itself would hold its writers up.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._key = zlib.crc32(f"tpp-{name}".encode())
        self._connection: Connection | None = None
        self._file: sqlite3.Connection | None = None

    def take(self) -> bool:
        """Whether this process has the right now; DBAPIError where the database fails."""
        if self._connection is not None or self._file is not None:
            return True
        return self._take_lock() if self._store.postgresql else self._take_file()

    def _take_lock(self) -> bool:
        connection = self._store.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}).scalar_one():
                self._connection = connection
        finally:
            if self._connection is None:
                connection.close()
        return self._connection is not None

    def _take_file(self) -> bool:
        if self._store.memory:
            raise LedgerError(f"a ledger in memory has no {self._name}: name a file or a PostgreSQL database")
        file = sqlite3.connect(
            f"{Path(str(self._store.url.database))}.{self._name}",
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            file.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            file.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return False
            raise LedgerError(f"the file that says who is the {self._name} cannot be used: {error}") from error
        self._file = file
        return True

    def check(self) -> None:
        """Raises Lost where the connection that holds the right is gone."""
        if self._connection is None:
            if self._file is None:
                raise Lost
            return
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            self.give_back()
            raise Lost from error

    def give_back(self) -> None:
        """Lets the next one have the right."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
        file, self._file = self._file, None
        if file is not None:
            file.close()


def move(store: Store, n: int, sent: int) -> None:
    """Notes that the records up to number `n` are published, `sent` events in all."""
    with store.begin() as connection:
        store.upsert(connection, tables.relay, [(1, n, sent)])
