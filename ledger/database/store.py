"""Opens a ledger's database by URL; all that differs between SQLite and PostgreSQL is here."""

import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    any_,
    bindparam,
    create_engine,
    func,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.pool import StaticPool

from ledger.database import door_tables as _door_tables  # noqa: F401  it adds its tables to the metadata
from ledger.database import tables
from ledger.database.addresses import MEMORY, LedgerError, ledger_url, shown_url, sqlite_file
from ledger.database.connections import (
    BUSY_MS,
    prepare_postgresql,
    prepare_sqlite,
    private_file,
    unsafe,
)
from ledger.database.pipeline import Changes
from ledger.database.read_only import connectable, is_read_only

__all__ = [
    "BUSY_MS", "MEMORY", "VERSION", "Connection", "DatabaseError", "LedgerCorrupt", "LedgerError", "Store",
    "create_tables", "database_message", "knock", "ledger_url", "of_statement", "private_file", "retryable",
    "shown_url", "sqlite_file", "unreadable",
]  # fmt: skip

DatabaseError = DBAPIError
"""What a statement raises where the database fails; `database_message` gives its reason."""

VERSION = "0012"
"""The revision of the tables that this version of the program works with; the newest of `migrations/`."""

_SCHEMA_LOCK = 0x7470705F  # "tpp_"
_LEAVES_LOCK = 0x7470706C  # "tppl"
_SQLITE_DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT}
"""`SQLITE_ERROR` is a statement that names a missing table or column."""
_DAMAGE_STATES = ("XX000", "XX001", "XX002", "42P01", "42703", "22021", "23505")
"""Internal errors, a missing table or column, bytes that are no text, and a number that is used already."""
_HEAD = tables.head.select()
_LOCKED_HEAD = select(tables.head, func.set_config("enable_seqscan", "off", True)).with_for_update(of=tables.head)
"""A transaction that writes reads by key alone. A plan that the server keeps from when a table was small would read all
of it, and compare each row with every value that is asked for."""
_RETRY_STATES = {"40001", "40P01", "55P03"}


class LedgerCorrupt(Exception):
    """An invariant of the ledger does not hold; nothing may be written until it is understood."""


class Store(Changes):
    """A ledger's database. `begin` is a transaction that writes; `read` is one that sees a single moment.

    `read_only`: whether it is a file in a folder that cannot be written.
    Writers take turns: SQLite by BEGIN IMMEDIATE, PostgreSQL by the lock on the one row of `head`.
    """

    def __init__(self, url: str) -> None:
        self.url = ledger_url(url)
        self.memory = url == MEMORY
        self.postgresql = self.url.get_backend_name() == "postgresql"
        self.read_only = not (self.memory or self.postgresql) and is_read_only(self.url)
        # Every thread that asks has a connection; no read keeps the engine from one. Programs bound their threads.
        pooled = {"pool_pre_ping": self.postgresql, "max_overflow": -1}
        options: dict[str, Any] = {"poolclass": StaticPool} if self.memory else pooled
        self.engine = create_engine(connectable(self.url) if self.read_only else self.url, **options)
        if self.postgresql:
            prepare_postgresql(self.engine)
        else:
            prepare_sqlite(self.engine, None if self.memory else sqlite_file(self.url), read_only=self.read_only)

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that writes; commits at the end, unless rolled back. Raises LedgerError if read-only."""
        if self.read_only:
            raise LedgerError(f"cannot write ledger {shown_url(self.url)}: it is read-only")
        with self.engine.connect() as connection, connection.begin() as transaction:
            yield connection
            if transaction.is_active:
                with self._timed():
                    transaction.commit()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads one moment of the ledger and blocks no writer."""
        options: dict[str, Any] = {"reading": True}
        if self.postgresql:
            options["isolation_level"] = "REPEATABLE READ"
        with self.engine.connect().execution_options(**options) as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    def open(self) -> None:
        """Creates the tables if there are none; safe if another process does the same.

        Raises LedgerError if the database cannot be reached or is that of another program, its tables have another
        revision, or the server may lose what it confirms.
        """
        try:
            check_server(self)
            found = self.version() or self._create()
        except OperationalError as error:
            if unreadable(error):
                raise
            raise LedgerError(f"cannot open ledger {shown_url(self.url)}: {database_message(error)}") from error
        if found != VERSION:
            raise LedgerError(
                f"the ledger's tables have revision {found}, but this program needs {VERSION}; run `tpp migrate`"
            )

    def exists(self) -> bool:
        """Whether the database already holds a ledger; never creates a missing SQLite file."""
        if not self.postgresql:
            file = None if self.memory else sqlite_file(self.url)
            if file is None or not file.exists():
                return False
        return self.version() is not None

    def version(self) -> str | None:
        """The revision of the tables; None if there are none."""
        with self.read() as connection:
            return _found_version(connection)

    def _create(self) -> str:
        with self.begin() as connection:
            self.lock_schema(connection)
            if (found := _found_version(connection)) is None:
                check_own(self, connection)
                create_tables(connection)
                found = VERSION
            return found

    def lock_schema(self, connection: Connection) -> None:
        """Lets one process at a time create or change tables."""
        self._lock(connection, _SCHEMA_LOCK)

    def lock_leaves(self, connection: Connection) -> None:
        """Lets one process at a time add leaves to the tree; writers of records do not wait for it."""
        self._lock(connection, _LEAVES_LOCK)

    def _lock(self, connection: Connection, key: int) -> None:
        """Takes a lock until the end of the transaction; SQLite has only one writer in any case."""
        if self.postgresql:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    def lock_head(self, connection: Connection) -> Row[Any]:
        """The one row of `head`; nobody else writes until the end of the transaction."""
        return self.head(connection, _LOCKED_HEAD if self.postgresql else _HEAD)

    def head(self, connection: Connection, query: Select[Any] = _HEAD) -> Row[Any]:
        """The one row of `head`; raises LedgerCorrupt without one."""
        row = connection.execute(query).one_or_none()
        if row is None:
            raise LedgerCorrupt("the table head has no row")
        return row

    def among(self, column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
        """The condition that a text column has one of these values, as one parameter, however many there are."""
        if self.postgresql:
            return column == any_(bindparam(None, list(values), ARRAY(Text)))
        each = func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
        return column.in_(select(each.c.value))


def check_server(store: Store) -> None:
    """Raises LedgerError if the PostgreSQL server may lose in a crash what it has confirmed.

    Logs a warning if the role may not read the server's settings.
    """
    if store.postgresql:
        with store.engine.connect() as connection:
            if why := unsafe(connection):
                raise LedgerError(why)


def check_own(store: Store, connection: Connection) -> None:
    """Raises LedgerError if an SQLite file has tables of another program; PostgreSQL keeps both."""
    if store.postgresql or _found_version(connection) is not None:
        return
    if connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first():
        raise LedgerError(f"{shown_url(store.url)} is a database that is not a ledger; name another file")


def knock(store: Store) -> None:
    """Returns if the database answers with a row of the ledger; raises DatabaseError if it fails."""
    with store.read() as connection:
        connection.execute(tables.head.select()).one()


def by_code_points(store: Store | Connection, column: ColumnElement[str]) -> ColumnElement[str]:
    """A text column in the order of code points, which is SQLite's own."""
    dialect = store.engine.dialect if isinstance(store, Store) else store.dialect
    return column.collate("C") if dialect.name == "postgresql" else column


def within(connection: Connection, column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """The condition that a text column, of words joined by a space, has this word."""
    return contains(connection, literal(" ") + column + " ", f" {word} ")


def contains(connection: Connection, column: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """The condition that a text contains another one."""
    place = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return place(column, part) > 0


def like(connection: Connection, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    """The condition that a text column matches a pattern, in which `*` matches any text and nothing else is special."""
    if "*" not in pattern:
        return column == pattern
    if connection.dialect.name == "postgresql":
        return column.like("%".join(re.sub(r"([%_\\])", r"\\\1", part) for part in pattern.split("*")), escape="\\")
    return column.bool_op("GLOB")(re.sub(r"([?\[])", r"[\1]", pattern))


def _found_version(connection: Connection) -> str | None:
    found, version = inspect(connection), None
    if found.has_table("alembic_version"):
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is None and found.has_table(tables.head.name):
        raise LedgerCorrupt("the ledger is damaged: the table alembic_version is missing or empty")
    return version


def create_tables(connection: Connection) -> None:
    """Creates every table, the triggers and the one row of `head`, and stores the revision."""
    tables.metadata.create_all(connection)
    for statement in tables.triggers(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.execute(tables.head.insert().values(id=1, n=0, sequence=0, accounts=0, recorded=0))
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": VERSION})


def database_message(error: DBAPIError) -> str:
    """The database's message of a failure, on one line."""
    return " ".join(str(error.orig).split())


def unreadable(error: DBAPIError) -> bool:
    """Whether the database found damage, or not the tables and columns that a ledger has."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_DAMAGE
    if "Could not decode" in str(error.orig):
        return True
    return getattr(error.orig, "sqlstate", None) in _DAMAGE_STATES


def of_statement(error: DBAPIError) -> bool:
    """Whether the database refused a statement or its values, and would take others."""
    return isinstance(error, (DataError, IntegrityError, NotSupportedError, ProgrammingError))


def retryable(error: DBAPIError) -> bool:
    """Whether the transaction may succeed if run again: a serialization failure, a deadlock, a lost connection."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    return state in _RETRY_STATES or "database is locked" in str(error.orig)
