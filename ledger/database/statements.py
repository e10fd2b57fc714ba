"""Statements that are compiled once: a transaction of one event would else spend more time on its SQL than on it."""

from collections.abc import Callable, Collection
from typing import Any, Protocol

import orjson
from sqlalchemy import ARRAY, ColumnElement, Connection, CursorResult, Text, any_, bindparam, func, select
from sqlalchemy.sql.expression import Executable

from ledger.database.pipeline import run
from ledger.database.store import Store

Values = int | str | None | Collection[str] | Collection[int]


class Among(Protocol):
    """The condition that a column has one of the values of a parameter, however many there are."""

    def __call__(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """The condition on a column; `name` is that of the parameter."""

    def each(self, name: str) -> ColumnElement[Any]:
        """The values of a parameter as rows: the one column of a table."""


class _Array:
    """PostgreSQL takes the values as an array."""

    def __call__(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == any_(bindparam(name, type_=ARRAY(column.type)))

    def each(self, name: str) -> ColumnElement[Any]:
        """The elements of the array."""
        given = func.unnest(bindparam(name, type_=ARRAY(Text))).table_valued("value").render_derived()
        return given.c.value


class _Json:
    """SQLite takes the values as a JSON array."""

    def __call__(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column.in_(select(self.each(name)))

    def each(self, name: str) -> ColumnElement[Any]:
        """The elements of the JSON array."""
        return func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value


class Statement:
    """A statement with parameters by name, which `build` makes once for each kind of database.

    The values of its rows are as the driver gives them: those of our own types are not converted. No list of values may
    stand in it, since its length would be part of the SQL.
    """

    def __init__(self, build: Callable[[Among], Executable]) -> None:
        self._build = build
        self._compiled: dict[bool, tuple[str, dict[str, Any], tuple[str, ...]]] = {}

    def run(self, store: Store, connection: Connection, **values: Values) -> CursorResult[Any]:
        """Executes it; a collection is the value of a parameter of `Among`."""
        found = self._compiled.get(store.postgresql)
        if found is None:
            found = self._compiled[store.postgresql] = self._compile(store)
        sql, fixed, order = found
        if store.postgresql:
            given = {name: _array(value) for name, value in values.items()}
            return connection.exec_driver_sql(sql, {**fixed, **given})
        given = {**fixed, **{name: _json(value) for name, value in values.items()}}
        return connection.exec_driver_sql(sql, tuple([given[name] for name in order]))

    def change(self, store: Store, connection: Connection, **values: Values) -> None:
        """Executes one that changes rows and gives nothing back; within `Store.together` at its end."""
        if store.postgresql:
            sql, fixed, _ = self._compiled.get(True) or self._compiled.setdefault(True, self._compile(store))
            run(connection, sql, {**fixed, **{name: _array(value) for name, value in values.items()}})
        else:
            self.run(store, connection, **values)

    def _compile(self, store: Store) -> tuple[str, dict[str, Any], tuple[str, ...]]:
        statement: Any = self._build(_Array() if store.postgresql else _Json())
        compiled = statement.compile(dialect=store.engine.dialect)
        return str(compiled), dict(compiled.params), tuple(compiled.positiontup or ())


def _array(value: Values) -> Any:
    return value if value is None or isinstance(value, (int, str)) else list(value)


def _json(value: Values) -> Any:
    return value if value is None or isinstance(value, (int, str)) else orjson.dumps(list(value)).decode()
