"""Events of closed days, life by life (late.json), and corrections by hand."""

from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from books_events import desk
from ledger_checks import opened
from ledger_events import Line, answers, engine, records

from ledger.journal import Ledger
from ledger.queries.entries import Span
from ledger.queries.snapshots import find, tables_of
from ledger.queries.statements import statement
from schemas.periods import period
from services.engine.commands.period_close import close_period

ACCOUNT = "lpp/CON-20/2025"
LIVES = orjson.loads(Path(__file__).with_name("late.json").read_bytes())


def adjusted(line: Line, at: str, amount: int) -> bytes:
    """A correction by hand, at a time as it is written."""
    return line.event("adjustment.made", {"account": ACCOUNT, "amount": amount}, at)


@pytest.mark.parametrize("life", LIVES, ids=[life["case"] for life in LIVES])
def test_late_events(life: dict[str, Any], ledger_url: str) -> None:
    line = Line()
    with opened(ledger_url) as store:
        runs, ledger, taken = engine(store), Ledger(store), 0
        for action, *rest in life["life"]:
            if action == "close":
                close_period(ledger, period(rest[0]), 0)
            else:
                taken += 1
                told = answers(runs.run(records([adjusted(line, *rest)], taken)))
                assert told[0]["type"] == "tpp.event.recorded.v1", told
        with store.read() as connection:
            rows = list(statement(connection, [ACCOUNT], Span()))
        assert sorted([row[1], row[14], row[16]] for row in rows[1:-1]) == sorted(life["booked"])
        assert rows[-1][15] == sum(amount for _, amount, _ in life["booked"])


def test_a_closed_month_keeps_its_figures(ledger_url: str) -> None:
    """The late one is in July's books with its own time; June's say the same as before."""
    line = Line()
    june = (date(2025, 6, 1), date(2025, 6, 30))
    with opened(ledger_url) as store:
        runs = engine(store)
        runs.run(records([adjusted(line, "2025-06-02T10:00:00Z", 100)]))
        first = close_period(Ledger(store), period("2025-06"), 0)
        runs.run(records([adjusted(line, "2025-06-03T09:00:00Z", 7)], 2))
        second = close_period(Ledger(store), period("2025-07"), 0)
        with store.read() as connection:
            rows = {
                name: list(tables_of(connection, one).entries())
                for name in ("2025-06", "2025-07")
                if (one := find(connection, name))
            }
            own = list(statement(connection, [ACCOUNT], Span(*june)))
    assert [(row[1], row[13], row[14], row[15]) for row in rows["2025-06"]] == [("2025-06-02", 100, 100, None)]
    assert [(row[1], row[13], row[14], row[15]) for row in rows["2025-07"]] == [("2025-07-01", 7, 107, "2025-06")]
    assert rows["2025-07"][0][2] == 1_748_941_200_000_000
    assert (own[0][15], own[-1][15], len(own)) == (0, 100, 3)
    assert (first.entries, second.entries, second.previous) == (1, 1, first.digest)


@pytest.mark.parametrize("second", ["r.one", None])
def test_a_correction_takes_two_reviewers(second: str | None, ledger_url: str) -> None:
    line = Line()
    raw = orjson.loads(adjusted(line, "2025-06-03T09:00:00Z", 7))
    raw["data"] |= {"second_reviewer": second}
    if second is None:
        del raw["data"]["second_reviewer"]
    with desk(ledger_url) as made:
        told = answers(made.run([orjson.dumps(raw)]))
        assert told[0]["type"] == "tpp.event.rejected.v1"
        assert [error["pointer"] for error in told[0]["data"]["errors"]] == ["/data/second_reviewer"]
        made.check([])
        assert made.model.entries == []
