"""`tpp snapshot close` looks before it closes: whether the period is over, and which days before it are open."""

import orjson
import pytest
from cli_events import event, lines
from cli_run import Tpp

from schemas.times import microseconds, parse_instant
from services.cli import books

JUNE = "2025-07-01T00:00:00Z"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's clock, a microsecond before the end of June 2025."""
    monkeypatch.setattr(books, "wall_clock", lambda: microseconds(parse_instant(JUNE)) - 1)


def tick(now: str) -> bytes:
    return lines(event(f"tick-{now}", "clock.ticked", {"now": now}, now))


def test_a_period_that_is_not_over_needs_force(filled: Tpp) -> None:
    for name in ("2025-06", "2025-Q2", "2025", "2026-01"):
        done = filled("snapshot", "close", name)
        assert (done.returncode, done.stdout, b"--force" in done.stderr) == (1, b"", True)
    assert filled("snapshot", "close", "2025-05").returncode == 0
    assert filled("snapshot", "close", "2025-06", "--force").returncode == 0
    again = filled("snapshot", "close", "2025-06")
    assert (again.returncode, again.stderr) == (0, b""), "what is closed needs no --force"


def test_the_clock_of_the_machine_ends_it(filled: Tpp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "wall_clock", lambda: microseconds(parse_instant(JUNE)))
    assert filled("snapshot", "close", "2025-06").returncode == 0


@pytest.mark.parametrize(("now", "code"), [("2025-06-30T23:59:59Z", 1), (JUNE, 0)])
def test_the_last_tick_ends_it(filled: Tpp, now: str, code: int) -> None:
    assert filled("screen", "-", stdin=tick(now)).returncode == 0
    assert filled("snapshot", "close", "2025-06").returncode == code


def test_a_gap_before_it_is_said(filled: Tpp) -> None:
    assert filled("audit", "key", "--new").returncode == 0
    assert filled("snapshot", "close", "2025-03").stderr == b""
    done = filled("snapshot", "close", "2025-05", "--format", "json")
    assert orjson.loads(done.stdout)["snapshot_id"] == "2025-05"
    assert done.stderr == b"this also closes 2025-04-01 to 2025-04-30, which no snapshot covers\n"
    assert filled("snapshot", "close", "2025-06", "--force").stderr == b""


def test_without_a_snapshot_the_gap_begins_with_the_first_entry(filled: Tpp) -> None:
    assert filled("audit", "key", "--new").returncode == 0
    done = filled("snapshot", "close", "2025-07", "--force")
    assert done.stderr == b"this also closes 2025-06-02 to 2025-06-30, which no snapshot covers\n"
