"""What a hostile publisher may try: every id and subject that the ledger derives, taken before the ledger does."""

import re
import tracemalloc
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from events import event
from flow_run import NOW, Run

from schemas.event_types import CLOCK_SOURCE, LEDGER_SOURCE
from schemas.periods import period
from services.engine.commands.period_close import close_period
from services.engine.message import Message
from services.stream.clock import POSITION, tick
from services.views.requests import recheck_events

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = (ROOT / "examples/quickstart.jsonl").read_bytes().splitlines()
STREAMED = b'{"cut": off'
Places = list[dict[str, Any]]


def _story(run: Run) -> list[dict[str, Any]]:
    """Everything that the ledger gives out for a file, a broken message of the stream, a recheck, a tick and a close."""
    messages = [Message(line, {"file": "in.jsonl", "line": n}) for n, line in enumerate(QUICKSTART, 1)]
    messages += [Message(STREAMED, {"topic": "tpp.facts", "partition": 0, "offset": 7})]
    messages += [Message(line, {"request": "recheck 1"}, own=True) for line in recheck_events((), None, True, NOW)]
    messages += [Message(tick(1_760_000_000), POSITION, own=True)]
    given = [orjson.loads(text) for texts in run.engine.run(messages) for text in texts]
    close_period(run.engine._ledger, period("2025-06"), NOW)
    with run.store.read() as connection:
        (closed,) = connection.exec_driver_sql("SELECT answers FROM journal WHERE type LIKE '%closed%'").scalars()
    return [*given, *map(orjson.loads, closed.splitlines())]


def _own_names(given: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Source, id and subject of all that the ledger and its own clock and commands named, and would name next."""
    names = [(one["source"], one["id"], one["subject"]) for one in given]
    caused = [one["data"]["causation"] for one in given if "causation" in one["data"]]
    names += [(one["source"], one["id"], "clock") for one in caused if one["source"].startswith("//tpp-")]
    names += [(CLOCK_SOURCE, orjson.loads(tick(seconds))["id"], "clock") for seconds in (1_760_000_060, 1_900_000_000)]
    return [*names, (LEDGER_SOURCE, "snapshot/2025-06", "2025-06"), (LEDGER_SOURCE, "snapshot/2025", "2025")]


def _attempts(names: list[tuple[str, str, str]]) -> Iterator[bytes]:
    """Each name as it is and in disguise, in events that would be taken from anybody else."""
    for source, identifier, subject in names:
        for disguise in (
            source,
            source.upper(),
            source.replace("tpp", "%74p%70"),
            source.replace("-", "%2D"),
            f"//x@{source[2:]}",
        ):
            attributes = {"source": disguise, "id": identifier, "subject": subject[:512]}
            yield event("clock.ticked", {"now": "2025-06-02T09:30:00Z"}, **attributes)
            yield event("shipment.cancelled", {"shipment_id": "SHP-0001"}, **attributes)


def _told(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was given out, without the numbers of records and of publication, and what a recheck's random id derives."""
    numbers = {"record", "digest"}
    kept = [
        {**one, "sequence": "", "data": {name: value for name, value in one["data"].items() if name not in numbers}}
        for one in given
    ]
    return [one for one in kept if one["data"].get("causation", {}).get("source") != "//tpp-cli"]


PLACES: dict[str, Any] = {
    "file": lambda n: {"file": "hostile.jsonl", "line": n},
    "topic": lambda n: {"topic": "tpp.facts", "partition": 3, "offset": n},
    "request": lambda n: {"request": "POST /v1/events", "index": n},
}


@pytest.mark.parametrize("door", PLACES)
def test_no_name_of_the_ledger_can_be_taken_first(door: str) -> None:
    with Run(":memory:", {}) as run:
        given = _story(run)
    names = _own_names(given)
    assert len({source for source, *_ in names}) == 3
    assert {one["type"] for one in given} >= {"tpp.snapshot.closed.v1", "tpp.event.rejected.v1", "tpp.quota.alert.v1"}
    attempts = [Message(raw, PLACES[door](n)) for n, raw in enumerate(_attempts(names), 1)]
    with Run(":memory:", {}) as run:
        for texts in run.engine.run(attempts):
            (answer,) = map(orjson.loads, texts)
            assert answer["type"] == "tpp.event.rejected.v1"
            assert "source.reserved" in {error["code"] for error in answer["data"]["errors"]}
        assert run.standing() == {}
        assert _told(_story(run)) == _told(given), "nothing was taken, and all is named as if nobody had tried"


def test_keys_of_the_ledger_and_of_others_never_meet() -> None:
    with Run(":memory:", {}) as run:
        _story(run)
        with run.store.read() as connection:
            rows = connection.exec_driver_sql("SELECT source, id, type FROM journal").all()
    own = {(row.source, row.id) for row in rows if row.source.startswith("//tpp-")}
    assert own
    assert {row.type for row in rows if (row.source, row.id) in own} == {
        "tpp.event.rejected.v1", "tpp.clock.ticked.v1", "tpp.recheck.requested.v1", "tpp.snapshot.closed.v1",
    }  # fmt: skip


@pytest.mark.parametrize("source", ["//wms.example", "//calendar.example"])
def test_a_tick_is_taken_from_a_file_and_from_no_other_outside_door(source: str) -> None:
    raw = event("clock.ticked", {"now": "2025-06-02T09:30:00Z"}, source=source, id="evt-1")
    with Run(":memory:", {}) as run:
        for door in ("topic", "request"):
            (texts,) = run.engine.run([Message(raw, PLACES[door](1))])
            assert [error["code"] for error in orjson.loads(texts[0])["data"]["errors"]] == ["clock.foreign"]
        (texts,) = run.engine.run([Message(raw, PLACES["file"](1))])
        assert orjson.loads(texts[0])["type"] == "tpp.event.recorded.v1"


def test_only_the_clock_and_the_commands_call_a_message_their_own() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "services").rglob("*.py")
        if re.search(r"\bown=True", path.read_text("utf-8"))
    }
    assert found == {
        "services/stream/clock.py",
        "services/cli/commands.py",
        "services/cli/answering.py",
        "services/engine/commands/list_load.py",
    }
    recorded = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "services").rglob("*.py")
        if re.search(r"\brecorded=True", path.read_text("utf-8"))
    }
    assert recorded == {"services/replay/events.py", "services/engine/chunks.py"}


def test_a_review_reads_one_proposal_however_many_there_are(ledger_url: str) -> None:
    """Others propose what they like, also under names that look like members of a proposal."""
    reason, names = "x" * 4_000, ('r.one"', '","reviewer":"r.one', '","action":"withdraw', "R.ONE", "r.two")

    def lines(*events: bytes) -> list[Message]:
        numbers = count(1 + len(given))
        return [Message(raw, {"file": "in.jsonl", "line": next(numbers)}) for raw in events]

    def proposed(number: int, **data: Any) -> bytes:
        return event("review.proposed", {"shipment_id": "SHP-0003", "reason": reason, **data}, id=f"p-{number}")

    def review(number: int) -> tuple[dict[str, Any], int]:
        """The answer to a review by r.one and r.two, and the most memory that it took."""
        data = {"shipment_id": "SHP-0003", "second_reviewer": "r.two"}
        messages = lines(event("review.decided", data, id=f"r-{number}"))
        tracemalloc.start()
        ((text, *_),) = run.engine.run(messages)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return orjson.loads(text), most

    with Run(ledger_url, {}) as run:
        given: list[Any] = list(
            run.engine.run([Message(raw, {"file": "q", "line": n}) for n, raw in enumerate(QUICKSTART)])
        )
        run.engine.run(lines(event("policy.set", {"name": "four_eyes", "value": True}, id="policy")))
        run.engine.run(lines(*(proposed(n, reviewer=names[n % len(names)]) for n in range(1_000))))
        refused, most = review(1)
        assert [one["code"] for one in refused["data"]["reasons"]] == ["four_eyes"]
        assert most < 2_000_000
        run.engine.run(lines(proposed(1_000, reviewer="r.one"), proposed(1_001, reviewer="r.two", action="withdraw")))
        refused, _ = review(2)
        assert [one["code"] for one in refused["data"]["reasons"]] == ["four_eyes"]
        run.engine.run(lines(*(proposed(1_002 + n, reviewer=("r.one", *names)[n % 6]) for n in range(600))))
        taken, most = review(3)
        assert taken["type"] != "tpp.event.refused.v1"
        assert "four_eyes" not in orjson.dumps(taken.get("data", {}).get("reasons", [])).decode()
        assert most < 2_000_000
