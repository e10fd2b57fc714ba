"""Rows that PostgreSQL stores while further ones are made: a COPY stays open up to the next statement."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

_OPEN = "tpp_copying"


class _Copying:
    """An open COPY of a connection."""

    def __init__(self, connection: Connection, sql: str) -> None:
        self.sql = sql
        self._end = ExitStack()
        driver: Any = connection.connection.driver_connection
        self._copy = self._end.enter_context(driver.cursor().copy(sql))

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Sends rows; waits only while the server takes none."""
        for row in rows:
            self._copy.write_row(row)

    def end(self, error: Exception | None = None) -> None:
        """Waits until the rows are stored; with an error, the server stores none of them."""
        if error is None:
            self._end.close()
        else:
            self._end.__exit__(type(error), error, None)


def write(connection: Connection, sql: str, rows: Iterable[Sequence[Any]]) -> None:
    """Sends rows to the COPY that is open; opens it if it is not, after another one has ended."""
    copying: _Copying | None = connection.info.get(_OPEN)
    if copying is None or copying.sql != sql:
        end(connection)
        with as_of_driver(connection, sql):
            copying = connection.info[_OPEN] = _Copying(connection, sql)
    with as_of_driver(connection, sql):
        copying.write(rows)


def end(connection: Connection) -> None:
    """Waits until all rows that were sent are stored: no other statement goes to the server before."""
    copying: _Copying | None = connection.info.pop(_OPEN, None)
    if copying is not None:
        with as_of_driver(connection, copying.sql):
            copying.end()


def end_before_others(engine: Engine) -> None:
    """Ends an open COPY before each statement of a connection, and gives it up with a rollback."""
    event.listen(engine, "before_cursor_execute", lambda connection, *_: end(connection))
    event.listen(engine, "rollback", _give_up)


def _give_up(connection: Connection) -> None:
    if connection.invalidated or connection.closed:
        return
    copying: _Copying | None = connection.info.pop(_OPEN, None)
    if copying is not None:
        copying.end(_RolledBack())


class _RolledBack(Exception):
    """The transaction is rolled back."""


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
