"""A ledger under which changes go nowhere: temporary tables stand over its own, for one transaction.

A check decides events as the engine does, and what an event does must be seen by those after it. Writing to the
ledger and rolling back would hold the writers' turn for as long as the check takes, and a copy of the ledger would
take as long as the ledger is large. So each table that a decision may change is covered by a temporary view of the
same name, which PostgreSQL and SQLite both find first: the rows of the ledger at one moment, without those that were
changed since, and the changed ones. They are covered before the first change, since most checks change nothing that
they read again. Only the changed ones are stored, where temporary tables are: in memory first, and
on disk beyond that.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.dialects import postgresql as _of_postgresql
from sqlalchemy.dialects import sqlite as _of_sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from ledger.database import tables
from ledger.database.store import Store

APPENDED = (tables.journal, tables.mention, tables.entry, tables.fact, tables.identifier, tables.owner_form)
"""Tables to which a decision appends."""

CHANGED = (
    tables.account, tables.shipment, tables.waiting, tables.noted, tables.attestation, tables.obligation,
    tables.unfinished, tables.clearing, tables.owner,
)  # fmt: skip
"""Tables in which a decision may also change or delete rows."""

_POSTGRESQL, _SQLITE = _of_postgresql.dialect(), _of_sqlite.dialect()  # type: ignore[no-untyped-call]


class Shadow:
    """A transaction that sees one moment of the ledger; its tables are covered before the first change."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.connection = connection
        self._postgresql = store.postgresql
        self._covered = False
        self._threshold: int | None = None

    def cover(self) -> None:
        """Lets changes from now on go to temporary tables."""
        if self._covered:
            return
        self._covered = True
        if self._postgresql:  # statements that were prepared before mean the ledger's own tables
            driver: Any = self.connection.connection.driver_connection
            self._threshold, driver.prepare_threshold = driver.prepare_threshold, None
        home, temporary = "main", "temp"
        if self._postgresql:
            where = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'head'::regclass"
            home, temporary = self.connection.execute(text(where)).scalar_one(), "pg_temp"
        for statement in _cover(self._postgresql, home, temporary):
            self.connection.exec_driver_sql(statement)
        self.connection.execution_options(shadowed=True)

    def end(self) -> None:
        """Lets the connection prepare statements again."""
        if self._covered and self._postgresql:
            driver: Any = self.connection.connection.driver_connection
            driver.prepare_threshold = self._threshold


@contextmanager
def shadowed(store: Store) -> Iterator[Shadow]:
    """A transaction that sees one moment of the ledger and its own changes, and that is rolled back at the end.

    It takes no lock that a writer waits for, and needs the right to create temporary tables once something changes.
    """
    with store.read() as connection:
        shadow = Shadow(store, connection)
        try:
            yield shadow
        finally:
            shadow.end()


@cache
def _cover(postgresql: bool, home: str, temporary: str) -> Sequence[str]:
    """The statements that cover the tables of the schema `home`."""
    dialect = _POSTGRESQL if postgresql else _SQLITE
    head = tables.head.name
    made = [f"CREATE TEMPORARY TABLE {head} AS SELECT * FROM {home}.{head}"]
    for table in (*APPENDED, *CHANGED):
        keys = [column.name for column in table.primary_key.columns] if table in CHANGED else []
        own = table.to_metadata(MetaData(), schema=temporary, name=_own(table))
        made.append(str(CreateTable(own).compile(dialect=dialect)))
        made += [str(CreateIndex(index).compile(dialect=dialect)) for index in own.indexes]
        chosen = f"SELECT {_names(table)} FROM {home}.{table.name} AS kept"
        if keys:
            made.append(f"CREATE TEMPORARY TABLE {_over(table)} AS SELECT {_quoted(keys)} FROM {_own(table)}")
            made.append(f"CREATE UNIQUE INDEX over_{table.name}_key ON {_over(table)} ({_quoted(keys)})")
            chosen += f" WHERE NOT EXISTS (SELECT 1 FROM {_over(table)} AS over WHERE {_same('over', 'kept', keys)})"
        made.append(
            f"CREATE TEMPORARY VIEW {table.name} AS {chosen} UNION ALL SELECT {_names(table)} FROM {_own(table)}"
        )
        made += (_functions if postgresql else _triggers)(table, keys)
    return made


def _triggers(table: Table, keys: list[str]) -> Iterator[str]:
    """SQLite: what inserts, changes and deletes of the view do instead."""
    values = ", ".join(f'NEW."{column.name}"' for column in table.columns)
    put = f"INSERT OR REPLACE INTO {_own(table)} VALUES ({values})"
    if not keys:
        yield f"CREATE TEMPORARY TRIGGER {table.name}_insert INSTEAD OF INSERT ON {table.name} BEGIN {put}; END"
        return
    for verb, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        named = ", ".join(f'{row}."{key}"' for key in keys)
        last = f"DELETE FROM {_own(table)} WHERE {_same(_own(table), row, keys)}" if verb == "DELETE" else put
        yield (
            f"CREATE TEMPORARY TRIGGER {table.name}_{verb.lower()} INSTEAD OF {verb} ON {table.name} "
            f"BEGIN INSERT OR IGNORE INTO {_over(table)} VALUES ({named}); {last}; END"
        )


def _functions(table: Table, keys: list[str]) -> Iterator[str]:
    """PostgreSQL: the same, in a function for each table, which the triggers call."""
    own, over = f"pg_temp.{_own(table)}", f"pg_temp.{_over(table)}"
    steps = []
    if keys:
        for row, when in (("NEW", "TG_OP <> 'DELETE'"), ("OLD", "TG_OP = 'DELETE'")):
            named = ", ".join(f'{row}."{key}"' for key in keys)
            steps.append(
                f"IF {when} THEN INSERT INTO {over} VALUES ({named}) ON CONFLICT DO NOTHING; "
                f"DELETE FROM {own} AS own WHERE {_same('own', row, keys)}; END IF;"
            )
        steps.append("IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;")
    body = f"BEGIN {' '.join(steps)} INSERT INTO {own} SELECT NEW.*; RETURN NEW; END"
    yield f"CREATE FUNCTION pg_temp.put_{table.name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    yield (
        f"CREATE TRIGGER {table.name}_put INSTEAD OF {'INSERT OR UPDATE OR DELETE' if keys else 'INSERT'} "
        f"ON {table.name} FOR EACH ROW EXECUTE FUNCTION pg_temp.put_{table.name}()"
    )


def _own(table: Table) -> str:
    return f"own_{table.name}"


def _over(table: Table) -> str:
    return f"over_{table.name}"


def _names(table: Table) -> str:
    return _quoted([column.name for column in table.columns])


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _same(one: str, other: str, keys: list[str]) -> str:
    return " AND ".join(f'{one}."{key}" = {other}."{key}"' for key in keys)
