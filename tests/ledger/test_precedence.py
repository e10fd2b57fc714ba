"""What bounds a turn: how many events it takes, and that what is prepared meanwhile gives way to it."""

import threading
from contextlib import closing, suppress
from dataclasses import replace
from itertools import count
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from ledger_events import Line, engine, records
from prepared import every_request
from waiting import PATIENCE

from ledger.database.store import Store
from ledger.journal import Precedence
from services.engine.before import prepare
from services.engine.before.pace import LEAST, TARGET, Pace
from services.engine.message import rejected


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


def test_a_batch_is_prepared_for_a_bounded_time_and_what_is_barred_not_at_all() -> None:
    line = Line()
    raws = [line.requested(f"SHP-{n}", "CON-20", 1, "LPP") for n in range(4)]
    with closing(Store(":memory:")) as store, every_request():
        store.open()
        runs = engine(store)
        first, *others = runs.read(records(raws))
        barred = replace(first, barred=rejected(first.event, ()))  # type: ignore[arg-type]
        made = [one.prepared is not None for one in runs.prepare([barred, *others])]
        assert made == [False, True, True, True]
        with patch.object(prepare, "perf_counter", side_effect=count(0.0, 0.3)):  # each takes 0.3 seconds
            made = [one.prepared is not None for one in runs.prepare([first, *others, first])]
        assert made == [True, True, True, True, False]


def test_a_turn_that_fails_leaves_the_way_free() -> None:
    with closing(Store(":memory:")) as store:
        store.open()
        ledger = engine(store).ledger
        with suppress(KeyError), ledger.begin(0):
            raise KeyError
        ledger.precedence.give_way()
