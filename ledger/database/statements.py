"""Statements that are compiled once: a transaction of one event would else spend more time on its SQL than on it."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Connection,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
)
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

    def unique(
        self, columns: Sequence[ColumnElement[Any]], key: Sequence[ColumnElement[str]], name: str
    ) -> Select[Any]:
        """The rows of the keys in a parameter, a JSON array of arrays; the columns of a key are together unique."""

    def each_for(self, found: Select[Any], key: ColumnElement[Any], name: str) -> Select[Any]:
        """The rows of a query in which a column has one of the values of a parameter, each looked up by itself."""


class _Array:
    """PostgreSQL takes the values as an array."""

    def __call__(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == any_(bindparam(name, type_=ARRAY(column.type)))

    def each(self, name: str) -> ColumnElement[Any]:
        """The elements of the array."""
        given = func.unnest(bindparam(name, type_=ARRAY(Text))).table_valued("value").render_derived()
        return given.c.value

    def unique(
        self, columns: Sequence[ColumnElement[Any]], key: Sequence[ColumnElement[str]], name: str
    ) -> Select[Any]:
        """Each is looked up by itself: before it has counted the table, the server takes few rows to share a column.

        It would then read all of them: of a journal of 20,000 events of one source 20 ms for each batch, and not 1.
        """
        keys = cast(bindparam(name, type_=Text), JSON)
        given = func.json_array_elements(keys).table_valued("value").render_derived()
        part = given.c.value.op("->>")
        same = (column == part(literal_column(str(place))) for place, column in enumerate(key))
        found = select(*columns).where(*same).limit(1).lateral("found")
        return select(*found.c).select_from(given.join(found, true()))

    def each_for(self, found: Select[Any], key: ColumnElement[Any], name: str) -> Select[Any]:
        """As of `unique`. A query with `OFFSET` is made for each value, and not joined with all of them."""
        value = self.each(name)
        each = found.where(key == value).offset(0).lateral("found")
        return select(*each.c).select_from(value.table.join(each, true()))


class _Json:
    """SQLite takes the values as a JSON array."""

    def __call__(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column.in_(select(self.each(name)))

    def each(self, name: str) -> ColumnElement[Any]:
        """The elements of the JSON array."""
        return func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value

    def unique(
        self, columns: Sequence[ColumnElement[Any]], key: Sequence[ColumnElement[str]], name: str
    ) -> Select[Any]:
        """SQLite looks up each by itself in any case."""
        value = self.each(name)
        return select(*columns).where(
            *(column == func.json_extract(value, f"$[{place}]") for place, column in enumerate(key))
        )

    def each_for(self, found: Select[Any], key: ColumnElement[Any], name: str) -> Select[Any]:
        """SQLite looks up each by itself in any case."""
        return found.where(self(key, name))


class Statement:
    """A statement with parameters by name, which `build` makes once for each kind of database.

    The values of its rows are as the driver gives them: those of our own types are not converted. No list of values may
    stand in it, since its length would be part of the SQL.
    """

    def __init__(self, build: Callable[[Among], Executable]) -> None:
        self._build = build
        self._compiled: dict[bool, _Made] = {}

    def asking(self, **values: Values) -> Asked:
        """The statement with its values, as a load asks it."""
        return Asked(self, values)

    def run(self, store: Store, connection: Connection, **values: Values) -> list[Any]:
        """The rows that it finds, by the names of their columns; a collection is the value for an `Among`."""
        return _rows(store, connection, [self.asking(**values)])[0]

    def change(self, store: Store, connection: Connection, **values: Values) -> None:
        """Executes one that changes rows and gives nothing back; within `Store.together` at its end."""
        made = self.made(store)
        run(connection, made.sql, made.values(values))

    def made(self, store: Store) -> _Made:
        """The statement as the kind of database of a store takes it."""
        found = self._compiled.get(store.postgresql)
        if found is None:
            found = self._compiled[store.postgresql] = _made(self._build, store)
        return found


class Asked(NamedTuple):
    """A statement with its values."""

    statement: Statement
    values: Mapping[str, Values]


Load = Generator[Asked, list[Any], None]
"""What reads something by one query or several, one after the other: it yields what it asks, and is sent the rows."""


def side_by_side(store: Store, connection: Connection, loads: Iterable[Load]) -> None:
    """Does loads together: all that they ask first is asked at once, then all that they ask next, until each has ended.

    None sees what another one reads at the same time: two that want the same both ask for it.
    """
    asking = [(load, asked) for load in loads if (asked := next(load, None)) is not None]
    while asking:
        found = _rows(store, connection, [asked for _, asked in asking])
        sent = ((load, _sent(load, rows)) for (load, _), rows in zip(asking, found, strict=True))
        asking = [(load, asked) for load, asked in sent if asked is not None]


def _sent(load: Load, rows: list[Any]) -> Asked | None:
    """What a load asks next, once it is sent the rows; None where it ends."""
    try:
        return load.send(rows)
    except StopIteration:
        return None


def _rows(store: Store, connection: Connection, asked: Sequence[Asked]) -> list[list[Any]]:
    made = [one.statement.made(store) for one in asked]
    queries = [(each.sql, each.values(one.values)) for each, one in zip(made, asked, strict=True)]
    found = store.rows_together(connection, queries)
    return [list(map(each.row, rows)) for each, rows in zip(made, found, strict=True)]


@dataclass(frozen=True, slots=True)
class _Made:
    """A statement for one kind of database: its SQL, the values of parameters that are always the same, and its rows.

    `order`: of the parameters where they have no names in the SQL; None where they have.
    """

    sql: str
    fixed: dict[str, Any]
    order: tuple[str, ...] | None
    row: Callable[[tuple[Any, ...]], Any]

    def values(self, given: Mapping[str, Values]) -> Sequence[Any] | Mapping[str, Any]:
        """The values of all parameters, as the driver takes them."""
        if self.order is None:
            return {**self.fixed, **{name: _array(value) for name, value in given.items()}}
        every = {**self.fixed, **{name: _json(value) for name, value in given.items()}}
        return tuple([every[name] for name in self.order])


def _made(build: Callable[[Among], Executable], store: Store) -> _Made:
    statement: Any = build(_Array() if store.postgresql else _Json())
    compiled = statement.compile(dialect=store.engine.dialect)
    names = [str(column.name) for column in statement.selected_columns] if statement.is_select else []
    row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024  they are those of its columns
    order = None if store.postgresql else tuple(compiled.positiontup or ())
    return _Made(str(compiled), dict(compiled.params), order, row._make)


def _array(value: Values) -> Any:
    """A collection as the text of an array; that the driver made it would take half of what a look-up costs."""
    return value if value is None or isinstance(value, (int, str)) else f"{{{','.join(map(_element, value))}}}"


def _element(one: str | int) -> str:
    r"""An element of the text of an array.

    >>> print(_element(7), _element('a "b"'), _element("NULL"))
    7 "a \"b\"" "NULL"
    """
    if isinstance(one, int):
        return str(one)
    escaped = one.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _json(value: Values) -> Any:
    return value if value is None or isinstance(value, (int, str)) else orjson.dumps(list(value)).decode()
