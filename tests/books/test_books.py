"""Any events at any times, any closes between them: the books are what the answers and the closes make of them."""

from datetime import date, timedelta
from random import Random

import pytest
from books_events import ACTIONS, EDGES, Desk, Step, desk, play
from books_model import Bounds, booked_on, days_of
from databases import Databases
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from soak import much

from schemas.periods import booked, period

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
NUMBERS = st.integers(0, 47)
TIMES = st.sampled_from(EDGES) | st.integers(0, 400 * 24 * 60).map(
    lambda minutes: EDGES[4] + timedelta(minutes=minutes)
)
STEPS = st.lists(st.builds(Step, st.sampled_from(ACTIONS), TIMES, NUMBERS, NUMBERS), min_size=8, max_size=40)
NAMES = [f"{year}{rest}" for year in (2024, 2025) for rest in ("", *(f"-Q{n}" for n in range(1, 5)), *(f"-{n:02}" for n in range(1, 13)))]  # fmt: skip


def moments(made: Desk, seed: int) -> list[Bounds]:
    """Times, records, and both, that lie among those of the history."""
    chance, entries = Random(seed), made.model.entries
    if not entries:
        return []
    one, other, third = (chance.choice(entries) for _ in range(3))
    return [
        Bounds(as_of=one.happened),
        Bounds(as_of=one.happened - 1, known_at=other.recorded),
        Bounds(known_at=third.recorded - 1),
        Bounds(record=other.record),
        Bounds(as_of=third.happened, record=one.record),
    ]


@pytest.mark.soak
def test_histories_in_any_order(databases: Databases) -> None:
    few = much(15, soak=500) if databases.kind == "sqlite" else much(5, soak=200)

    @settings(max_examples=few, phases=PHASES, suppress_health_check=list(HealthCheck))
    @given(steps=STEPS, size=st.integers(1, 5), seed=st.integers(0, 1_000))
    def run(steps: list[Step], size: int, seed: int) -> None:
        url = databases.ledger()
        with desk(url) as made:
            for name in play(made, steps, size):
                assert made.close(name) == made.kept[name][0]
            made.check(moments(made, seed))
        databases.drop(url)

    run()


@given(day=st.dates(date(2023, 11, 1), date(2026, 2, 28)), names=st.lists(st.sampled_from(NAMES), max_size=5))
def test_the_day_that_an_event_counts_for(day: date, names: list[str]) -> None:
    assert booked(day, [period(name) for name in names]) == booked_on(day, names)


@pytest.mark.parametrize("name", NAMES)
def test_the_days_of_a_period(name: str) -> None:
    made = period(name)
    assert (made.first, made.last) == days_of(name)
    assert made.days == (made.last - made.first).days + 1
