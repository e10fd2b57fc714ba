"""Forecasts: raised, raised again when the day moves by more than a week, withdrawn; both sides of each line."""

from typing import Any

import orjson
import pytest
from events import Line, shipment
from flow_run import Run

from schemas.times import parse_day
from services.engine.handlers.clock import _announces
from services.engine.message import Message

PAPERS = {"claim": "LPP", "papers": ["lpp 2025-01-20"]}


def forecasts(run: Run, *events: bytes) -> list[tuple[str, str | None]]:
    """The forecasts that follow from events, by account and day."""
    texts = run.engine.run([Message(one, {"file": "in.jsonl", "line": n}) for n, one in enumerate(events, 1)])
    told: list[dict[str, Any]] = [orjson.loads(text)["data"] for answer in texts for text in answer]
    return [(one["account"], one["projected_exhaustion"]) for one in told if one.get("kind") == "forecast"]


@pytest.mark.parametrize(
    ("announced", "full", "again"),
    [
        (None, None, False),
        (None, "2025-07-01", True),
        ("2025-07-01", None, True),
        ("2025-07-08", "2025-07-01", False),
        ("2025-07-01", "2025-07-08", False),
        ("2025-07-09", "2025-07-01", True),
        ("2025-07-01", "2025-07-09", True),
    ],
)
def test_a_forecast_is_announced_when_it_comes_moves_or_goes(announced: Any, full: Any, again: bool) -> None:
    assert _announces(announced, parse_day(full) if full else None) is again


def test_a_forecast_moves_little_by_little_and_is_withdrawn_when_nothing_grows() -> None:
    made = Line()

    def asked(name: str, quantity: int, at: str) -> bytes:
        return made.event("shipment.requested", shipment({"id": name, "quantity": quantity, **PAPERS}), at)

    def tick(day: str) -> bytes:
        return made.event("clock.ticked", {"now": f"{day}T00:00:00Z"}, f"{day}T00:00:00Z")

    with Run(":memory:", {}) as run:
        assert forecasts(run, asked("A", 600, "2025-03-03T08:00:00Z")) == []
        (first,) = forecasts(run, tick("2025-03-04"))
        assert first == ("lpp/CON-1/2025", "2025-08-16")
        steady = [tick(f"2025-03-{day:02}") for day in range(5, 12)]
        assert forecasts(run, *steady) == [], "the day moves by one each day, and seven are no more than a week"
        assert forecasts(run, tick("2025-03-12")) == [("lpp/CON-1/2025", "2025-08-24")]
        assert forecasts(run, asked("B", 300, "2025-03-12T08:00:00Z"), tick("2025-03-13")) != []
        assert forecasts(run, tick("2025-09-30")) == [("lpp/CON-1/2025", None)]
        assert forecasts(run, tick("2025-10-01")) == []
