"""`audit verify` on real ledgers: whole ones are whole, and whatever an insider changes is named."""

import shutil
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import proof_mutants as mutants
import pytest
from databases import Databases, Server
from proof_ledger import (
    BOOK,
    FLOWS,
    KEY,
    ORIGIN,
    STORY,
    build,
    decided,
    opened,
    sign_all,
    untie,
    verified,
)
from sqlalchemy import Connection, event, inspect, text

from ledger import tables
from ledger.leaves import leaves
from ledger.merkle import leaf_hash
from ledger.migrate import upgrade
from ledger.notes import NoteError, SigningKey
from ledger.store import Store
from rulebook import load
from services import audit, replay
from services.findings import Found

NOT_COVERED = {("alembic_version", None), ("relay", None), ("journal", "position")}
MEMBERS = ["ok", "records", "entries", "accounts", "snapshots", "checkpoints", "root", "bad", "not_records"]
CLOSES = 3


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def whole(file: Path) -> Path:
    """Puts all of a ledger into its one file."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    return file


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story, with checkpoints at two sizes."""
    file = tmp_path_factory.mktemp("made") / "ledger.db"
    build(url_of(file), STORY[:60])
    sign_all(url_of(file))
    build(url_of(file), STORY)
    sign_all(url_of(file))
    return whole(file)


class Copies:
    """One file that is made the story again each time; its store stays open, so that queries are compiled once."""

    def __init__(self, made: Path, file: Path, store: Store) -> None:
        self._made, self._file, self._store = made, file, store

    def __call__(self) -> Path:
        with closing(sqlite3.connect(self._made)) as source, closing(sqlite3.connect(self._file)) as target:
            source.backup(target)
        return self._file

    def verified(self) -> Found:
        """What is found in it."""
        return audit.verify(self._store, BOOK, lambda recorded: [KEY.public, *recorded], [])


@pytest.fixture
def ledger(made: Path, tmp_path: Path) -> Iterator[Copies]:
    with opened(url_of(tmp_path / "copy.db")) as store:
        yield Copies(made, tmp_path / "copy.db", store)


@pytest.fixture(scope="module")
def once() -> Iterator[Callable[..., Any]]:
    """Decides the same journal anew but once: what is made of it depends on nothing else."""
    with ExitStack() as stack:
        kept: dict[bytes, Connection] = {}
        anew = replay.replayed

        @contextmanager
        def replayed(connection: Connection, book: Any) -> Iterator[Connection]:
            digest = sha256(
                str(connection.execute(tables.journal.select().order_by(tables.journal.c.n)).all()).encode()
            )
            if digest.digest() not in kept:
                kept[digest.digest()] = stack.enter_context(anew(connection, book))
            yield kept[digest.digest()]

        yield replayed


@pytest.fixture
def quick(once: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "replayed", once)


def counts(connection: Connection) -> dict[str, int]:
    """How many rows there are of what a verification counts."""
    names = {"records": "journal", "entries": "entry", "accounts": "account", "snapshots": "snapshot",
             "checkpoints": "checkpoint"}  # fmt: skip
    return {
        told: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for told, table in names.items()
    }


def fine(found: Found, url: str, uncovered: set[tuple[str, str | None]] = NOT_COVERED) -> None:
    """All is well, the counts are those of the tables, and no more is left out than is argued."""
    told = found.told()
    assert told["bad"] == []
    assert list(told) == MEMBERS
    assert told["ok"] is True
    assert {(one["table"], one["column"]) for one in told["not_records"]} == uncovered
    assert all(one.keys() == {"table", "column", "why"} and one["why"] for one in told["not_records"])
    with opened(url) as store, store.read() as connection:
        assert {name: told[name] for name in counts(connection)} == counts(connection)


# --- what is whole


def test_the_story_has_all_that_a_ledger_may_have(made: Path) -> None:
    with opened(url_of(made)) as store, store.read() as connection:
        given = [
            orjson.loads(line)
            for answers in connection.execute(text("SELECT answers FROM journal")).scalars()
            for line in answers.split("\n")
        ]
        rows = {
            name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()
            for name in tables.metadata.tables
        }
        late = set(connection.execute(text("SELECT late_for FROM entry")).scalars())
    data = [one["data"] for one in given]
    outcomes = {one["outcome"] for one in data if "outcome" in one}
    assert outcomes == {"approved", "held", "released", "denied", "expired"}
    kinds = {one["kind"] for one in data if "crossed_by" in one}
    assert kinds == {"threshold", "exhausted", "replenished", "forecast", "over_limit"}
    codes = {reason["code"] for one in data for reason in one.get("reasons", ())}
    assert {"shipment.state", "shipment.unknown", "shipment.duplicate", "quota.exhausted", "license.expired"} <= codes
    assert {"2025-05", "2025-06", None} <= late
    assert [name for name, number in rows.items() if not number] == ["relay"]
    assert rows["snapshot"] == CLOSES


@pytest.mark.parametrize(
    ("sealed", "batch"),
    [((), 1), ((1, 2, 3, 50, 51), 40), ((len(STORY),), 9)],
    ids=["never", "in steps", "at the end"],
)
def test_a_whole_ledger_is_verified(databases: Databases, sealed: tuple[int, ...], batch: int) -> None:
    url = databases.ledger()
    build(url, batch=batch, sealed=sealed)
    fine(verified(url), url, NOT_COVERED if sealed and sealed[-1] == len(STORY) else NOT_COVERED | {("leaf", None)})
    note = sign_all(url)
    fine(verified(url, [("a", note)]), url)
    databases.drop(url)


def test_flows_are_verified(tmp_path: Path) -> None:
    for number, path in enumerate(sorted(FLOWS.glob("*/*.toml"))[::4]):
        url = url_of(tmp_path / f"{number}.db")
        book = decided(url, tomllib.loads(path.read_text("utf-8")))
        assert verified(url, book=book).told()["bad"] == [], path.name


def test_what_was_recorded_before_rests_on_was_noted_is_not_bad(databases: Databases) -> None:
    """A ledger of revision 0001 that is brought to this version, and goes on."""
    url, source = databases.empty(), databases.ledger()
    cut = next(index for index, step in enumerate(STORY) if step.get("close"))
    opening = [step for step in STORY[: cut + 50] if "close" not in step]
    build(source, opening)
    upgrade(url, "0001")
    with opened(url) as new, opened(source) as old, old.read() as read, new.begin() as write:
        for name in (
            "journal",
            "mention",
            "account",
            "entry",
            "shipment",
            "waiting",
            "fact",
            "attestation",
            "obligation",
        ):
            columns = [column["name"] for column in inspect(write).get_columns(name)]
            listed = ", ".join(f'"{column}"' for column in columns)
            rows = read.execute(text(f'SELECT {listed} FROM "{name}"')).mappings().all()
            marks = ", ".join(f":{column}" for column in columns)
            if rows:
                write.execute(text(f'INSERT INTO "{name}" ({listed}) VALUES ({marks})'), [dict(row) for row in rows])
        head = read.execute(text("SELECT n, sequence, accounts, recorded, ticked FROM head")).mappings().one()
        write.execute(
            text("UPDATE head SET n=:n, sequence=:sequence, accounts=:accounts, recorded=:recorded, ticked=:ticked"),
            dict(head),
        )
        old_records = head["n"]
    assert upgrade(url) == ("0001", "0002")
    silent = NOT_COVERED | {("journal", "rests_on")}
    fine(verified(url), url, silent | {("leaf", None)})
    fine(verified(url, [("a", sign_all(url))]), url, silent)
    build(url, opening + STORY[-5:])
    found = verified(url)
    fine(found, url, silent | {("leaf", None)})
    whys = [one["why"] for one in found.told()["not_records"] if one["column"] == "rests_on"]
    with opened(url) as store, store.read() as connection:
        first = connection.execute(text("SELECT min(n) FROM journal WHERE rests_on <> ''")).scalar_one()
        assert first > old_records
    numbers = [int(word) for word in whys[0].split() if word.isdigit()]
    assert len(numbers) == 1 and numbers[0] <= old_records
    sign_all(url)
    untie(url)
    with opened(url) as store, store.begin() as connection:
        connection.execute(text("UPDATE journal SET rests_on = '' WHERE n = :n"), {"n": first})
    told = verified(url).told()
    assert told["bad"][0]["record"] == first, "of a record of this version it is no excuse"
    databases.drop(url)
    databases.drop(source)


def test_records_of_another_book_are_told_as_not_decided_anew(tmp_path: Path) -> None:
    url = url_of(tmp_path / "a.db")
    build(url)
    sign_all(url)
    told = verified(url, book=load("ai-diffusion", {"lpp_5a002": True})).told()
    assert told["ok"]
    left = {(one["table"], one["column"]) for one in told["not_records"]} - NOT_COVERED
    assert {("shipment", None), ("obligation", None), ("account", "forecast"), ("head", "ticked")} <= left
    assert not left & {("entry", None), ("journal", None), ("account", None), ("snapshot", None), ("leaf", None)}


def test_a_writer_at_work_is_no_finding(tmp_path: Path) -> None:
    """What another process records and seals while the verification reads is not there for it."""
    url = url_of(tmp_path / "a.db")
    build(url, STORY[:30])
    sign_all(url)
    done: list[str] = []
    with opened(url) as store:

        @event.listens_for(store.engine, "after_cursor_execute")
        def write(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "FROM head" in statement and not done:
                done.append(statement)
                build(url, STORY[:40], sealed=[40])

        found = audit.verify(store, BOOK, lambda recorded: [KEY.public, *recorded], [])
    assert done
    assert found.told()["bad"] == []
    assert found.records == 30


# --- every value of every column


def names(found: Found, cell: mutants.Cell, now: Any) -> bool:
    """Whether the table is named, or a record that the row is or was of, or that has entries on the account."""
    records = {cell.record} - {None}
    if cell.column in ("n", "last"):
        records.add(now)
    if cell.table == "account":
        records |= cell.records
    return any(one.table == cell.table or one.record in records for one in found.bad)


@pytest.mark.usefixtures("quick")
def test_every_changed_value_of_every_column_is_named(made: Path, ledger: Copies) -> None:
    silent, seen = [], set()
    may_be_null = mutants.nullable(made)
    for cell in list(mutants.cells(made)):
        if {(cell.table, None), (cell.table, cell.column)} & NOT_COVERED:
            continue
        seen.add((cell.table, cell.column))
        for null in (False, True)[: 1 + ((cell.table, cell.column) in may_be_null and cell.value is not None)]:
            file = ledger()
            now = mutants.change(file, cell, null=null)
            found = ledger.verified()
            if found.told()["ok"] or not names(found, cell, now):
                silent.append((cell, now, found.bad[:3]))
    assert silent == []
    every = {(table.name, column.name) for table in tables.metadata.sorted_tables for column in table.columns}
    assert seen == {one for one in every if not {one, (one[0], None)} & NOT_COVERED}


@pytest.mark.usefixtures("quick")
def test_where_a_message_stood_is_covered_of_rejections(made: Path, ledger: Copies) -> None:
    with closing(sqlite3.connect(made)) as connection:
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
        assert ledger.verified().told()["bad"][0]["record"] == n


REMOVED_UNSEEN = {"alembic_version", "relay", "checkpoint"}
"""That a checkpoint was removed only its file can tell; what it covered is still there."""


@pytest.mark.usefixtures("quick")
def test_every_removed_swapped_and_added_row_is_named(made: Path, ledger: Copies) -> None:
    with closing(mutants.connect(Path(shutil.copy(made, made.with_name("look.db"))))) as connection:
        there = {table: mutants.rows_of(connection, table) for table in mutants.tables_of(connection)}
    silent = []

    def look(table: str, what: str) -> None:
        found = ledger.verified()
        if found.told()["ok"] or not any(one.table in (table, "journal") for one in found.bad):
            silent.append((table, what, found.bad[:3]))

    for table, rows in there.items():
        for row in rows if table not in REMOVED_UNSEEN else ():
            file = ledger()
            mutants.remove(file, table, row)
            look(table, f"removed {row}")
        if table in ("alembic_version", "relay"):
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
        if (how in ("DECODE", "EMPTY") and table.name in ("relay", "checkpoint")) or (how == "DECODE" and not texts):
            continue
        told = ledger.verified().told()
        assert not told["ok"]
        named = {one["table"] for one in told["bad"]}
        assert table.name in named or (how == "EMPTY" and "journal" in named), (how, table.name, named)
        if how in ("DROP", "COLUMN"):
            first = next(one for one in told["bad"] if one["record"] is None)
            assert first["table"] == table.name
            assert "\n" not in first["why"]


def test_numbers_that_lead_far_away_are_soon_said_to_be_bad(ledger: Copies) -> None:
    for statement in ("UPDATE head SET n = 1 << 61", "UPDATE journal SET n = 1 << 61 WHERE n = 50",
                      "UPDATE leaf SET n = 1 << 61 WHERE n = 50", "UPDATE checkpoint SET n = 1 << 61",
                      "UPDATE entry SET n = 1 << 61 WHERE n = 48", "UPDATE entry SET n = -(1 << 61) WHERE n = 48",
                      "UPDATE journal SET n = -(1 << 61) WHERE n = 50", "UPDATE snapshot SET record = 1 << 61"):  # fmt: skip
        file = ledger()
        with closing(mutants.connect(file)) as connection:
            connection.execute(statement.replace("UPDATE checkpoint", "UPDATE OR REPLACE checkpoint"))
        told = ledger.verified().told()
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
        bad = ledger.verified().told()["bad"]
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
    bad = ledger.verified().told()["bad"]
    assert all(one.keys() == {"table", "key", "record", "why"} for one in bad)
    numbers = [one["record"] for one in bad]
    assert numbers[0] == 33
    known = [number for number in numbers if number is not None]
    assert known == sorted(known)
    assert numbers[: len(known)] == known, "what is of no record comes last"
    assert 200 in known
    assert None in numbers


# --- what is consistent in itself


def reseal(url: str, first: int) -> None:
    """Hashes the leaves of records anew, as an insider would."""
    with opened(url) as store:
        with store.read() as connection:
            hashes = [(leaf_hash(leaf), row.n) for row, leaf in leaves(connection, store, first - 1)]
        with store.begin() as connection:
            for digest, n in hashes:
                connection.execute(tables.leaf.update().where(tables.leaf.c.n == n).values(hash=digest))


@pytest.mark.parametrize("with_leaves", [False, True])
def test_an_entry_and_its_account_changed_together(ledger: Copies, with_leaves: bool) -> None:
    file = ledger()
    with closing(mutants.connect(file)) as connection:
        account, number, n = connection.execute(
            "SELECT account, entry, n FROM entry WHERE pending > 0 AND shipment_id = 'S-1'"
        ).fetchone()
        connection.execute("UPDATE entry SET pending = pending + 1 WHERE account = ? AND entry = ?", (account, number))
        connection.execute("UPDATE entry SET balance = balance + 1 WHERE account = ? AND entry >= ?", (account, number))
        connection.execute("UPDATE account SET pending = pending + 1 WHERE id = ?", (account,))
    if with_leaves:
        reseal(url_of(file), n)
    bad = ledger.verified().told()["bad"]
    assert bad[0]["record"] == n
    assert {"checkpoint", "journal"} <= {one["table"] for one in bad}


def test_an_answer_and_its_leaf_changed_together(ledger: Copies) -> None:
    file = ledger()
    with closing(mutants.connect(file)) as connection:
        (n,) = connection.execute(
            "SELECT n FROM journal WHERE shipment_id = 'H-3' AND answers LIKE '%held%'"
        ).fetchone()
        connection.execute("UPDATE journal SET answers = replace(answers, 'a note', 'a word') WHERE n = ?", (n,))
        connection.execute("UPDATE journal SET answers = replace(answers, 'red_flag', 'red_flap') WHERE n = ?", (n,))
    reseal(url_of(file), n)
    told = ledger.verified().told()
    assert {"checkpoint", "journal"} <= {one["table"] for one in told["bad"]}
    assert n in {one["record"] for one in told["bad"]}
    with closing(mutants.connect(file)) as connection:
        connection.execute("DELETE FROM checkpoint")
    told = ledger.verified().told()
    assert told["bad"][0]["record"] == n, "the events decided anew tell"


def without_last(file: Path, *, checkpoints: bool) -> None:
    """Removes the last record with all that follows from it: an adjustment of 5 TPP on one account."""
    with closing(mutants.connect(file)) as connection:
        (n, answers) = connection.execute("SELECT n, answers FROM journal ORDER BY n DESC LIMIT 1").fetchone()
        ((account, posted),) = connection.execute("SELECT account, posted FROM entry WHERE n = ?", (n,)).fetchall()
        assert posted == 5
        for table in ("journal", "entry", "leaf"):
            connection.execute(f"DELETE FROM {table} WHERE n = ?", (n,))
        connection.execute("UPDATE account SET posted = posted - 5, entries = entries - 1 WHERE id = ?", (account,))
        connection.execute(
            "UPDATE head SET n = n - 1, sequence = sequence - ?, recorded = (SELECT max(recorded) FROM journal)",
            (answers.count("\n") + 1,),
        )
        if checkpoints:
            connection.execute("DELETE FROM checkpoint")


def test_the_last_record_is_missed_by_whoever_holds_a_checkpoint(ledger: Copies, made: Path) -> None:
    with closing(sqlite3.connect(made)) as connection:
        size, note = connection.execute("SELECT n, note FROM checkpoint ORDER BY n DESC LIMIT 1").fetchone()
    file = ledger()
    without_last(file, checkpoints=False)
    told = ledger.verified().told()
    assert [(one["table"], one["record"]) for one in told["bad"]] == [("checkpoint", size)]
    file = ledger()
    without_last(file, checkpoints=True)
    told = verified(url_of(file), [("outside", note.encode())]).told()
    assert [(one["table"], one["key"], one["record"]) for one in told["bad"]] == [("checkpoint", "outside", size)]
    fine(ledger.verified(), url_of(file))  # nobody holds a checkpoint: the ledger is what it was before it


def test_a_ledger_written_anew_is_told_by_a_checkpoint_or_the_key(tmp_path: Path, made: Path) -> None:
    with closing(sqlite3.connect(made)) as connection:
        size, note = connection.execute("SELECT n, note FROM checkpoint ORDER BY n DESC LIMIT 1").fetchone()
    story = [dict(step) for step in STORY]
    story[-1] = {**story[-1], "data": {**story[-1]["data"], "amount": 6}}
    same, other = url_of(tmp_path / "same.db"), url_of(tmp_path / "other.db")
    stranger = SigningKey.make(ORIGIN)
    for url, key in ((same, KEY), (other, stranger)):
        build(url, story)
        sign_all(url, key)
    fine(verified(same), same)
    for url in (same, other):
        told = verified(url, [("outside", note.encode())]).told()
        assert [(one["table"], one["key"], one["record"]) for one in told["bad"]] == [("checkpoint", "outside", size)]
    told = verified(other, keys=[KEY.public]).told()
    assert [one["table"] for one in told["bad"]] == ["checkpoint"]
    assert verified(same, keys=[KEY.public]).told()["ok"]


def test_older_checkpoints_are_prefixes_and_others_are_not(ledger: Copies, made: Path, tmp_path: Path) -> None:
    url = url_of(ledger())
    with closing(sqlite3.connect(made)) as connection:
        notes = [(str(n), note.encode()) for n, note in connection.execute("SELECT n, note FROM checkpoint ORDER BY n")]
    assert len(notes) == 2
    fine(verified(url, notes), url)
    with pytest.raises(NoteError):
        verified(url, notes, [SigningKey.make(ORIGIN).public])
    with pytest.raises(NoteError):
        verified(url, [("broken", notes[0][1].replace(b"=", b"+", 1))])
    empty = url_of(tmp_path / "empty.db")
    build(empty, [])
    fine(verified(empty, [("none", sign_all(empty))]), empty)
    assert [one["key"] for one in verified(empty, notes).told()["bad"]] == [name for name, _ in notes]


def test_a_spoilt_key_of_a_checkpoint_does_not_hide_what_a_file_shows(ledger: Copies, made: Path) -> None:
    with closing(sqlite3.connect(made)) as connection:
        note = connection.execute("SELECT note FROM checkpoint ORDER BY n DESC LIMIT 1").fetchone()[0].encode()
    file = ledger()
    without_last(file, checkpoints=False)
    with closing(mutants.connect(file)) as connection:
        connection.execute("UPDATE checkpoint SET key = 'x' || key")
    told = verified(url_of(file), [("outside", note)]).told()
    assert "outside" in {one["key"] for one in told["bad"]}


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
            bad = found_in(store).told()["bad"]
            write(store, text(f'ALTER TABLE gone RENAME TO "{table.name}"'))
            assert next(one for one in bad if one["record"] is None)["table"] == table.name
        fine(found_in(store), url)
    databases.drop(url)


def found_in(store: Store) -> Found:
    return audit.verify(store, BOOK, lambda recorded: [KEY.public, *recorded], [])


def write(store: Store, statement: Any) -> None:
    with store.begin() as connection:
        connection.execute(statement)


def changed_on(store: Store) -> list[Any]:
    """What was changed in the last row of each table, and not named."""
    wrong = []
    for table in tables.metadata.sorted_tables:
        if (table.name, None) in NOT_COVERED:
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
            now = ("x" if str(column.type) == "TEXT" else 7) if value is None else now
            this = [table.c[name] == row[name] for name in keys]
            there = [table.c[name] == (now if name == column.name else row[name]) for name in keys]
            write(store, table.update().where(*this).values({column.name: now}))
            told = found_in(store).told()
            write(store, table.update().where(*there).values({column.name: value}))
            records = {row.get("n"), row.get("last"), now} - {None}
            if table.name == "account":
                with store.read() as connection:
                    query = text("SELECT n FROM entry WHERE account = :account")
                    records |= set(connection.execute(query, {"account": row["id"]}).scalars())
            if told["ok"] or not any(one["table"] == table.name or one["record"] in records for one in told["bad"]):
                wrong.append((table.name, column.name, value, now, told["bad"][:2]))
    return wrong
