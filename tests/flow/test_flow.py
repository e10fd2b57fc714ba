"""Whole lives of shipments through the engine: what an officer sends, line by line, and what must come back."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from events import of_step
from flow_answers import DECISIONS, expected, kind, told
from flow_run import Run

from schemas.event_types import OUTGOING
from services.engine.message import Message

HERE = Path(__file__).parent
FLOWS = sorted(HERE.glob("*/*.toml"))
LATER = 1_900_000_000_000_000
"""A reading of the clock in 2030, in microseconds."""
PARTS = ("pending", "posted", "attested", "credits")

Texts = list[list[str]]


def load(path: Path) -> dict[str, Any]:
    """A flow; the policies that it begins with are its first steps."""
    flow = tomllib.loads(path.read_text("utf-8"))
    begin = [
        {"do": "policy", "id": name, "data": {"name": name, "value": value}, "answer": {"is": "recorded"}}
        for name, value in flow.get("policies", {}).items()
    ]
    return flow | {"step": [*begin, *flow["step"]]}


def records(flow: dict[str, Any]) -> list[Message]:
    first = 1 - len(flow.get("policies", {}))
    steps = enumerate(flow["step"], first)
    made = [of_step(n, step, flow.get("parties", {}), flow.get("usual", {})) for n, step in steps]
    return [Message(raw, {"file": "in.jsonl", "line": n}) for n, raw in enumerate(made, 1)]


@pytest.mark.parametrize("path", FLOWS, ids=[f"{path.parent.name}/{path.stem}" for path in FLOWS])
def test_flow(path: Path, tmp_path: Path) -> None:
    flow = load(path)
    lines = records(flow)
    switches = flow.get("switches", {})
    with Run(f"sqlite:///{tmp_path / 'one.db'}", switches) as run:
        checked = run.engine.check(lines)
        assert run.standing() == {}
        texts = run.engine.run(lines)
        first = run.standing()
        assert [run.engine.run([line])[0] for line in lines] == texts, "a second delivery gets the first answer"
        assert run.standing() == first, "a second delivery moves nothing"
    assert checked == texts, "check says what screen then says"
    with Run(":memory:", switches) as run:
        assert [run.engine.run([line])[0] for line in lines] == texts, "one event a transaction or all in one"
        assert run.standing() == first
    with Run(":memory:", switches, LATER) as run:
        assert run.engine.run(lines) == texts, "no decision reads the clock"
    parsed = [[orjson.loads(text) for text in answer] for answer in texts]
    compare(flow, parsed)
    well_formed(lines, parsed)
    founded(parsed, {name: on for name, on in switches.items() if on})
    traced(parsed, first)
    if "balances" in flow:
        stand(flow["balances"], first)


def compare(flow: dict[str, Any], answers: list[list[dict[str, Any]]]) -> None:
    """Each step's answer is what the flow says; all differences at once."""
    wrong = []
    for number, (step, (answer, *following)) in enumerate(zip(flow["step"], answers, strict=True), 1):
        wanted = expected(step["answer"])
        says = told(answer, following, wanted)
        wrong += [
            f"step {number} ({step.get('do', 'raw')}) {word}:\n    expected {wanted[word]}\n    got      {says[word]}"
            for word in wanted
            if wanted[word] != says[word]
        ]
    if wrong:
        pytest.fail("\n".join(["", flow["title"], *wrong]), pytrace=False)


def well_formed(lines: list[Message], answers: list[list[dict[str, Any]]]) -> None:
    """Every event that goes out fits its model and its envelope, and the repeats aside no two have one id."""
    seen: dict[str, Any] = {}
    last = ""
    for line, given in zip(lines, answers, strict=True):
        cause = orjson.loads(line.raw) if line.raw.startswith(b"{") else {}
        for one in given:
            OUTGOING[one["type"]].model.model_validate_json(orjson.dumps(one["data"]))
            assert one["source"] == "//tpp-ledger"
            assert isinstance(one["sequence"], str)
            repeat = one["id"] in seen
            assert seen.setdefault(one["id"], one) == one
            assert repeat or one["sequence"] > last
            last = max(last, one["sequence"])
            assert one.get("time") == cause.get("time")
            if kind(one) == "alert" and one["data"]["kind"] != "forecast":
                decided = {other["data"].get("decision_id", other["id"]) for other in given}
                assert one["data"].get("crossed_by", one["data"].get("caused_by")) in decided
            if kind(one) in DECISIONS:
                assert one["data"]["causation"] == {"source": cause["source"], "id": cause["id"]}
                assert one["subject"] == one["data"]["shipment_id"]
            assert all(
                reason["message"] and reason["message"][0].isprintable() for reason in one["data"].get("reasons", [])
            )


def founded(answers: list[list[dict[str, Any]]], switches: dict[str, bool]) -> None:
    """Every decision says that the rule is codified and not enforced, and which readings are in force."""
    for one in (one for given in answers for one in given if kind(one) in DECISIONS):
        assert one["data"]["basis"]["law_status"] == {"codified": True, "not_enforced_since": "2025-05-13"}
        assert one["data"]["basis"]["switches"] == switches


def entries(answers: list[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Every movement that was told, repeats left out."""
    seen = set()
    for one in (one for given in answers for one in given):
        if one["id"] not in seen:
            seen.add(one["id"])
            yield from one["data"].get("debits", one["data"].get("entries", []))


def traced(answers: list[list[dict[str, Any]]], standing: dict[str, dict[str, Any]]) -> None:
    """Entries are told once, numbered without gaps, and the last balance told is the one that stands."""
    moves: dict[str, list[dict[str, Any]]] = {}
    for entry in entries(answers):
        moves.setdefault(entry["account"], []).append(entry)
    for account, found in moves.items():
        assert not account.startswith("facility/") or min(entry["balance"] for entry in found) >= 0, account
        assert [entry["entry"] for entry in found] == list(range(1, len(found) + 1)), account
        assert found[-1]["balance"] == standing[account]["balance"], account
        assert len(found) == standing[account]["entries"], account
    assert {account for account, one in standing.items() if one["entries"]} == moves.keys()


def stand(wanted: dict[str, dict[str, Any]], standing: dict[str, dict[str, Any]]) -> None:
    """The accounts stand as the flow says, part by part; an account that is not named has nothing on it."""
    found = {
        account: {part: one[part] for part in PARTS if one[part]}
        for account, one in standing.items()
        if any(one[part] for part in PARTS)
    }
    assert found == {
        account: {part: amount for part, amount in parts.items() if part in PARTS and amount}
        for account, parts in wanted.items()
        if any(parts.get(part) for part in PARTS)
    }
    limits = {account: parts["limit"] for account, parts in wanted.items() if "limit" in parts}
    assert {account: standing[account]["limit"] for account in limits} == limits
