"""How rows are read and written; PostgreSQL takes several statements in one pipeline, which is waited for once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Integer, LargeBinary, Table, TypeDecorator
from sqlalchemy.exc import DBAPIError

from ledger.database.connections import Observed

_WAITING = "tpp_waiting"
Query = tuple[str, Sequence[Any] | Mapping[str, Any]]
"""A query with its values."""
_FEW = 64
"""Up to so many rows PostgreSQL takes as one JSON document; more are copied."""


def run(connection: Connection, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> None:
    """Runs a statement that gives nothing back; within `together` at its end."""
    waiting: list[Any] | None = connection.info.get(_WAITING)
    if waiting is None:
        connection.exec_driver_sql(sql, values)
    else:
        waiting.append((sql, values))


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """What is run within waits until the end, and then goes to the server without waiting for each answer.

    A turn would else wait for a round trip, and for the client's own handling of results, some ten times at its end.
    """
    info = connection.info
    waiting: list[Any] = []
    info[_WAITING] = waiting
    try:
        yield
    finally:
        del info[_WAITING]
    if waiting:
        driver: Any = connection.connection.driver_connection
        with as_of_driver(connection, "; ".join(sql for sql, _ in waiting)), driver.pipeline():
            for sql, values in waiting:
                driver.execute(sql, values)


@contextmanager
def as_of_driver(connection: Connection, sql: str) -> Iterator[None]:
    """What the driver raises within is raised as of every other statement: a DBAPIError, which says what is lost."""
    dialect, failure = connection.dialect, connection.dialect.loaded_dbapi.Error
    driver = connection.connection.driver_connection
    try:
        yield
    except failure as error:
        lost = dialect.is_disconnect(error, driver, None)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(sql, None, error, failure, connection_invalidated=lost, dialect=dialect) from error


def has_bytes(table: Table) -> bool:
    """Whether a table has a column that no JSON document can carry."""
    return any(isinstance(column.type, LargeBinary) for column in table.columns)


def document(table: Table, rows: Sequence[Sequence[Any]]) -> str:
    """Rows as the JSON document of which PostgreSQL makes rows."""
    names = [str(column.name) for column in table.columns]
    return orjson.dumps([dict(zip(names, row, strict=True)) for row in rows]).decode()


class Changes(Observed):
    """How rows are read from a database and written to it."""

    postgresql: bool

    def rows(
        self, connection: Connection, sql: str, values: Sequence[Any] | Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """The rows of a query as the driver gives them; what SQLAlchemy makes of a result costs more than a look-up."""
        driver: Any = connection.connection.driver_connection
        with self._timed(), as_of_driver(connection, sql):
            found: list[tuple[Any, ...]] = driver.execute(sql, values).fetchall()
        return found

    def rows_together(self, connection: Connection, queries: Sequence[Query]) -> list[list[tuple[Any, ...]]]:
        """The rows of several queries, of each as `rows` gives them; PostgreSQL is waited for once."""
        if len(queries) == 1 or not self.postgresql:
            return [self.rows(connection, sql, values) for sql, values in queries]
        driver: Any = connection.connection.driver_connection
        with self._timed(), as_of_driver(connection, "; ".join(sql for sql, _ in queries)):
            with driver.pipeline():
                found = [driver.execute(sql, values) for sql, values in queries]
            return [one.fetchall() for one in found]

    def insert(self, connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Appends complete rows, in the order of the table's columns, in the driver's fastest way.

        PostgreSQL takes a few of them as changes are taken, since COPY waits for the server twice.
        """
        if not rows:
            return
        rows = _stored(self.engine, table, rows)
        if self.postgresql and len(rows) <= _FEW and not has_bytes(table):
            run(connection, _upsert(table, postgresql=True, plain=True), (document(table, rows),))
            return
        sql = _insert(table, self.postgresql)
        if self.postgresql:
            cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
            with self._timed(), as_of_driver(connection, sql), cursor.copy(sql) as copy:
                for row in rows:
                    copy.write_row(row)
            return
        connection.exec_driver_sql(sql, list(map(tuple, rows)))

    def upsert(self, connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Inserts complete rows, in the order of the table's columns, or updates those with the same primary key.

        PostgreSQL takes them as one JSON document, which is built four times as fast as arrays of the columns.
        """
        if not rows:
            return
        rows = _stored(self.engine, table, rows)
        shadowed = bool(connection.get_execution_options().get("shadowed"))
        sql = _upsert(table, self.postgresql, plain=shadowed)
        if self.postgresql:
            run(connection, sql, (document(table, rows),))
            return
        connection.exec_driver_sql(sql, list(map(tuple, rows)))

    @contextmanager
    def together(self, connection: Connection) -> Iterator[None]:
        """Changes within may be made at its end, in their order, so that PostgreSQL is waited for once.

        What was changed may be read only after it.
        """
        if not self.postgresql:
            yield
            return
        with ExitStack() as timed, together(connection):
            yield
            timed.enter_context(self._timed())


@cache
def _insert(table: Table, postgresql: bool) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    if postgresql:
        return f'COPY "{table.name}" ({columns}) FROM STDIN'
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({", ".join("?" * len(table.columns))})'


@cache
def _upsert(table: Table, postgresql: bool, plain: bool) -> str:
    """The statement that inserts or updates rows; `plain`: that inserts, as into a view whose trigger replaces rows."""
    keys = [column.name for column in table.primary_key.columns]
    names = [str(column.name) for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in keys)
    conflict = f"ON CONFLICT ({', '.join(keys)}) DO " + (f"UPDATE SET {changes}" if changes else "NOTHING")
    if plain:
        conflict = ""
    if not postgresql:
        return f'INSERT INTO "{table.name}" ({columns}) VALUES ({", ".join("?" * len(names))}) {conflict}'
    kinds = ("bigint" if isinstance(column.type, Integer) else "text" for column in table.columns)
    typed = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, kinds, strict=True))
    rows_of = f"SELECT * FROM json_to_recordset(%s::json) AS document({typed})"
    return f'INSERT INTO "{table.name}" ({columns}) {rows_of} {conflict}'


@cache
def _converted(table: Table) -> list[tuple[int, TypeDecorator[Any]]]:
    """The places of the columns of our own types."""
    return [(at, column.type) for at, column in enumerate(table.columns) if isinstance(column.type, TypeDecorator)]


def _stored(engine: Engine, table: Table, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """The rows as the driver takes them, with values of our own types converted; one that is text already is left."""
    for place, kind in _converted(table):
        stored = kind.process_bind_param
        rows = [
            row if type(row[place]) is str else (*row[:place], stored(row[place], engine.dialect), *row[place + 1 :])
            for row in rows
        ]
    return rows
