"""Changes that PostgreSQL takes in one pipeline: sent one after the other, and waited for once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, LargeBinary, Table
from sqlalchemy.exc import DBAPIError

_WAITING = "tpp_waiting"


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
