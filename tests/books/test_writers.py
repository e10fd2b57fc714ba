"""A close beside writers on one ledger: nothing is booked into a closed day after it, and nothing before it is missed."""

import subprocess
import threading
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
from waiting import PATIENCE, wait_until

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.snapshots import snapshots
from schemas.event_types import SNAPSHOT_CLOSED
from schemas.periods import period
from services.engine.commands.period_close import close_period

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


class Pace:
    """Keeps writers and the one who closes beside each other, however fast each is: at most two closes apart."""

    def __init__(self, events: int) -> None:
        self.begun: list[bytes] = []
        self.decided: list[object] = []
        self.closed = 0
        self._share = events // (len(MONTHS) + 1)

    def begin(self, raws: Sequence[bytes]) -> None:
        """Waits where the closes are behind the events."""
        wait_until(lambda: self.closed == len(MONTHS) or len(self.begun) < (self.closed + 2) * self._share, every=0.002)
        self.begun.extend(raws)

    def before_closing(self) -> None:
        """Waits where the events are behind the closes."""
        wait_until(lambda: len(self.decided) >= (self.closed + 1) * self._share, every=0.002)


def amid(closes: Sequence[int], last: int) -> bool:
    """Whether records of events lie between the closes and after some of them."""
    return closes[0] < last - len(closes) and closes[-1] - closes[0] >= len(closes)


def test_closes_beside_threads_that_write(databases: Databases) -> None:
    """Two engines and one that closes, each with a store of its own."""
    url = databases.ledger()
    lines = {source: events(seed, source, 160) for seed, source in ((1, "//a.example"), (2, "//b.example"))}
    pace, failed = Pace(sum(map(len, lines.values()))), []

    def write(source: str) -> None:
        with opened(url) as store:
            runs, raws = engine(store), lines[source]
            for start in range(0, len(raws), 3):
                pace.begin(raws[start : start + 3])
                pace.decided.extend(runs.run(records(raws[start : start + 3], start + 1, source)))

    def close() -> None:
        with opened(url) as store:
            ledger = Ledger(store)
            for name in MONTHS:
                pace.before_closing()
                made = close_period(ledger, period(name), 0)
                assert close_period(ledger, period(name), 0) == made
                pace.closed += 1

    threads = [
        *(threading.Thread(target=write, daemon=True, args=[source]) for source in lines),
        threading.Thread(target=close, daemon=True),
    ]
    hook, threading.excepthook = threading.excepthook, lambda args: failed.append(args.exc_value)  # type: ignore[assignment]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
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
    assert call("audit", "key", "--new").code == 0
    words = [TPP, "screen", "-", "--ledger", url]
    running = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    assert running.stdin is not None
    assert running.stdout is not None
    pace = Pace(len(raws))

    def feed() -> None:
        assert running.stdin is not None
        for raw in raws:
            pace.begin([raw])
            running.stdin.write(raw + b"\n")
            running.stdin.flush()
        running.stdin.close()

    def read_answers() -> None:
        for line in running.stdout:
            pace.decided.append(line)

    feeding = threading.Thread(target=feed, daemon=True)
    feeding.start()
    assert orjson.loads(running.stdout.readline())["sequence"]
    reading = threading.Thread(target=read_answers, daemon=True)
    reading.start()
    told = []
    for name in MONTHS:
        pace.before_closing()
        told.append(call("snapshot", "close", name, "--format", "json").json)
        pace.closed += 1
    for thread in (feeding, reading):
        thread.join(PATIENCE)
    running.wait(PATIENCE)
    running.stdout.close()
    with opened(url) as store:
        closes = check_journal(store)
        with store.read() as connection:
            assert [one.to_json() for one in snapshots(connection)] == told
        assert len(closes) == len(MONTHS)
        assert amid(closes, len(rows(store, JOURNAL)))
    databases.drop(url)
