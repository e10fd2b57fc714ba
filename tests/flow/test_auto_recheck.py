"""Automatic rechecks of more holds than one record decides: in chunks, the same bytes however they are interrupted."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from events import of_step
from flow_run import Run
from sqlalchemy import text

from ledger.queries.records import records
from rulebook import load
from schemas.event_types import LEDGER_SOURCE, RECHECK_REQUESTED
from services.engine import chunks
from services.engine.engine import Engine
from services.engine.handlers import HANDLERS, clock, reviews
from services.engine.message import Message
from services.proof.report import Discrepancy
from services.proof.verification import verify
from services.resources import software
from services.views.trace import trace, trace_text

PAPER = {"claim": "LPP", "papers": ["lpp 2025-01-20"]}
HOLDS = 23
ACCOUNT = "lpp/CON-1/2025"
OFF = {"do": "policy", "data": {"name": "auto_recheck", "value": False}}
OTHER = {"do": "request", "ship": {"id": "X", "consignee": "CON-9"}}
Story = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five."""
    for module in (chunks, clock, reviews):
        monkeypatch.setattr(module, "CHUNK", 5)


def messages(steps: Story) -> list[Message]:
    """The steps as lines of a file."""
    raw = [of_step(number, step, {}, PAPER) for number, step in enumerate(steps, 1)]
    return [Message(one, {"file": "in.jsonl", "line": number}) for number, one in enumerate(raw, 1)]


def limit(amount: int, account: str = ACCOUNT) -> dict[str, Any]:
    """A limit of the house."""
    return {"do": "limit", "data": {"account": account, "limit": amount}}


def one_limit() -> Story:
    """Holds that wait for room, and the limit that makes room for ten of them; then one more request."""
    held = [{"do": "request", "ship": {"id": f"SHP-{n}"}} for n in range(HOLDS)]
    return [limit(0), *held, limit(10 * 126_656), OTHER]


def lapses() -> Story:
    """Approvals on several accounts that lapse at one tick, and holds that wait for their room."""
    consignees = [f"CON-{n % 3}" for n in range(HOLDS)]
    steps: Story = [limit(consignees.count(f"CON-{n}") * 126_656, f"lpp/CON-{n}/2025") for n in range(3)]
    for name, more in (("OLD", {"expires": "2025-06-04"}), ("NEW", {"date": "2025-06-20"})):
        steps += [
            {"do": "request", "ship": {"id": f"{name}-{n}", "consignee": one, **more}}
            for n, one in enumerate(consignees)
        ]
    return [*steps, {"do": "tick", "now": "2025-06-05T00:00:00Z"}, OTHER]


def parsed(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The events of texts."""
    return [orjson.loads(one) for one in texts]


def rechecks(given: Sequence[str]) -> list[dict[str, Any]]:
    """What records of rechecks tell."""
    return [one["data"] for one in parsed(given) if "released" in one["data"]]


def named(given: Sequence[str], word: str) -> list[str]:
    """The shipments that rechecks name as `released` or `held`, in order."""
    return [name for one in rechecks(given) for name in one[word]]


def verified(run: Run) -> list[Discrepancy]:
    """What the verification finds."""
    return verify(run.store, load("ai-diffusion"), software(), list, []).bad


def test_one_limit_frees_holds_in_the_order_in_which_they_were_first_presented() -> None:
    with Run(":memory:", {}) as run:
        *_, given, _ = run.engine.run(messages(one_limit()))
    assert [one["chunk"] for one in rechecks(given)] == [2, 3, 4, 5, 6]
    assert named(given, "released") == [f"SHP-{n}" for n in range(10)]
    assert named(given, "held") == [f"SHP-{n}" for n in range(10, HOLDS)]
    cause = parsed(given)[0]["data"]["causation"]
    assert {orjson.dumps(one["data"]["causation"]) for one in parsed(given) if "causation" in one["data"]} == {
        orjson.dumps(cause)
    }


def test_what_a_tick_lets_lapse_is_rechecked_once_and_after_all_of_the_tick() -> None:
    with Run(":memory:", {}) as run:
        *_, given, _ = run.engine.run(messages(lapses()))
        assert verified(run) == []
    kinds = [one["type"].split(".")[2] for one in parsed(given)]
    assert kinds.count("expired") == kinds.count("released") == HOLDS
    assert max(n for n, kind in enumerate(kinds) if kind in ("expired", "due")) < kinds.index("released")
    assert named(given, "released") == [f"NEW-{n}" for n in range(HOLDS)]


@pytest.mark.parametrize("story", [one_limit, lapses])
@pytest.mark.parametrize("done", range(4))
def test_the_answers_are_the_same_however_often_it_is_killed(story: Any, done: int) -> None:
    with Run(":memory:", {}) as run:
        whole = [list(texts) for texts in run.engine.run(messages(story()))]
    with Run(":memory:", {}) as run:
        *before, cause, _ = Engine.read(messages(story()))
        run.engine.decide(before)
        run.engine.decide_between([cause])
        for _ in range(done):
            Engine(run.engine._ledger, run.engine._book, lambda: 0, run.engine._software).go_on()
        assert verified(run) == [], "what is left is verified"
        after = Engine(run.engine._ledger, run.engine._book, lambda: 0, run.engine._software)
        assert [list(texts) for texts in after.run(messages(story()))] == whole
        assert [list(texts) for texts in after.run(messages(story()))] == whole, "all of it again gives all of it"
        assert verified(run) == []


def test_a_batch_rechecks_at_once_what_it_may_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many holds as a chunk has, in all: no batch of events on a popular key keeps the others waiting."""
    held = [{"do": "request", "ship": {"id": f"SHP-{n}", "papers": []}} for n in range(3)]
    known = [{"do": "register", "data": {"id": "CON-1", "country": "PL"}} for _ in range(4)]
    *before, first, second, third, last = Engine.read(messages([*held, *known]))
    with Run(":memory:", {}) as run:
        monkeypatch.setattr("services.engine.engine.CHUNK", 5)
        run.engine.decide(before)
        given = run.engine.decide_between([first, second, third, last])
        assert [len(texts) for texts in given] == [2, 2, 1, 1]
        assert [one["held"] for one in rechecks(run.engine.finish())] == [[f"SHP-{n}" for n in range(3)]] * 2
        assert verified(run) == []


def test_a_chunk_that_fails_keeps_no_event_from_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = HANDLERS[RECHECK_REQUESTED]

    def fails(context: Any, event: Any) -> Any:
        if event.source == LEDGER_SOURCE:
            raise ZeroDivisionError
        return handle(context, event)

    monkeypatch.setitem(HANDLERS, RECHECK_REQUESTED, fails)
    *before, cause, other = Engine.read(messages(one_limit()))
    with Run(":memory:", {}) as run:
        run.engine.decide(before)
        answers = [parsed(texts)[0]["type"] for texts in run.engine.decide_between([cause, other])]
        assert answers == ["tpp.event.recorded.v1", "tpp.shipment.approved.v1"]
        (given_up,) = parsed(run.engine.finish())
        assert given_up["data"]["errors"][0]["code"] == "internal.error"
        assert verified(run) == []


def test_other_events_go_between_the_chunks_and_a_replay_knows_where() -> None:
    more = {"do": "amend", "ship": {"id": "SHP-20", "quantity": 1}}
    *before, cause, other, amended = Engine.read(messages([*one_limit(), more]))
    with Run(":memory:", {}) as run:
        run.engine.decide(before)
        (first,) = run.engine.decide_between([cause])
        ((answer,),) = run.engine.decide_between([other])
        ((approved, *_),) = run.engine.decide_between([amended])
        rest = run.engine.finish()
        assert verified(run) == []
        assert run.engine.go_on() is None
    assert parsed([answer])[0]["subject"] == "X"
    assert rechecks(first)[0]["released"] == [f"SHP-{n}" for n in range(5)]
    assert parsed([approved])[0]["type"] == "tpp.shipment.approved.v1"
    assert "SHP-20" not in named(rest, "released") + named(rest, "held"), "it waits no longer"


def test_the_policy_is_in_force_from_its_record_on_for_what_is_left_too() -> None:
    *before, cause, _, off = Engine.read(messages([*one_limit(), OFF]))
    with Run(":memory:", {}) as run:
        run.engine.decide(before)
        run.engine.decide_between([cause])
        run.engine.decide_between([off])
        (left,) = rechecks(run.engine.finish())
        assert (left["released"], left["held"], left["skipped"]) == ([], [], [])
        assert verified(run) == []


def test_a_tick_that_is_set_back_still_rechecks_for_what_has_lapsed() -> None:
    back = {"do": "correct", "data": {"now": "2025-06-02T10:00:00Z"}}
    *before, tick, _, correction = Engine.read(messages([*lapses(), back]))
    with Run(":memory:", {}) as run:
        run.engine.decide(before)
        first = run.engine.decide_between([tick])[0]
        run.engine.decide_between([correction])
        lapsed = len([one for one in parsed(first) if one["type"] == "tpp.shipment.expired.v1"])
        released = named(run.engine.finish(), "released")
        assert lapsed == len(released) == 5
        assert verified(run) == []


def test_a_check_tells_the_rechecks_that_would_follow() -> None:
    with Run(":memory:", {}) as run:
        checked = run.engine.check(messages(one_limit()))
        assert run.standing() == {}
        assert [list(texts) for texts in run.engine.run(messages(one_limit()))] == [list(texts) for texts in checked]


def test_explain_says_why_a_hold_was_rechecked() -> None:
    with Run(":memory:", {}) as run:
        run.engine.run(messages(one_limit()))
        with run.store.read() as connection:
            told = trace_text(trace(records(connection, "SHP-7")))
    assert f"By the policy auto_recheck, after journal record {HOLDS + 2}." in told


def test_notes_that_somebody_changed_are_found() -> None:
    with Run(":memory:", {}) as run:
        run.engine.run(messages(one_limit()))
        assert verified(run) == []
        with run.store.begin() as connection:
            connection.execute(text("DELETE FROM noted WHERE shipment_id = 'SHP-12' AND key = 'EXP-1'"))
        assert {(one.table, one.key) for one in verified(run)} == {("noted", "EXP-1/SHP-12")}


def test_a_publisher_cannot_pass_a_recheck_off_as_automatic() -> None:
    forged = {"do": "recheck", "data": {"caused_by": 1}}
    with Run(":memory:", {}) as run:
        (texts,) = run.engine.run(messages([forged]))
    assert {error["code"] for error in parsed(texts)[0]["data"]["errors"]} == {"member.unknown", "one_of"}
