"""`tpp clock`: it ticks on the ledger itself, without a broker, and not where the machine's time cannot be believed."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest
from brokers import quiet_port
from cli_run import TPP, Tpp
from waiting import PATIENCE, wait_until

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.engine import Engine
from services.resources import software
from services.stream.clock import Astray, check_time, give_tick

DAY = 86_400_000_000
JUNE = 1_748_856_600_000_000
"""2 June 2025, in microseconds."""


@contextmanager
def _clock(folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    with (folder / "clock.log").open("wb") as log:
        process = subprocess.Popen([TPP, "clock"], cwd=folder, env=plain | environment, stdout=log, stderr=log)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def _ticks(folder: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(folder / "tpp-ledger.db")) as connection:
        query = "SELECT source, id, position FROM journal WHERE type = 'tpp.clock.ticked.v1' AND source LIKE '//tpp-%'"
        return connection.execute(query).fetchall()


def _said(folder: Path) -> str:
    return (folder / "clock.log").read_text("utf-8")


def test_it_ticks_without_a_broker(filled: Tpp, tmp_path: Path) -> None:
    with _clock(tmp_path):
        wait_until(lambda: _ticks(tmp_path), lambda: _said(tmp_path))
    source, identifier, position = _ticks(tmp_path)[0]
    assert (source, orjson.loads(position)) == ("//tpp-clock", {"request": "clock"})
    assert identifier.startswith("tick-20")
    assert "Traceback" not in _said(tmp_path)
    assert filled("audit", "verify").returncode == 0


def test_it_gives_no_tick_while_the_machine_is_a_month_ahead_and_says_so_once(filled: Tpp, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tpp-ledger.db", isolation_level=None)) as connection:
        connection.execute(f"UPDATE head SET recorded = recorded - {40 * DAY}")
    address = f"127.0.0.1:{quiet_port()}"
    with _clock(tmp_path, TPP_METRICS=address):
        wait_until(lambda: "the machine's clock is at" in _said(tmp_path), lambda: _said(tmp_path))
        with pytest.raises(HTTPError) as refused:
            urlopen(f"http://{address}/health/ready", timeout=PATIENCE)
        with refused.value as answer:
            assert b"days after the last record" in answer.read()
        assert _ticks(tmp_path) == []
        assert filled("recheck", "--all").returncode == 0
        wait_until(lambda: _ticks(tmp_path), lambda: _said(tmp_path))
    assert _said(tmp_path).count("the machine's clock is at") == 1


def test_time_is_believed_for_31_days_after_the_last_record_and_on_a_new_ledger() -> None:
    check_time(JUNE / 1e6, None)
    check_time((JUNE + 31 * DAY) / 1e6, JUNE)
    with pytest.raises(Astray, match="40 days after the last record of 2025-06-02T09:30:00Z"):
        check_time((JUNE + 40 * DAY) / 1e6, JUNE)
    store = Store(":memory:")
    store.open()
    engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), lambda: JUNE, software())
    give_tick(engine, store, JUNE / 1e6)
    with pytest.raises(Astray):
        give_tick(engine, store, (JUNE + 32 * DAY) / 1e6)
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM journal").scalar() == 1
    store.close()
