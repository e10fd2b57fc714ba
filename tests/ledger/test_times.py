"""The clock dates records and does nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from databases import Databases
from events import UNIT
from ledger_checks import JOURNAL, check_ledger, now, opened, rows
from ledger_events import Line, engine, records

from schemas.times import microseconds

HOUR = 3_600_000_000


def whole_life() -> list[bytes]:
    """Events of every kind that reads or writes a date."""
    line = Line()
    return [
        line.licensed("LIC-1", 40 * UNIT),
        line.requested("SHP-1", "CON-20", 1_000, "LPP"),
        line.requested("SHP-2", "CON-20", 1_000, "LPP"),
        line.requested("SHP-3", "CON-40", 30, "LICENSE", expires="2025-07-01"),
        line.requested("SHP-4", "CON-30", 16_000, "AIA"),
        line.attested("lpp/CON-20/2025", 12),
        line.dispatched("SHP-1"),
        line.dispatched("SHP-4", "2026-02-02"),
        line.event("clock.ticked", {"now": "2025-07-02T00:00:00Z"}),
        line.event("recheck.requested", {"all": True}),
        line.merged("CON-21", "CON-20"),
        line.cancelled("SHP-2"),
    ]


def test_a_clock_set_to_2030_changes_no_byte(databases: Databases) -> None:
    told = []
    for year in (2025, 2030):
        instant = microseconds(datetime(year, 6, 2, 9, tzinfo=UTC))
        url = databases.ledger()
        with opened(url) as store:
            told.append(engine(store, partial(int, instant)).run(records(whole_life())))
            check_ledger(store)
        databases.drop(url)
    assert told[0] == told[1]


def test_recorded_times_never_decrease(databases: Databases) -> None:
    """The clock goes back between batches and between processes."""
    first = microseconds(datetime(2025, 6, 2, 9, tzinfo=UTC))
    ticks = iter([first + 2 * HOUR, first, first + HOUR, first - 1_000_000 * HOUR, first + 3 * HOUR])
    raws = whole_life()
    url = databases.ledger()
    for start in range(0, 10, 2):
        with opened(url) as store:
            clock: Callable[[], int] = ticks.__next__
            engine(store, clock).run(records(raws[start : start + 2], start + 1))
            check_ledger(store)
    with opened(url) as store:
        assert [row.recorded - first for row in rows(store, JOURNAL)] == [2 * HOUR] * 8 + [3 * HOUR] * 2
    databases.drop(url)


def test_a_repeat_does_not_move_the_recorded_time(databases: Databases) -> None:
    """A record's time is the later one of the clock and the record before (docs/contract/books.md); a repeat is no record."""
    first = microseconds(datetime(2025, 6, 2, 9, tzinfo=UTC))
    ticks = iter([first, first + 9 * HOUR, first + HOUR])
    raws = whole_life()
    url = databases.ledger()
    with opened(url) as store:
        runs = engine(store, ticks.__next__)
        runs.run(records(raws[:1]))
        runs.run(records(raws[:1]))
        runs.run(records(raws[1:2], 2))
        assert [row.recorded - first for row in rows(store, JOURNAL)] == [0, HOUR]
    databases.drop(url)


def test_the_size_of_batches_changes_no_byte(databases: Databases) -> None:
    told, balances = [], []
    for size in (1, 3, 100):
        url = databases.ledger()
        with opened(url) as store:
            runs, raws = engine(store), whole_life()
            told.append([
                texts for start in range(0, len(raws), size) for texts in runs.run(records(raws[start : start + size], start + 1))
            ])  # fmt: skip
            balances.append(now(store))
            check_ledger(store)
        databases.drop(url)
    assert told[0] == told[1] == told[2]
    assert balances[0] == balances[1] == balances[2]
