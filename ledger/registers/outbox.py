"""Locks that one process at a time may hold on a ledger, and the position of the relay."""

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ledger.database import tables
from ledger.database.store import LedgerError, Store


class Lost(Exception):
    """The lock was lost with its connection; another process may hold it by now."""


class Right:
    """A lock on a ledger that one process at a time holds, such as `relay`; it ends with the process.

    PostgreSQL: an advisory lock of an open connection. SQLite: an exclusive transaction on a file beside the ledger,
    since one on the ledger itself would block its writers.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._key = zlib.crc32(f"tpp-{name}".encode())
        self._connection: Connection | None = None
        self._file: sqlite3.Connection | None = None

    def take(self) -> bool:
        """Takes the lock if it is free; returns whether this process holds it. Raises DBAPIError."""
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
            raise LedgerError(f"a ledger in memory cannot have a {self._name}; use a file or a PostgreSQL database")
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
            raise LedgerError(f"cannot use the lock file of the {self._name}: {error}") from error
        self._file = file
        return True

    def check(self) -> None:
        """Raises Lost if the connection that holds the lock is gone."""
        if self._connection is None:
            if self._file is None:
                raise Lost
            return
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            self.give_back()
            raise Lost from error

    @contextmanager
    def own(self, otherwise: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        """The connection that holds the lock, in which each statement is a transaction; raises Lost if it is gone.

        SQLite has none, since its lock is that of a file: `otherwise` opens one.
        """
        if self._connection is None:
            self.check()
            with otherwise() as connection:
                yield connection
            return
        try:
            yield self._connection
        except DBAPIError as error:
            self.give_back()
            raise Lost from error

    def give_back(self) -> None:
        """Releases the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()
        file, self._file = self._file, None
        if file is not None:
            file.close()


def move(store: Store, connection: Connection, n: int, sent: int, lost: int) -> None:
    """Notes that the records up to number `n` are published, `sent` events in total.

    `lost`: published events up to this sequence number are not expected to be the ledger's.
    """
    store.upsert(connection, tables.relay, [(1, n, sent, lost or None)])
