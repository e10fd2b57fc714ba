"""`audit verify`: every changed value of every column, and every removed, swapped or added row, is named."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import proof_mutants as mutants
import pytest
from databases import Databases, Server
from proof_audit import DOORS, NOT_COVERED, Copies, fine
from proof_ledger import (
    BOOK,
    KEY,
    build,
    opened,
    sign_all,
    untie,
)
from sqlalchemy import Connection, text

from ledger.database import tables
from ledger.database.store import Store
from services.proof import derived as replay
from services.proof import verification as audit
from services.proof.report import VerificationReport
from services.resources import software


@pytest.fixture(scope="module")
def once() -> Iterator[Callable[..., Any]]:
    """Decides the same journal anew but once: what is made of it depends on nothing else."""
    with ExitStack() as stack:
        kept: dict[bytes, Connection] = {}
        anew = replay.replayed

        @contextmanager
        def replayed(connection: Connection, book: Any, software: str) -> Iterator[Connection]:
            digest = sha256(
                str(connection.execute(tables.journal.select().order_by(tables.journal.c.n)).all()).encode()
            )
            if digest.digest() not in kept:
                kept[digest.digest()] = stack.enter_context(anew(connection, book, software))
            yield kept[digest.digest()]

        yield replayed


@pytest.fixture
def quick(once: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "replayed", once)


def names(found: VerificationReport, cell: mutants.Cell, now: Any) -> bool:
    """Whether the table is named, or a record that the row is or was of, or that has entries on the account."""
    records = {cell.record} - {None}
    if cell.column in ("n", "last"):
        records.add(now)
    if cell.table == "account":
        records |= cell.records
    return any(one.table == cell.table or one.record in records for one in found.bad)


@pytest.mark.usefixtures("quick")
def test_every_changed_value_of_every_column_is_named(whole_ledger: Path, ledger: Copies) -> None:
    silent, seen = [], set()
    may_be_null = mutants.nullable(whole_ledger)
    for cell in list(mutants.cells(whole_ledger)):
        if {(cell.table, None), (cell.table, cell.column)} & NOT_COVERED:
            continue
        seen.add((cell.table, cell.column))
        for null in (False, True)[: 1 + ((cell.table, cell.column) in may_be_null and cell.value is not None)]:
            file = ledger()
            now = mutants.change(file, cell, null=null)
            found = ledger.verified()
            if found.to_json()["ok"] or not names(found, cell, now):
                silent.append((cell, now, found.bad[:3]))
    assert silent == []
    filled = [table for table in tables.metadata.sorted_tables if table.name != EMPTY]
    every = {(table.name, column.name) for table in filled for column in table.columns}
    assert seen == {one for one in every if not {one, (one[0], None)} & NOT_COVERED}


@pytest.mark.usefixtures("quick")
def test_where_a_message_stood_is_covered_of_rejections(whole_ledger: Path, ledger: Copies) -> None:
    with closing(sqlite3.connect(whole_ledger)) as connection:
        rows = connection.execute("SELECT n, position FROM journal WHERE type LIKE '%rejected%'").fetchall()
    assert rows
    for n, position in rows:
        file = ledger()
        told = orjson.loads(position)
        last = list(told)[-1]
        now = orjson.dumps(told | {last: told[last] + 1}).decode()
        mutants.change(file, mutants.Cell("journal", "position", n, n, position))
        with closing(mutants.connect(file)) as connection:
            connection.execute("UPDATE journal SET position = ? WHERE n = ?", (now, n))
        assert ledger.verified().to_json()["bad"][0]["record"] == n


EMPTY = "unfinished"
"""The table that has no rows once everything that was asked for in chunks is done; tests/flow/test_chunks.py fills it."""

REMOVED_UNSEEN = {"alembic_version", "relay", "checkpoint"}
"""That a checkpoint was removed only its file can tell; what it covered is still there."""


@pytest.mark.usefixtures("quick")
def test_every_removed_swapped_and_added_row_is_named(whole_ledger: Path, ledger: Copies) -> None:
    with closing(mutants.connect(Path(shutil.copy(whole_ledger, whole_ledger.with_name("look.db"))))) as connection:
        there = {table: mutants.rows_of(connection, table) for table in mutants.tables_of(connection)}
    silent = []

    def look(table: str, what: str) -> None:
        found = ledger.verified()
        if found.to_json()["ok"] or not any(one.table in (table, "journal") for one in found.bad):
            silent.append((table, what, found.bad[:3]))

    for table, rows in there.items():
        for row in rows if table not in REMOVED_UNSEEN else ():
            file = ledger()
            mutants.remove(file, table, row)
            look(table, f"removed {row}")
        if table in ("alembic_version", "relay", EMPTY, *DOORS):
            continue
        file = ledger()
        mutants.add(file, table)
        look(table, "added")
        file = ledger()
        if mutants.swap(file, table):
            look(table, "swapped")
    assert silent == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("how", ["DROP", "DECODE", "COLUMN", "EMPTY"])
def test_a_table_that_cannot_be_read_is_named(ledger: Copies, how: str) -> None:
    for table in tables.metadata.sorted_tables:
        file = ledger()
        with closing(mutants.connect(file)) as connection:
            texts = [name for name, kind, *_ in mutants.columns_of(connection, table.name) if kind == "TEXT"]
            if how == "DROP":
                connection.execute(f'DROP TABLE "{table.name}"')
            elif how == "COLUMN":
                connection.execute(f'ALTER TABLE "{table.name}" RENAME COLUMN "{table.columns.keys()[-1]}" TO other')
            elif how == "EMPTY":
                connection.execute(f'DELETE FROM "{table.name}"')
            elif texts:
                one = f'rowid = (SELECT max(rowid) FROM "{table.name}")'
                connection.execute(f'UPDATE "{table.name}" SET "{texts[-1]}" = CAST(x\'41ff\' AS TEXT) WHERE {one}')
        if (how in ("DECODE", "EMPTY") and table.name in ("relay", "checkpoint", EMPTY, *DOORS)) or (
            how == "DECODE" and not texts
        ):
            continue
        told = ledger.verified().to_json()
        assert not told["ok"]
        named = {one["table"] for one in told["bad"]}
        by_record = how == "EMPTY" or (how == "DECODE" and table.name == "entry")
        assert table.name in named or (by_record and "journal" in named), (how, table.name, named)
        if how in ("DROP", "COLUMN"):
            first = next(one for one in told["bad"] if one["record"] is None)
            assert first["table"] == table.name
            assert "\n" not in first["why"]


def test_numbers_that_lead_far_away_are_soon_said_to_be_bad(ledger: Copies) -> None:
    for statement in ("UPDATE head SET n = 1 << 61", "UPDATE journal SET n = 1 << 61 WHERE n = 50",
                      "UPDATE leaf SET n = 1 << 61 WHERE n = 50", "UPDATE checkpoint SET n = 1 << 61",
                      "UPDATE entry SET n = 1 << 61 WHERE n = 49", "UPDATE entry SET n = -(1 << 61) WHERE n = 49",
                      "UPDATE journal SET n = -(1 << 61) WHERE n = 50", "UPDATE snapshot SET record = 1 << 61"):  # fmt: skip
        file = ledger()
        with closing(mutants.connect(file)) as connection:
            connection.execute(statement.replace("UPDATE checkpoint", "UPDATE OR REPLACE checkpoint"))
        told = ledger.verified().to_json()
        assert 0 < len(told["bad"]) < 100, statement


def test_values_of_another_kind_are_bad_and_no_traceback(ledger: Copies) -> None:
    """An insider may have put tables without their types in the place of the right ones."""
    for statement in (
        "UPDATE journal SET happened = 'noon' WHERE n = 20",
        "UPDATE journal SET recorded = 1e300 WHERE n = 20",
        "UPDATE journal SET answers = x'ff' WHERE n = 20",
        "UPDATE journal SET event = NULL WHERE n = 20",
        "UPDATE journal SET rests_on = '1 two' WHERE n = 20",
        "UPDATE journal SET answers = '[]' WHERE n = 20",
        "UPDATE journal SET answers = replace(answers, '\"sequence\"', '\"s\"') WHERE n = 20",
    ):
        file = ledger()
        with closing(mutants.connect(file)) as connection:
            connection.execute("CREATE TABLE loose AS SELECT * FROM journal")
            connection.execute("DROP TABLE journal")
            connection.execute("ALTER TABLE loose RENAME TO journal")
            connection.execute(statement)
        bad = ledger.verified().to_json()["bad"]
        assert bad[0]["record"] == 20, (statement, bad[:2])
        assert bad[0]["table"] == "journal"


@pytest.mark.usefixtures("quick")
def test_the_first_bad_record_comes_first(ledger: Copies) -> None:
    file = ledger()
    with closing(mutants.connect(file)) as connection:
        connection.execute("UPDATE account SET pending = pending + 1")
        connection.execute("UPDATE shipment SET ship_to = 'XX'")
        connection.execute("UPDATE journal SET answers = replace(answers, '\"tpp\":', '\"tpp\":1') WHERE n IN (92, 33)")
        connection.execute("INSERT INTO journal SELECT 200, source, id || 'x', type, shipment_id, happened, recorded, "
                           "position, event, answers, rests_on FROM journal WHERE n = 3")  # fmt: skip
    bad = ledger.verified().to_json()["bad"]
    assert all(one.keys() == {"table", "key", "record", "why"} for one in bad)
    numbers = [one["record"] for one in bad]
    assert numbers[0] == 33
    known = [number for number in numbers if number is not None]
    assert known == sorted(known)
    assert numbers[: len(known)] == known, "what is of no record comes last"
    assert 200 in known
    assert None in numbers


# --- PostgreSQL


@pytest.mark.usefixtures("quick")
def test_changed_values_on_postgresql(postgres: Server, tmp_path: Path) -> None:
    databases = Databases("postgresql", tmp_path, postgres)
    url = databases.ledger()
    build(url)
    sign_all(url)
    untie(url)
    with opened(url) as store:
        assert changed_on(store) == []
        fine(found_in(store), url)
        for table in tables.metadata.sorted_tables:
            write(store, text(f'ALTER TABLE "{table.name}" RENAME TO gone'))
            bad = found_in(store).to_json()["bad"]
            write(store, text(f'ALTER TABLE gone RENAME TO "{table.name}"'))
            assert next(one for one in bad if one["record"] is None)["table"] == table.name
        fine(found_in(store), url)
    databases.drop(url)


def found_in(store: Store) -> VerificationReport:
    return audit.verify(store, BOOK, software(), lambda recorded: [KEY.public, *recorded], [])


def write(store: Store, statement: Any) -> None:
    with store.begin() as connection:
        connection.execute(statement)


def changed_on(store: Store) -> list[Any]:
    """What was changed in the last row of each table, and not named."""
    wrong = []
    for table in tables.metadata.sorted_tables:
        if (table.name, None) in NOT_COVERED or table.name == EMPTY:
            continue
        keys = [column.name for column in table.primary_key.columns]
        free = [c for c in table.columns if c.name not in keys and (table.name, c.name) not in NOT_COVERED]
        for column in (free or list(table.columns))[:: max(1, len(free) // 3)]:
            with store.read() as connection:
                query = table.select().order_by(*table.primary_key.columns)
                row = connection.execute(query).mappings().all()[-1]
            value = row[column.name]
            now: Any = f"{value}x" if isinstance(value, str) else value + 1 if isinstance(value, int) else None
            now = bytes(value)[:-1] + b"\x00" if isinstance(value, bytes | memoryview) else now
            now = (*value, "x") if isinstance(value, tuple) else now
            now = ("x" if str(column.type) == "TEXT" else 7) if value is None else now
            this = [table.c[name] == row[name] for name in keys]
            there = [table.c[name] == (now if name == column.name else row[name]) for name in keys]
            write(store, table.update().where(*this).values({column.name: now}))
            told = found_in(store).to_json()
            write(store, table.update().where(*there).values({column.name: value}))
            records = {row.get("n"), row.get("last"), now} - {None}
            if table.name == "account":
                with store.read() as connection:
                    query = text("SELECT n FROM entry WHERE account = :account")
                    records |= set(connection.execute(query, {"account": row["id"]}).scalars())
            if told["ok"] or not any(one["table"] == table.name or one["record"] in records for one in told["bad"]):
                wrong.append((table.name, column.name, value, now, told["bad"][:2]))
    return wrong
