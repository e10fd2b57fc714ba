"""What bounds a turn: how many events it takes, and that what is prepared meanwhile gives way to it."""

import threading
from contextlib import closing, suppress
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from ledger_events import Line, engine, records
from waiting import PATIENCE

from ledger.database.store import Store
from ledger.journal import Precedence
from services.engine.before.pace import LEAST, TARGET, Pace


@given(st.lists(st.tuples(st.integers(1, 2_000), st.floats(0.000_001, 60)), max_size=50))
def test_a_turn_takes_some_events_however_long_they_took(turns: list[tuple[int, float]]) -> None:
    pace = Pace()
    for events, seconds in turns:
        pace.took(events, seconds)
    assert pace.fits() >= LEAST


def test_a_turn_comes_to_take_as_many_events_as_fit() -> None:
    """Each event takes a thousandth of a second, and each turn a hundredth by itself: 40 events are 50 ms."""
    pace = Pace()
    for _ in range(50):
        taken = pace.fits()
        pace.took(taken, 0.01 + taken * 0.001)
    assert abs(0.01 + pace.fits() * 0.001 - TARGET) < 0.002
    pace.took(0, 60.0)
    assert abs(0.01 + pace.fits() * 0.001 - TARGET) < 0.002, "a turn without events says nothing"


def test_a_large_batch_is_decided_in_turns_that_fit() -> None:
    line = Line()
    raws = [line.requested(f"SHP-{n}", "CON-20", 1, "LPP") for n in range(3 * LEAST)]
    with closing(Store(":memory:")) as store:
        store.open()
        runs = engine(store)
        runs.pace.took(1, 60.0)
        assert runs.pace.fits() == LEAST
        with (
            patch.object(runs.pace, "took"),
            patch.object(runs.ledger, "begin", side_effect=runs.ledger.begin) as begun,
        ):
            assert len(runs.decide_between(runs.read(records(raws)))) == len(raws)
    assert begun.call_count == 3


def test_what_is_prepared_waits_while_a_turn_works() -> None:
    precedence, gave_way = Precedence(), threading.Event()

    def prepare() -> None:
        precedence.give_way()
        gave_way.set()

    precedence.take()
    thread = threading.Thread(target=prepare)
    thread.start()
    assert not gave_way.wait(0.1)
    precedence.give()
    assert gave_way.wait(PATIENCE)
    thread.join()


def test_a_turn_that_fails_leaves_the_way_free() -> None:
    with closing(Store(":memory:")) as store:
        store.open()
        ledger = engine(store).ledger
        with suppress(KeyError), ledger.begin(0):
            raise KeyError
        ledger.precedence.give_way()
