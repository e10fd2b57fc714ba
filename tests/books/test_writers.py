"""A close beside writers on one ledger: nothing is booked into a closed day after it, and nothing before it is missed."""

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
from books_events import Desk, beginning, event, some_steps
from books_model import Bounds, Model, days_of
from books_readers import caller
from cli_run import TPP
from databases import Databases
from ledger_checks import JOURNAL, check_ledger, opened, rows
from ledger_events import engine, records

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.snapshots import snapshots
from schemas.event_types import SNAPSHOT_CLOSED
from schemas.periods import period
from services.engine.period_close import close_period

MONTHS = ("2025-02", "2025-04", "2025-Q1", "2025-06", "2025-Q2", "2025-08", "2025-07", "2025-11", "2025", "2026-01")


def events(seed: int, source: str, many: int) -> list[bytes]:
    """Events of a history without closes, as those of one source."""
    line, raws = beginning()
    raws += [event(line, step) for step in some_steps(seed, many) if step.action != "close"]
    return [orjson.dumps({**orjson.loads(raw), "source": source}) for raw in raws]


def check_journal(store: Store) -> list[int]:
    """Holds the books against what the records say in their order; the numbers of the closes."""
    model = Model()
    closes = []
    for row in rows(store, JOURNAL):
        if row.type == SNAPSHOT_CLOSED:
            closes.append(row.n)
            assert model.close(orjson.loads(row.answers)["data"]["period"], row.recorded)
        else:
            model.take(bytes(row.event), row.answers.split("\n"), row.recorded)
        assert (model.records, model.recorded) == (row.n, row.recorded)
    made = Desk(store)
    made.model = model
    with store.read() as connection:
        found = snapshots(connection)
    made.kept = {one.id: (one, *made.tables(one.id)) for one in found}
    made.check([Bounds(record=model.records // 2)])
    check_ledger(store)
    for one in found:
        last = days_of(one.id)[1].isoformat()
        assert [entry for entry in model.entries if entry.record > one.n and entry.booked <= last] == []
    return closes


def amid(closes: Sequence[int], last: int) -> bool:
    """Whether records of events lie between the closes and after some of them."""
    return closes[0] < last - len(closes) and closes[-1] - closes[0] >= len(closes)


def test_closes_beside_threads_that_write(databases: Databases) -> None:
    """Two engines and one that closes, each with a store of its own."""
    url = databases.ledger()
    started, failed = threading.Barrier(3, timeout=20), []

    def write(source: str, seed: int) -> None:
        with opened(url) as store:
            runs, raws = engine(store), events(seed, source, 160)
            started.wait()
            for start in range(0, len(raws), 3):
                runs.run(records(raws[start : start + 3], start + 1, source))
                time.sleep(0.005)

    def close() -> None:
        with opened(url) as store:
            ledger = Ledger(store)
            started.wait()
            for name in MONTHS:
                time.sleep(0.03)
                made = close_period(ledger, period(name), 0)
                assert close_period(ledger, period(name), 0) == made

    threads = [
        threading.Thread(target=write, daemon=True, args=("//a.example", 1)),
        threading.Thread(target=write, daemon=True, args=("//b.example", 2)),
        threading.Thread(target=close, daemon=True),
    ]
    hook, threading.excepthook = threading.excepthook, lambda args: failed.append(args.exc_value)  # type: ignore[assignment]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        threading.excepthook = hook
    assert failed == []
    with opened(url) as store:
        closes = check_journal(store)
        assert len(closes) == len(MONTHS)
        assert amid(closes, len(rows(store, JOURNAL)))
    databases.drop(url)


def test_closes_beside_a_running_screen(databases: Databases, tmp_path: Path) -> None:
    """The command decides what comes on its standard input while the command closes, again and again."""
    url = databases.ledger()
    raws = events(3, "//a.example", 170)
    call = caller(url, tmp_path)
    words = [TPP, "screen", "-", "--ledger", url]
    running = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    assert running.stdin is not None
    assert running.stdout is not None
    first = threading.Event()

    def feed() -> None:
        assert running.stdin is not None
        for number, raw in enumerate(raws):
            running.stdin.write(raw + b"\n")
            running.stdin.flush()
            if number > 2:
                first.wait(0.02)
        running.stdin.close()

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    assert orjson.loads(running.stdout.readline())["sequence"]
    reading = threading.Thread(target=running.stdout.read, daemon=True)
    reading.start()
    told = [call("snapshot", "close", name, "--format", "json").json for name in MONTHS]
    first.set()
    for thread in (feeding, reading):
        thread.join(60)
    running.wait(60)
    running.stdout.close()
    with opened(url) as store:
        closes = check_journal(store)
        with store.read() as connection:
            assert [one.to_json() for one in snapshots(connection)] == told
        assert len(closes) == len(MONTHS)
        assert amid(closes, len(rows(store, JOURNAL)))
    databases.drop(url)
