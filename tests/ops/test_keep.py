"""Back-up while others write, restore with verification, and until when records must be kept."""

import csv
import io
import stat
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest
from databases import Databases

import rulebook
from ledger.database.store import Store
from ledger.database.store import ledger_url as as_url
from ledger.journal import Ledger
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software, wall_clock

ROOT = Path(__file__).resolve().parent.parent.parent
QUICKSTART = (ROOT / "examples/quickstart.jsonl").read_bytes().splitlines()


def keep(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs ops/keep.py and holds its exit code against what is expected."""
    command = [sys.executable, "-W", "ignore", str(ROOT / "ops/keep.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def screen(url: str, lines: list[bytes], ended: threading.Event | None = None) -> None:
    store = Store(url)
    store.open()
    engine = Engine(Ledger(store), rulebook.load("ai-diffusion", {}), wall_clock, software())
    for n, line in enumerate(lines):
        if ended is not None and ended.is_set():
            break
        engine.run([Message(line, {"file": "f", "line": n})])
    store.close()


def epoch(url: str) -> int | None:
    """Which restore a ledger is of."""
    store = Store(url)
    with store.read() as connection:
        found: int | None = connection.exec_driver_sql("SELECT epoch FROM head").scalar()
    store.close()
    return found


def events(count: int) -> list[bytes]:
    request = next(line for line in QUICKSTART if b"shipment.requested" in line)
    found = []
    for n in range(count):
        event = orjson.loads(request)
        event |= {"id": f"evt-many-{n}", "subject": f"SHP-MANY-{n}"}
        event["data"]["shipment_id"] = f"SHP-MANY-{n}"
        found.append(orjson.dumps(event))
    return found


def test_a_backup_made_while_others_write_is_one_moment_and_verifies(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPP_SIGNING_KEY", str(tmp_path / "key"))
    url, restored, file = databases.ledger(), databases.empty(), tmp_path / "ledger.backup"
    screen(url, QUICKSTART)
    ended = threading.Event()
    writer = threading.Thread(target=screen, args=(url, events(5_000), ended))
    writer.start()
    try:
        keep("backup", url, file)
    finally:
        ended.set()
        writer.join()
    assert keep("restore", file, restored).stdout.startswith("verified: ")
    assert epoch(url) is None
    assert epoch(restored) is not None
    screen(restored, QUICKSTART)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if databases.kind == "sqlite":
        assert stat.S_IMODE(Path(str(as_url(restored).database)).stat().st_mode) == 0o600
    keep("backup", url, file, code=2)
    assert "cannot write" in keep("backup", url, tmp_path / "none" / "file", code=2).stderr
    assert "there is a ledger" in keep("restore", file, restored, code=2).stderr
    databases.drop(url)
    databases.drop(restored)


def test_a_restored_ledger_that_was_changed_is_called_bad(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPP_SIGNING_KEY", str(tmp_path / "key"))
    url, restored, file = databases.ledger(), databases.empty(), tmp_path / "ledger.backup"
    screen(url, QUICKSTART)
    store = Store(url)
    with store.begin() as connection:
        connection.exec_driver_sql("UPDATE account SET posted = posted + 1, pending = pending - 1 WHERE id = 1")
    store.close()
    keep("backup", url, file)
    assert "bad: account" in keep("restore", file, restored, code=1).stdout
    databases.drop(url)
    databases.drop(restored)


def test_records_are_kept_five_years_from_the_last_export_or_return(ledger_url: str) -> None:
    screen(ledger_url, QUICKSTART)
    rows = {
        row["shipment_id"]: row for row in csv.DictReader(io.StringIO(keep("retention", ledger_url, code=1).stdout))
    }
    states = {name: (row["state"], row["last"], row["keep_until"]) for name, row in rows.items()}
    given = [orjson.loads(line) for line in QUICKSTART if line.startswith(b"{") and b'"specversion"' in line]
    sent = {e["data"]["shipment_id"]: e["data"]["export_date"] for e in given if e["type"].endswith("dispatched.v1")}
    back = {e["data"]["shipment_id"]: e["data"]["date"] for e in given if e["type"].endswith("returned.v1")}
    left = {name: max(day, back.get(name, day)) for name, day in sent.items() if states[name][0] == "dispatched"}
    assert left
    for name, day in left.items():
        assert states[name] == ("dispatched", day, f"{int(day[:4]) + 5}{day[4:]}")
    assert all(end == "" for state, _, end in states.values() if state in ("approved", "released", "held"))


def test_an_open_shipment_has_no_end_and_an_empty_ledger_none_to_keep(ledger_url: str) -> None:
    assert "nothing must be kept" in keep("retention", ledger_url).stderr
    screen(ledger_url, events(1))
    assert "as long as a shipment may still leave" in keep("retention", ledger_url, "--on", "2090-01-01", code=1).stderr


def test_a_cancelled_shipment_is_kept_five_years_from_that_day(ledger_url: str) -> None:
    request = events(1)[0]
    cancelled = orjson.loads(request) | {
        "id": "evt-cancel",
        "type": "tpp.shipment.cancelled.v1",
        "time": "2028-02-29T10:00:00Z",
        "data": {"shipment_id": "SHP-MANY-0", "reason": "The order was withdrawn."},
    }
    screen(ledger_url, [request, orjson.dumps(cancelled)])
    assert keep("retention", ledger_url, "--on", "2033-03-01", code=1).stdout.endswith("2028-02-29,2033-03-01\n")
    keep("retention", ledger_url, "--on", "2033-03-02")
