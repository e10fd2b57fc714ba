"""Changed values in every column, as an insider makes them: found in the database itself, not in the program's tables."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from databases import unguarded


class Cell(NamedTuple):
    """One value of a table: its row by rowid, the record that the row is of, if it says one; of accounts several."""

    table: str
    column: str
    row: int
    record: int | None
    value: Any
    records: frozenset[int] = frozenset()


def connect(file: Path) -> sqlite3.Connection:
    """A connection that obeys no check and no trigger."""
    connection = unguarded(file)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    return connection


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """Every table of the database."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def columns_of(connection: sqlite3.Connection, table: str) -> list[tuple[str, str, bool, bool]]:
    """Name, type, whether it may be null and whether it is of the key, of every column."""
    told = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    return [(name, kind, not (must or key), bool(key)) for _, name, kind, must, _, key in told]


def rows_of(connection: sqlite3.Connection, table: str) -> list[int]:
    """Two rows of a table by rowid, or as many as it has: one of the middle, and the last."""
    found = [row for (row,) in connection.execute(f'SELECT rowid FROM "{table}" ORDER BY rowid')]
    return sorted({found[len(found) // 2], found[-1]}) if found else []


def cells(file: Path) -> Iterator[Cell]:
    """Values of every column of every table; of columns with nulls also one that is null and one that is not."""
    with closing(connect(file)) as connection:
        for table in tables_of(connection):
            columns = columns_of(connection, table)
            record = next((f'"{name}"' for name, *_ in columns if name in ("n", "last")), "NULL")
            for name, _, nullable, _ in columns:
                rows = set(rows_of(connection, table))
                if nullable:
                    for test in ("IS NULL", "IS NOT NULL"):
                        query = f'SELECT min(rowid) FROM "{table}" WHERE "{name}" {test}'
                        rows.update(row for (row,) in connection.execute(query) if row is not None)
                for row in sorted(rows):
                    query = f'SELECT {record}, "{name}" FROM "{table}" WHERE rowid = ?'
                    n, value = connection.execute(query, (row,)).fetchone()
                    query = "SELECT n FROM entry WHERE account = ? AND ? = 'account'"
                    records = frozenset(n for (n,) in connection.execute(query, (row, table)))
                    yield Cell(table, name, row, n, value, records)


def changes(cell: Cell, kind: str) -> list[Any]:
    """Other values that a cell may take instead, the smallest change first."""
    value = cell.value
    if value is None:
        return [1, 2] if kind in ("INTEGER", "BIGINT") else ["x", "y"]
    if isinstance(value, int):
        return [value + 1, value - 1, value + 1_000_003] if cell.row % 2 else [value - 1, value + 1, value + 1_000_003]
    if isinstance(value, bytes):
        place = len(value) // 3
        return [value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]]
    place = len(value) // 2
    if not value:
        return ["1"]
    return [value[:place] + other + value[place + 1 :] for other in "12ab" if other != value[place]]


def change(file: Path, cell: Cell, *, null: bool = False) -> Any:
    """Puts another value in the place of one; gives what is there now."""
    with closing(connect(file)) as connection:
        kinds = {name: kind for name, kind, _, _ in columns_of(connection, cell.table)}
        for value in [None] if null else changes(cell, kinds[cell.column]):
            try:
                query = f'UPDATE "{cell.table}" SET "{cell.column}" = ? WHERE rowid = ?'
                assert connection.execute(query, (value, cell.row)).rowcount == 1
            except sqlite3.IntegrityError:
                continue
            return value
    raise AssertionError(f"no other value fits {cell}")


def nullable(file: Path) -> set[tuple[str, str]]:
    """The columns that may be null."""
    with closing(connect(file)) as connection:
        return {
            (table, name)
            for table in tables_of(connection)
            for name, _, null, _ in columns_of(connection, table)
            if null
        }


def remove(file: Path, table: str, row: int) -> None:
    """Takes a row away."""
    with closing(connect(file)) as connection:
        assert connection.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (row,)).rowcount == 1


def add(file: Path, table: str) -> None:
    """Adds a copy of the last row under a key of its own."""
    with closing(connect(file)) as connection:
        columns = columns_of(connection, table)
        row = list(connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid DESC LIMIT 1').fetchone())
        for index, (name, _, _, key) in enumerate(columns):
            unique = name == "id" or (table, name) in {("account", "path"), ("snapshot", "n")}
            if key or unique:
                row[index] = row[index] + 1 if isinstance(row[index], int) else f"{row[index]}0"
        connection.execute(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(row))})', row)


def swap(file: Path, table: str) -> bool:
    """Swaps all but the keys of two rows; whether there were two that differ."""
    with closing(connect(file)) as connection:
        columns = columns_of(connection, table)
        names = [name for name, *_, key in columns if not key]
        listed = ", ".join(f'"{name}"' for name in names)
        if not names:
            return False
        rows = connection.execute(f'SELECT rowid, {listed} FROM "{table}" ORDER BY rowid').fetchall()
        pairs = [(one, other) for one, other in pairwise(rows) if one[1:] != other[1:]]
        if not pairs:
            return False
        (one, *mine), (other, *theirs) = pairs[len(pairs) // 2]
        passing = [f"passing {index}" if isinstance(value, str) else value for index, value in enumerate(mine)]
        passing = [-987_654 if isinstance(value, int) else value for value in passing]
        sets = ", ".join(f'"{name}" = ?' for name in names)
        for row, values in ((one, passing), (other, mine), (one, theirs)):
            connection.execute(f'UPDATE "{table}" SET {sets} WHERE rowid = ?', (*values, row))
        return True
