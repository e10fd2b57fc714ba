"""Rechecks and ticks of more shipments than one record decides: in chunks, the same bytes however they are interrupted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from events import of_step
from flow_run import Run
from sqlalchemy import text

from ledger.registers.accounts import Overflow
from rulebook import load
from schemas.event_types import RECHECK_REQUESTED
from services.engine import chunks
from services.engine.engine import Engine
from services.engine.handlers import HANDLERS, clock, reviews
from services.engine.message import Message
from services.proof.report import Discrepancy
from services.proof.verification import verify
from services.resources import software

BY_HAND = {"do": "policy", "id": "by-hand", "data": {"name": "auto_recheck", "value": False}}
"""Holds are rechecked only where somebody asks for it."""
PAPER = {"claim": "LPP", "papers": ["lpp 2025-01-20"]}
HOLDS = 23


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five."""
    for module in (chunks, clock, reviews):
        monkeypatch.setattr(module, "CHUNK", 5)


def messages(steps: list[dict[str, Any]]) -> list[Message]:
    raw = [of_step(number, step, {}, PAPER) for number, step in enumerate(steps, 1)]
    return [Message(one, {"file": "in.jsonl", "line": number}) for number, one in enumerate(raw, 1)]


def recheck() -> list[Message]:
    """Holds that wait for room, a higher limit, and a recheck of all; then one more request."""
    full = {"do": "attest", "data": {"account": "lpp/CON-1/2025", "tpp": 26_900_000}}
    room = {"do": "attest", "data": {"account": "lpp/CON-1/2025", "tpp": 25_000_000, "reference": "A-2"}}
    held = [{"do": "request", "ship": {"id": f"SHP-{n}"}} for n in range(HOLDS)]
    return messages(
        [BY_HAND, full, *held, room, {"do": "recheck", "data": {"all": True}}, {"do": "request", "ship": {"id": "X"}}]
    )


def ticks() -> list[Message]:
    """Approvals that lapse, with obligations that fall due, at one tick."""
    asked = [
        {"do": "request", "ship": {"id": f"SHP-{n}", "quantity": 1, "expires": "2025-07-20"}} for n in range(HOLDS)
    ]
    left = [{"do": "request", "ship": {"id": f"OUT-{n}", "quantity": 1}} for n in range(HOLDS)]
    gone = [{"do": "dispatch", "data": {"shipment_id": f"OUT-{n}", "export_date": "2025-06-05"}} for n in range(HOLDS)]
    return messages([*asked, *left, *gone, {"do": "tick", "now": "2025-08-01T00:00:00Z"}])


def parsed(texts: Iterator[str] | Any) -> list[dict[str, Any]]:
    return [orjson.loads(text) for text in texts]


def test_a_recheck_goes_on_in_records_of_their_own_before_the_next_event() -> None:
    with Run(":memory:", {}) as run:
        given = [parsed(texts) for texts in run.engine.run(recheck())]
        asked, last = given[-2], given[-1]
        records = [one for one in asked if one["type"] == "tpp.event.recorded.v1"]
        assert records[0]["data"]["holds"] == HOLDS
        assert [one["data"].get("chunk") for one in records] == [None, 2, 3, 4, 5]
        assert [len(one["data"]["released"]) + len(one["data"]["held"]) for one in records] == [5, 5, 5, 5, 3]
        released = [one for one in asked if one["type"] == "tpp.shipment.released.v1"]
        assert [one["subject"] for one in released] == [f"SHP-{n}" for n in range(len(released))]
        assert len(released) == sum(len(one["data"]["released"]) for one in records) == 1_900_000 // 126_656
        assert {one["data"]["causation"]["id"] for one in asked if "causation" in one["data"]} == {
            records[0]["data"]["causation"]["id"]
        }
        assert [int(one["sequence"]) for one in asked] == list(
            range(int(asked[0]["sequence"]), int(asked[0]["sequence"]) + len(asked))
        )
        assert last[0]["type"] == "tpp.shipment.held.v1"
        assert [parsed(texts) for texts in run.engine.run(recheck())] == given, "a repeat gives all chunks again"
        assert run.engine.go_on() is None


def test_a_tick_expires_announces_and_forecasts_in_chunks() -> None:
    with Run(":memory:", {}) as run:
        (*_, given) = run.engine.run(ticks())
    tick = parsed(given)
    records = [one for one in tick if one["type"] == "tpp.event.recorded.v1"]
    assert len([one for one in tick if one["type"] == "tpp.shipment.expired.v1"]) == HOLDS
    assert len([one for one in tick if one["type"] == "tpp.obligation.due.v1"]) >= HOLDS
    assert all(len(one["data"].get("expired", ())) <= 5 for one in records)
    assert sum(len(one["data"]["expired"]) for one in records[1:]) == HOLDS - 5


@pytest.mark.parametrize("story", [recheck, ticks], ids=["recheck", "tick"])
def test_the_answers_are_the_same_however_often_it_is_killed(story: Any) -> None:
    with Run(":memory:", {}) as run:
        whole = [list(texts) for texts in run.engine.run(story())]
    with Run(":memory:", {}) as run:
        batch = Engine.read(story())
        for one in batch[:-1]:
            run.engine.decide([one])
        first = run.engine.decide_between([batch[-1]])
        assert run.engine.pending in (True, False)
        cut = Engine(run.engine._ledger, run.engine._book, lambda: 0, run.engine._software)
        if run.engine.pending:
            cut.go_on()
        again = [list(texts) for texts in run.engine.run(story())]
    assert first[0][0] == whole[-1][0]
    assert again == whole


def test_other_events_go_between_chunks_in_the_stream() -> None:
    story = recheck()
    with Run(":memory:", {}) as run:
        run.engine.run(story[:-2])
        run.engine.decide_between(Engine.read(story[-2:-1]))
        assert run.engine.pending
        (between,) = run.engine.decide_between(Engine.read(story[-1:]))
        assert run.engine.pending
        rest = run.engine.finish()
        assert not run.engine.pending
    assert parsed(between)[0]["subject"] == "X"
    assert parsed(rest)[0]["data"]["chunk"] == 2


def test_a_check_answers_with_all_chunks_and_leaves_nothing() -> None:
    with Run(":memory:", {}) as run:
        checked = [parsed(texts) for texts in run.engine.check(recheck())]
        assert [one["data"].get("chunk") for one in checked[-2] if one["type"] == "tpp.event.recorded.v1"][-1] == 5
        assert run.standing() == {}


def test_what_is_left_is_verified(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with Run(url, {}) as run:
        batch = Engine.read(recheck())
        run.engine.decide(batch[:-2])
        run.engine.decide_between(batch[-2:-1])
        run.engine.go_on()
        assert verified(run) == []
        with run.store.begin() as connection:
            connection.execute(text("UPDATE unfinished SET work = replace(work, 'after', 'before')"))
        assert {one.table for one in verified(run)} == {"unfinished"}


def test_a_chunk_whose_amounts_exceed_the_range_is_refused_and_ends_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = HANDLERS[RECHECK_REQUESTED]

    def overflows(context: Any, event: Any) -> Any:
        if event.id.endswith("/3"):
            raise Overflow("lpp/CON-1/2025", "an amount exceeds the range")
        return handle(context, event)

    monkeypatch.setitem(HANDLERS, RECHECK_REQUESTED, overflows)
    with Run(f"sqlite:///{tmp_path / 'ledger.db'}", {}) as run:
        asked, last = map(parsed, run.engine.run(recheck())[-2:])
        refused = asked[-1]
        assert refused["type"] == "tpp.event.refused.v1"
        assert refused["data"]["reasons"][0]["code"] == "amount.overflow"
        assert refused["data"]["causation"] == asked[0]["data"]["causation"]
        assert last[0]["type"] == "tpp.shipment.approved.v1"
        assert run.engine.go_on() is None
        assert verified(run) == []


def verified(run: Run) -> list[Discrepancy]:
    return verify(run.store, load("ai-diffusion"), software(), list, []).bad


def test_a_tick_that_is_set_back_lets_nothing_more_lapse() -> None:
    asked = [{"do": "request", "ship": {"id": f"S-{n}", "quantity": 1, "expires": "2025-07-20"}} for n in range(HOLDS)]
    back = {"do": "correct", "data": {"now": "2025-06-02T10:00:00Z"}}
    *story, wrong, correction = messages([*asked, {"do": "tick", "now": "2025-08-01T00:00:00Z"}, back])
    with Run(":memory:", {}) as run:
        run.engine.run(story)
        first = run.engine.decide_between(Engine.read([replace(wrong, own=True)]))
        run.engine.decide_between(Engine.read([correction]))
        (record,) = parsed(run.engine.finish())
    assert [one["type"] for one in parsed(first[0])].count("tpp.shipment.expired.v1") == 5
    assert (record["type"], record["data"]["expired"]) == ("tpp.event.recorded.v1", [])
