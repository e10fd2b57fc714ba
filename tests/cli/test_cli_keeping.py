"""Back-up while others write, restore with verification, and until when records must be kept."""

import csv
import io
import re
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from cli_kept import QUICKSTART, epoch, events, records, screen, sentence, tpp
from databases import Databases

from ledger.database.store import Store
from ledger.database.store import ledger_url as as_url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_backup_made_while_others_write_is_one_moment_and_verifies(databases: Databases, folder: Path) -> None:
    url, restored, file = databases.ledger(), databases.empty(), folder / "ledger.backup"
    screen(url, QUICKSTART)
    before, ended = records(url), threading.Event()
    writer = threading.Thread(target=screen, args=(url, events(5_000), ended))
    writer.start()
    try:
        told = tpp("backup", file, url=url).stdout.decode()
    finally:
        ended.set()
        writer.join()
    assert told == f"{file}: {file.stat().st_size:,} bytes\n"
    done = tpp("restore", file, url=restored)
    assert done.stdout.decode().startswith("verified: ")
    assert before <= records(restored) <= records(url)
    assert epoch(url) is None
    assert epoch(restored) is not None
    screen(restored, QUICKSTART)
    assert mode(file) == 0o600
    if databases.kind == "sqlite":
        assert mode(Path(str(as_url(restored).database))) == 0o600
    sentence(tpp("backup", file, url=url, code=2), "exists; a back-up replaces no file")
    sentence(tpp("backup", folder / "none" / "file", url=url, code=2), "cannot write")
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
    databases.drop(url)
    databases.drop(restored)


@pytest.mark.usefixtures("folder")
def test_a_ledger_with_records_is_replaced_only_with_force_and_then_whole(databases: Databases) -> None:
    url, other = databases.ledger(), databases.ledger()
    screen(url, QUICKSTART)
    tpp("backup", "file", url=url)
    balances = tpp("balance", "--format", "json", url=url).stdout
    screen(other, events(3))
    had, store = records(other), Store(other)
    with store.read() as connection:
        connection.exec_driver_sql("SELECT 1 FROM head").scalar()
    sentence(tpp("restore", "file", url=other, code=2), f"has {had} records")
    assert records(other) == had
    assert epoch(other) is None
    assert tpp("restore", "file", "--force", url=other).stdout.startswith(b"verified: ")
    assert tpp("balance", "--format", "json", url=other).stdout == balances
    first = epoch(other)
    with store.begin() as connection:
        assert connection.exec_driver_sql("SELECT n FROM head").scalar() == records(url)
    store.close()
    tpp("restore", "file", "--force", url=other)
    assert (epoch(other) or 0) > (first or 0)
    databases.drop(url)
    databases.drop(other)


@pytest.mark.usefixtures("folder")
def test_an_empty_ledger_is_restored_into_without_force(databases: Databases) -> None:
    url, other = databases.ledger(), databases.ledger()
    screen(url, QUICKSTART)
    tpp("backup", "file", url=url)
    assert tpp("restore", "file", url=other).stdout.startswith(b"verified: ")
    databases.drop(url)
    databases.drop(other)


@pytest.mark.usefixtures("folder")
def test_a_restored_ledger_that_was_changed_is_called_bad(databases: Databases) -> None:
    url, restored = databases.ledger(), databases.empty()
    screen(url, QUICKSTART)
    store = Store(url)
    with store.begin() as connection:
        connection.exec_driver_sql("UPDATE account SET posted = posted + 1, pending = pending - 1 WHERE id = 1")
    store.close()
    tpp("backup", "file", url=url)
    assert b"bad: account" in tpp("restore", "file", url=restored, code=1).stdout
    databases.drop(url)
    databases.drop(restored)


@pytest.mark.usefixtures("folder")
def test_a_checkpoint_must_be_a_prefix_and_is_read_before_anything_is_written() -> None:
    url = "sqlite:///a.db"
    screen(url, QUICKSTART)
    tpp("backup", "file", url=url)
    screen(url, events(1))
    tpp("audit", "checkpoint", "--out", "later", url=url)
    sentence(tpp("restore", "file", "--checkpoint", "none", url="sqlite:///b.db", code=2), "none")
    assert not Path("b.db").exists()
    told = tpp("restore", "file", "--checkpoint", "later", url="sqlite:///b.db", code=1).stdout.decode()
    assert "later" in told


def _not_backups(databases: Databases) -> dict[str, tuple[bytes, str]]:
    """Files that are no back-up of such a ledger, and what is said of them."""
    with closing(sqlite3.connect("other.db")) as connection:
        connection.execute("CREATE TABLE head (n)")
        connection.commit()
    other, good = Path("other.db").read_bytes(), Path("file").read_bytes()
    if databases.kind == "sqlite":
        return {
            "empty": (b"", "not a back-up"),
            "text": (QUICKSTART[0], "not a back-up"),
            "an archive": (b"PGDMP" + bytes(100), "is a back-up of PostgreSQL"),
            "of another program": (other, "not one of a whole ledger"),
            "cut off": (good[: len(good) // 2], "the back-up bad"),
            "a header": (good[:100], "the back-up"),
            "pages lost": (good[:8_192] + b"\xff" * 40_960 + good[49_152:], "the back-up bad"),
        }
    return {
        "empty": (b"", "not a back-up"),
        "text": (QUICKSTART[0], "not a back-up"),
        "a database": (other, "is a back-up of SQLite"),
        "cut off": (good[: len(good) // 2], "pg_restore failed"),
        "a header": (good[:20], "pg_restore failed"),
    }


def test_what_is_no_backup_is_a_sentence_and_leaves_the_ledger_as_it_was(databases: Databases, folder: Path) -> None:
    url, into, new = databases.ledger(), databases.ledger(), databases.empty()
    screen(url, QUICKSTART)
    screen(into, events(2))
    had = records(into)
    tpp("backup", "file", url=url)
    for name, (content, said) in _not_backups(databases).items():
        Path("bad").write_bytes(content)
        sentence(tpp("restore", "bad", "--force", url=into, code=2), said)
        assert (records(into), epoch(into)) == (had, None), name
        sentence(tpp("restore", "bad", url=new, code=2), said)
        if databases.kind == "sqlite":
            assert not Path(str(as_url(new).database)).exists(), name
    for missing in ("none", ".", "none/file"):
        sentence(tpp("restore", missing, "--force", url=into, code=2), "cannot read")
    screen(into, events(3))
    assert tpp("audit", "verify", url=into).stdout.startswith(b"verified: ")
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    for one in (url, into, new):
        databases.drop(one)


@pytest.mark.usefixtures("folder")
def test_restoring_into_nothing_is_a_sentence(postgres: Any) -> None:
    screen("sqlite:///a.db", QUICKSTART)
    tpp("backup", "file", url="sqlite:///a.db")
    sentence(tpp("restore", "file", url="sqlite:///none/a.db", code=2), "cannot write ledger sqlite:///none/a.db")
    sentence(tpp("restore", "file", url=":memory:", code=2), ":memory:")
    sentence(tpp("restore", "file", url="", code=2), "empty")
    Path("file").write_bytes(b"PGDMP")
    sentence(tpp("restore", "file", url=postgres.named("no_such_database"), code=2), "does not exist")
    sentence(tpp("backup", "new", url="sqlite:///none.db", code=2), "no ledger at")
    assert not Path("new").exists()


@pytest.mark.usefixtures("folder")
def test_what_stands_in_the_place_of_the_ledger_and_is_none_is_kept() -> None:
    screen("sqlite:///a.db", QUICKSTART)
    tpp("backup", "file", url="sqlite:///a.db")
    with closing(sqlite3.connect("other.db")) as connection:
        connection.execute("CREATE TABLE accounts (n)")
        connection.commit()
    Path("text.db").write_text("not a database, but a text that is longer than a header\n" * 9)
    text = Path("text.db").read_text()
    for name, said in (("other.db", "not a ledger"), ("text.db", "cannot be read")):
        for force in ((), ("--force",)):
            sentence(tpp("restore", "file", *force, url=f"sqlite:///{name}", code=2), said)
    assert Path("text.db").read_text() == text
    with closing(sqlite3.connect("other.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("accounts",)]


@pytest.mark.usefixtures("folder")
def test_a_log_that_an_older_ledger_left_does_not_reach_the_restored_one() -> None:
    """The older ledger's file was moved away, and its log stayed: SQLite would replay it."""
    screen("sqlite:///a.db", QUICKSTART)
    tpp("backup", "file", url="sqlite:///a.db")
    with closing(sqlite3.connect("a.db")) as connection:
        connection.execute("UPDATE head SET n = n + 1000")
        connection.commit()
        shutil.copy("a.db-wal", "b.db-wal")
    assert tpp("restore", "file", url="sqlite:///b.db").stdout.startswith(b"verified: ")
    assert records("sqlite:///b.db") < 1_000


@pytest.mark.usefixtures("folder")
def test_a_damaged_ledger_gives_no_backup() -> None:
    screen("sqlite:///a.db", QUICKSTART)
    with closing(sqlite3.connect("a.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'entry'").fetchone()
    with Path("a.db").open("r+b") as stream:
        stream.seek((root - 1) * 4_096)
        stream.write(b"\xff" * 4_096)
    sentence(tpp("backup", "new", url="sqlite:///a.db", code=2), "the ledger is damaged")
    assert not Path("new").exists()


def _retention(url: str, *words: str, code: int) -> dict[str, dict[str, str]]:
    told = tpp("retention", "--format", "csv", *words, url=url, code=code).stdout.decode()
    return {row["shipment_id"]: row for row in csv.DictReader(io.StringIO(told))}


@pytest.mark.usefixtures("folder")
def test_records_are_kept_five_years_from_the_last_export_or_return(ledger_url: str) -> None:
    screen(ledger_url, QUICKSTART)
    rows = _retention(ledger_url, code=1)
    states = {name: (row["state"], row["last"], row["keep_until"]) for name, row in rows.items()}
    given = [orjson.loads(line) for line in QUICKSTART if line.startswith(b"{") and b'"specversion"' in line]
    sent = {e["data"]["shipment_id"]: e["data"]["export_date"] for e in given if e["type"].endswith("dispatched.v1")}
    back = {e["data"]["shipment_id"]: e["data"]["date"] for e in given if e["type"].endswith("returned.v1")}
    left = {name: max(day, back.get(name, day)) for name, day in sent.items() if states[name][0] == "dispatched"}
    assert left
    for name, day in left.items():
        assert states[name] == ("dispatched", day, f"{int(day[:4]) + 5}{day[4:]}")
    assert all(end == "" for state, _, end in states.values() if state in ("approved", "released", "held"))
    listed = orjson.loads(tpp("retention", "--format", "json", url=ledger_url, code=1).stdout)
    assert [(one["shipment_id"], one["keep_until"] or "") for one in listed] == [
        (name, row["keep_until"]) for name, row in rows.items()
    ]


@pytest.mark.usefixtures("folder")
def test_an_open_shipment_has_no_end_and_an_empty_ledger_none_to_keep(ledger_url: str) -> None:
    assert b"nothing must be kept" in tpp("retention", url=ledger_url).stderr
    screen(ledger_url, events(1))
    done = tpp("retention", "--on", "2090-01-01", url=ledger_url, code=1)
    assert b"as long as a shipment may still leave" in done.stderr
    sentence(tpp("retention", "--on", "2090-13-01", url=ledger_url, code=2), "--on")


def after(request: bytes, kind: str, time: str, **data: Any) -> bytes:
    """A further event about the shipment of a request."""
    event = orjson.loads(request)
    shipment = event["data"]["shipment_id"]
    changed = {"id": f"evt-{kind}", "type": f"tpp.{kind}.v1", "time": time, "data": {"shipment_id": shipment, **data}}
    return orjson.dumps(event | changed)


@pytest.mark.usefixtures("folder")
def test_a_cancelled_shipment_is_kept_five_years_from_that_day(ledger_url: str) -> None:
    request = events(1)[0]
    cancelled = after(request, "shipment.cancelled", "2028-02-29T10:00:00Z", reason="The order was withdrawn.")
    screen(ledger_url, [request, cancelled])
    assert _retention(ledger_url, "--on", "2033-03-01", code=1)["SHP-MANY-0"]["keep_until"] == "2033-03-01"
    tpp("retention", "--on", "2033-03-02", url=ledger_url)


@pytest.mark.usefixtures("folder")
def test_what_left_without_an_approval_is_kept_from_that_day(ledger_url: str) -> None:
    """Of a cancelled shipment that left all the same, and of one that was never requested."""
    request, unknown = events(2)
    cancelled = after(request, "shipment.cancelled", "2025-05-01T10:00:00Z", reason="The order was withdrawn.")
    left = after(request, "shipment.dispatched", "2026-06-05T10:00:00Z", export_date="2026-06-05")
    other = after(unknown, "shipment.dispatched", "2026-06-06T10:00:00Z", export_date="2026-06-06")
    screen(ledger_url, [request, cancelled, left, other.replace(b'"evt-', b'"other-')])
    rows = _retention(ledger_url, "--on", "2027-01-01", code=1)
    assert [(row["state"], row["last"], row["keep_until"]) for row in rows.values()] == [
        ("cancelled", "2026-06-05", "2031-06-05"), ("unknown", "2026-06-06", "2031-06-06"),
    ]  # fmt: skip


@pytest.mark.usefixtures("folder")
def test_nothing_of_retention_is_deleted_or_cut_off(ledger_url: str) -> None:
    screen(ledger_url, events(60))
    before = records(ledger_url)
    told = tpp("retention", "--on", "2090-01-01", url=ledger_url, code=1).stdout.decode()
    assert len(re.findall(r"SHP-MANY-\d+", told)) == 60
    assert max(map(len, told.splitlines())) <= 80
    assert records(ledger_url) == before
