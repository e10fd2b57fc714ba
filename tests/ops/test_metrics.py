"""What the parts count: decisions by type, outcome and reason, turns at the ledger, and the time of the database."""

import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest
from brokers import quiet_port
from installed import INSTALLED
from prometheus_client import CollectorRegistry
from waiting import PATIENCE, wait_until

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.work_list import ledger_day, obligations
from rulebook import load
from schemas.kinds import RETENTION
from schemas.times import DAY_MICROSECONDS, microseconds
from services.engine.context import Observer
from services.engine.engine import Engine
from services.engine.message import Message
from services.files import batches
from services.resources import engine_on
from services.telemetry.health import Health
from services.telemetry.ledger_metrics import LedgerCollector, LedgerFigures, read_figures
from services.telemetry.metrics import EngineMetrics, RelayMetrics, StreamMetrics

ROOT = Path(__file__).parent.parent.parent
QUICKSTART = ROOT / "examples" / "quickstart.jsonl"
RECORDED = 1_750_000_000_000_000


def sample(health: Health, name: str, **labels: str) -> float:
    """The value of a sample; 0 where there is none."""
    return health.registry.get_sample_value(name, {"part": health.part, **labels}) or 0.0


def quickstart() -> list[Message]:
    return [one for batch in batches([str(QUICKSTART)], lambda _: None) for one in batch]


@contextmanager
def measured(url: str) -> Iterator[tuple[Engine, Health]]:
    health, store = Health("worker"), Store(url)
    store.open()
    try:
        yield engine_on(store, load("ai-diffusion"), EngineMetrics(health)), health
    finally:
        store.close()


def test_decisions_are_counted_by_type_outcome_and_reason(ledger_url: str) -> None:
    with measured(ledger_url) as (engine, health):
        answers = engine.run(quickstart())
        requested = {"type": "tpp.shipment.requested.v1"}
        assert sample(health, "tpp_events_total", **requested, outcome="approved") == 4
        assert sample(health, "tpp_events_total", type="tpp.shipment.amended.v1", outcome="approved") == 1
        assert sample(health, "tpp_events_total", **requested, outcome="held") == 3
        assert sample(health, "tpp_events_total", type="unreadable", outcome="rejected") == 1
        assert sample(health, "tpp_events_total", type="tpp.review.decided.v1", outcome="released") == 1
        assert sample(health, "tpp_reasons_total", code="destination.denied") == 1
        assert sample(health, "tpp_reasons_total", code="member.unknown") == 1
        told = [orjson.loads(text) for texts in answers for text in texts]
        given = list({one["id"]: one["type"] for one in told}.values())
        for one in set(given):
            assert sample(health, "tpp_answers_total", type=one) == given.count(one), one
        events = sum(
            one.value
            for family in health.registry.collect()
            for one in family.samples
            if one.name == "tpp_events_total" and one.labels["type"] != "tpp.recheck.requested.v1"
        )
        assert events == 21

        engine.run(quickstart())
        assert sample(health, "tpp_events_total", **requested, outcome="approved") == 4
        assert sample(health, "tpp_events_total", **requested, outcome="repeated") == 9
        assert sample(health, "tpp_events_total", type="unreadable", outcome="repeated") == 1
        assert sample(health, "tpp_reasons_total", code="destination.denied") == 1


def test_a_type_that_anybody_may_write_makes_no_series_of_its_own(ledger_url: str) -> None:
    with measured(ledger_url) as (engine, health):
        for n in range(3):
            event = orjson.loads(quickstart()[0].raw) | {"type": f"tpp.invented.v{n}", "id": f"x{n}"}
            engine.run([Message(orjson.dumps(event), {"file": "f", "line": n})])
        assert sample(health, "tpp_events_total", type="unreadable", outcome="rejected") == 3


def test_turns_and_the_database_are_timed_and_a_batch_is_counted(ledger_url: str) -> None:
    with measured(ledger_url) as (engine, health):
        engine.run(quickstart()[:2])
        assert sample(health, "tpp_batch_events_sum") == 2
        assert sample(health, "tpp_batch_events_count") == 1
        assert sample(health, "tpp_turn_wait_seconds_count") == sample(health, "tpp_turn_seconds_count") == 1
        assert sample(health, "tpp_database_statement_seconds_count") > 5
        assert (
            0
            < sample(health, "tpp_database_statement_seconds_sum")
            <= sum(sample(health, name) for name in ("tpp_turn_wait_seconds_sum", "tpp_turn_seconds_sum"))
        )


def test_a_batch_that_is_rolled_back_counts_as_a_turn_and_as_no_event(ledger_url: str) -> None:
    with measured(ledger_url) as (_, health):
        store = Store(ledger_url)
        metrics = EngineMetrics(Health("rolled"))
        ledger = Ledger(store, metrics.turn)
        with pytest.raises(RuntimeError, match="in the middle"), ledger.begin(RECORDED):
            raise RuntimeError("in the middle")
        store.close()
    assert health.registry.get_sample_value("tpp_turn_seconds_count", {"part": "worker"}) == 0
    assert metrics._turn._sum.get() > 0  # type: ignore[attr-defined]


class Failing(Observer):
    """An observer with a fault of its own."""

    def decided(self, *_: object) -> None:
        raise RuntimeError("the fault of an observer")


def test_an_observer_that_fails_takes_no_decision_back(ledger_url: str, caplog: pytest.LogCaptureFixture) -> None:
    store, health = Store(ledger_url), Health("worker")
    store.open()
    engine = engine_on(store, load("ai-diffusion"), EngineMetrics(health, [Failing()]))
    answers = engine.run(quickstart())
    assert engine.run(quickstart())[0] == answers[0]
    store.close()
    assert "the fault of an observer" in caplog.text
    assert sample(health, "tpp_reasons_total", code="destination.denied") == 1


def test_an_engine_that_nobody_watches_asks_no_clock(ledger_url: str) -> None:
    """The same bytes with and without an observer: it decides nothing."""
    store = Store(ledger_url)
    store.open()
    plain = Engine(Ledger(store), load("ai-diffusion"), lambda: RECORDED, "0")
    answers = plain.run(quickstart())
    store.close()
    watched_store = Store(":memory:")
    watched_store.open()
    metrics = EngineMetrics(Health("worker"))
    watched_store.observe(metrics.timed)
    watched = Engine(Ledger(watched_store, metrics.turn), load("ai-diffusion"), lambda: RECORDED, "0", metrics)
    assert watched.run(quickstart()) == answers


def test_figures_are_kept_for_a_while_and_a_slow_ledger_is_asked_less() -> None:
    asked: list[int] = []
    figures = LedgerFigures(holds=_no_holds(), used={}, obligations={}, set_aside={"desk": 2}, ticked=1_000_000)

    def read() -> LedgerFigures:
        asked.append(1)
        return figures

    registry = CollectorRegistry()
    registry.register(LedgerCollector(read))
    for _ in range(3):
        assert registry.get_sample_value("tpp_notices_set_aside", {"receiver": "desk"}) == 2
        assert registry.get_sample_value("tpp_last_tick_timestamp_seconds") == 1
    assert len(asked) == 1


def _no_holds() -> object:
    from ledger.queries.work_list import HoldAges

    return HoldAges([0, 0, 0, 0], {})


def test_no_more_than_a_hundred_accounts_are_named(ledger_url: str) -> None:
    lines = [orjson.loads(line) for line in QUICKSTART.read_bytes().splitlines()]
    registered = next(one for one in lines if one["type"] == "tpp.shipment.requested.v1")
    events = []
    for n in range(120):
        party = f"CON-{1000 + n}"
        text = orjson.dumps(registered | {"id": f"many-{n}", "subject": f"MANY-{n}"}).decode()
        text = (
            text.replace("SHP-0001", f"MANY-{n}").replace("CON-70", party).replace("Bharat Holdings", f"Holdings {n}")
        )
        events.append(Message(text.encode(), {"file": "f", "line": n}))
    with measured(ledger_url) as (engine, _):
        engine.run(events)
        store = Store(ledger_url)
        figures = read_figures(store, RECORDED)
        store.close()
    assert len(figures.used) == 100
    assert list(figures.used.values()) == sorted(figures.used.values(), reverse=True)


def test_holds_are_told_by_their_age_and_obligations_by_their_day(ledger_url: str) -> None:
    """The one hold of the quickstart came on 9 June 2025 at 9 o'clock; its last tick is of 11 August."""
    came = microseconds(datetime(2025, 6, 9, 9, tzinfo=UTC))
    with measured(ledger_url) as (engine, _):
        engine.run(quickstart())
    store = Store(ledger_url)
    for days, bucket in ((0, 0), (0.99, 0), (1, 1), (6.99, 1), (7, 2), (29.99, 2), (30, 3), (300, 3)):
        figures = read_figures(store, came + int(days * DAY_MICROSECONDS))
        assert [bool(count) for count in figures.holds.all] == [at == bucket for at in range(4)], days
        assert figures.holds.by_code == {"destination.denied": list(figures.holds.all)}
    with store.read() as connection:
        today = ledger_day(connection)
        assert today == date(2025, 8, 11)
        owed = [one for one in obligations(connection, today) if one.kind != RETENTION]
    store.close()
    days_left = [(date.fromisoformat(one.due) - today).days for one in owed]
    assert figures.obligations == {
        "overdue": sum(days < 0 for days in days_left),
        "due": days_left.count(0),
        "soon": sum(0 < days <= 7 for days in days_left),
    }
    assert figures.obligations["overdue"] > 0
    assert figures.ticked == microseconds(datetime(2025, 8, 11, tzinfo=UTC))


def test_what_the_stream_takes_is_measured_from_the_time_of_the_message() -> None:
    health = Health("worker")
    StreamMetrics(health).decided([None, -1.0, 0.5, 9e12])
    assert sample(health, "tpp_publish_to_decision_seconds_count") == 2
    assert sample(health, "tpp_publish_to_decision_seconds_bucket", le="0.001") == 1, (
        "a clock that is ahead counts as 0"
    )


def test_the_relays_lag_grows_while_it_is_blocked() -> None:
    health = Health("relay")
    relay = RelayMetrics(health)
    assert health.registry.get_sample_value("tpp_relay_lag_seconds") == 0
    relay.waits(3, 1_000_000)
    first = health.registry.get_sample_value("tpp_relay_lag_seconds")
    assert first is not None
    assert first > 1_000_000_000
    assert sample(health, "tpp_lag_records") == 3
    relay.waits(0, None)
    assert health.registry.get_sample_value("tpp_relay_lag_seconds") == 0


@contextmanager
def part(name: str, ledger: str, tmp_path: Path) -> Iterator[str]:
    """A running part; yields its metrics' address."""
    address = f"127.0.0.1:{quiet_port()}"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    environment = plain | {"TPP_METRICS": address, "TPP_LEDGER_URL": ledger}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([INSTALLED, name], env=environment, stderr=log)
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, (tmp_path / "log").read_text()


def read(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_the_clock_counts_its_tick_and_promtool_finds_nothing_wrong(ledger_url: str, tmp_path: Path) -> None:
    told = ""
    with part("clock", ledger_url, tmp_path) as address:
        ticked = r'tpp_events_total\{outcome="recorded",part="clock",type="tpp.clock.ticked.v1"\} 1\.0'
        wait_until(lambda: re.search(ticked, read(address)))
        told = read(address)
    assert "tpp_holds_open" not in told, "the figures of the ledger's state are for `tpp serve` alone"
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=told, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
