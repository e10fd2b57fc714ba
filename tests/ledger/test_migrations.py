"""A ledger made by migrations is the ledger that the program makes; opening and migrating are safe at any time."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from databases import UNDO_PARTIES, Databases
from ledger_events import Line, engine, records
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from waiting import PATIENCE

from ledger.database import migrate, tables
from ledger.database.store import VERSION, LedgerError, Store

HEAD_ROW = (1, 0, 0, 0, 0, None, None, None)


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A connection to a database."""
    store = Store(url)
    try:
        with store.read() as connection:
            yield connection
    finally:
        store.close()


def told(url: str) -> dict[str, Any]:
    """All that a database says of its tables: columns, keys, constraints, indexes, options, triggers, rows of `head`."""
    with reading(url) as connection:
        found: dict[str, Any] = {"head row": [tuple(row) for row in connection.execute(tables.head.select())]}
        looks = inspect(connection)
        for name in looks.get_table_names():
            if name == "alembic_version":
                continue
            columns = [{**column, "type": repr(column["type"])} for column in looks.get_columns(name)]
            keys = looks.get_pk_constraint(name)
            checks = sorted((check["name"] or "", check["sqltext"]) for check in looks.get_check_constraints(name))
            indexes = sorted(map(_as_text, looks.get_indexes(name)), key=lambda index: str(index["name"]))
            uniques = sorted(looks.get_unique_constraints(name), key=str)
            found[name] = (columns, keys, checks, indexes, uniques, looks.get_table_options(name))
        if connection.dialect.name == "postgresql":
            found["comments"] = {name: looks.get_table_comment(name) for name in looks.get_table_names()}
            found["triggers"] = [
                tuple(row)
                for row in connection.execute(
                    text("SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")
                )
            ]
            found["function"] = connection.execute(
                text("SELECT prosrc FROM pg_proc WHERE proname = 'tpp_append_only'")
            ).all()
        else:
            query = text("SELECT name, sql FROM sqlite_master WHERE name <> 'alembic_version' ORDER BY name")
            found["sql"] = {name: " ".join((sql or "").split()) for name, sql in connection.execute(query)}
    return found


def _as_text(index: Any) -> dict[str, Any]:
    """An index with the condition of a partial one as text."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def test_migrations_make_what_the_program_makes(databases: Databases) -> None:
    migrated, made = databases.empty(), databases.ledger()
    assert migrate.upgrade(migrated) == (None, VERSION)
    assert told(migrated) == told(made)
    assert told(made)["head row"] == [HEAD_ROW]
    with reading(migrated) as connection:
        options: dict[str, Any] = {"compare_type": True, "compare_server_default": True}
        if databases.kind == "sqlite":
            options["include_object"] = lambda found, *_: found is not tables.PREFIX
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []
    databases.drop(migrated)
    databases.drop(made)


def test_a_migrated_ledger_opens(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    store = Store(empty_url)
    store.open()
    assert store.version() == VERSION
    store.close()


@pytest.mark.parametrize(
    ("happened", "day"),
    [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (1_748_735_999_999_999, "2025-05-31"),
        (1_748_736_000_000_000, "2025-06-01"),
    ],
)
def test_entries_of_before_the_books_are_booked_on_the_day_of_their_event(
    empty_url: str, happened: int, day: str
) -> None:
    migrate.upgrade(empty_url, "0001")
    store = Store(empty_url)
    with store.begin() as connection:
        record = "INSERT INTO journal VALUES (1, '//a', 'evt-1', 'tpp.x.v1', 'SHP-1', :happened, 5, '{}', :event, '{}')"
        connection.execute(text(record), {"happened": happened, "event": b"{}"})
        connection.execute(text("INSERT INTO entry VALUES (1, 1, 1, 'SHP-1', 7, 0, 0, 0, 7, NULL)"))
        connection.execute(text("UPDATE head SET n = 1"))
    assert migrate.upgrade(empty_url) == ("0001", VERSION)
    with store.read() as connection:
        assert tuple(connection.execute(tables.entry.select()).one())[-2:] == (day, None)
        assert connection.execute(tables.journal.select()).one().rests_on == ""
        assert connection.execute(tables.head.select()).one().n == 1
    with pytest.raises(DBAPIError, match="append-only"), store.begin() as connection:
        connection.execute(tables.entry.update().values(booked="2000-01-01"))
    store.close()


def test_migrating_again_changes_nothing(ledger_url: str) -> None:
    before = told(ledger_url)
    assert migrate.upgrade(ledger_url) == (VERSION, VERSION)
    assert migrate.upgrade(ledger_url) == (VERSION, VERSION)
    assert told(ledger_url) == before


def test_a_ledger_of_another_revision_is_refused_with_the_remedy(ledger_url: str) -> None:
    _set_revision(ledger_url, "0000")
    store = Store(ledger_url)
    with pytest.raises(LedgerError, match="tpp migrate") as raised:
        store.open()
    store.close()
    assert "0000" in str(raised.value)
    assert VERSION in str(raised.value)


def test_a_ledger_of_a_later_program_is_not_migrated(ledger_url: str) -> None:
    _set_revision(ledger_url, "9999")
    with pytest.raises(LedgerError, match="9999"):
        migrate.upgrade(ledger_url)


def _set_revision(url: str, revision: str) -> None:
    store = Store(url)
    with store.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    store.close()


OPEN = "from ledger.database.store import Store; s = Store(url); s.open(); print(s.version())"
MIGRATE = "from ledger.database.migrate import upgrade; print(upgrade(url)[1])"


def _at_once(program: str, url: str, many: int) -> list[tuple[int, str, str]]:
    """The exit code, output and errors of processes that run a program at one moment, all imports done."""
    program = f"import sys; import ledger.database.store, ledger.database.migrate; url = sys.argv[1]; print(flush=True); sys.stdin.readline(); {program}"
    command = [sys.executable, "-c", program, url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(many)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = []
    for process in processes:
        out, error = process.communicate(timeout=PATIENCE)
        ended.append((process.returncode, out.strip(), error.strip()))
    return ended


@pytest.mark.parametrize("program", [OPEN, MIGRATE], ids=["open", "migrate"])
def test_processes_that_make_one_ledger_at_once(databases: Databases, program: str) -> None:
    for _ in range(2):
        url = databases.empty()
        assert _at_once(program, url, 2) == [(0, VERSION, "")] * 2
        with reading(url) as connection:
            assert [tuple(row) for row in connection.execute(tables.head.select())] == [HEAD_ROW]
        databases.drop(url)


def test_a_new_file_is_opened_while_another_process_makes_its_first_table(tmp_path: Path) -> None:
    """SQLite answers the change to WAL with `database is locked` at once, whatever the busy timeout is."""
    file = tmp_path / "ledger.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE t (x)")
    later = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    later.start()
    store = Store(f"sqlite:///{file}")
    try:
        store.open()
        assert store.version() == VERSION
    finally:
        later.join()
        other.close()
        store.close()


def test_identifiers_of_before_are_known_by_what_looks_like_them(empty_url: str) -> None:
    migrate.upgrade(empty_url, "0002")
    store = Store(empty_url)
    with store.begin() as connection:
        for number, path in enumerate(
            ("lpp/CON-10/2025", "aia/CON-10", "license/L-1", "facility/F.", "country/IN/2025-2027"), 1
        ):
            account = "INSERT INTO account VALUES (:id, :path, NULL, 0, 0, 0, 0, 0, 0, 0, NULL)"
            connection.execute(text(account), {"id": number, "path": path})
        for kind, key in (
            ("party", "con-1O"),
            ("license", "L-1"),
            ("licenses", "EXP-1"),
            ("limit", "*"),
            ("veu", "CON-10"),
        ):
            connection.execute(text("INSERT INTO fact VALUES (:key, :kind, 1)"), {"kind": kind, "key": key})
    assert migrate.upgrade(empty_url) == ("0002", VERSION)
    with store.read() as connection:
        found = {tuple(row) for row in connection.execute(tables.identifier.select())}
    assert found == {
        ("con-lo", "party", "CON-10"), ("con-lo", "party", "con-1O"), ("exp-l", "party", "EXP-1"),
        ("l-l", "license", "L-1"), ("f", "facility", "F."),
    }  # fmt: skip
    store.close()


def test_shipments_of_before_are_listed_by_their_parties(ledger_url: str) -> None:
    run, store = Line(), Store(ledger_url)
    engine(store).run(records([run.requested(f"SHP-{n}", f"CON-2{n}", 8, "LPP") for n in range(3)]))
    with store.begin() as connection:
        made = connection.execute(tables.shipment.select()).all()
        for statement in (
            "DROP INDEX journal_alerts", "DROP INDEX obligation_left", "ALTER TABLE shipment DROP COLUMN parties",
            *(f"DROP TABLE {name}" for name in ("token", "session", "link", "receiver", "notice")), *UNDO_PARTIES,
            "UPDATE alembic_version SET version_num = '0007'",
        ):  # fmt: skip
            connection.execute(text(statement))
    assert migrate.upgrade(ledger_url) == ("0007", VERSION)
    with store.read() as connection:
        assert connection.execute(tables.shipment.select()).all() == made
        assert all(f"CON-2{n}" in row.parties.split() for n, row in enumerate(made))
    store.close()
