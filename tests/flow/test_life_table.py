"""Each state of a shipment against each event of its life: the contract's table, cell by cell."""

from typing import Any

import orjson
import pytest
from events import of_step
from flow_run import Run

from services.engine.message import Message

USUAL: dict[str, Any] = {"id": "SHP-1", "claim": "LPP", "papers": ["lpp 2025-01-20", "lpp 2026-01-02"]}
OF = {"shipment_id": "SHP-1"}
PLANNED = {**OF, "export_date": "2025-06-05"}
NO_ROOM = {"do": "attest", "data": {"account": "lpp/CON-1/2026", "tpp": 26_900_000}}
FLAGGED = {"do": "request", "ship": {"flags": [{"number": 1, "note": "a note"}]}}

WAYS: dict[str, list[dict[str, Any]]] = {
    "approved": [{"do": "request", "ship": {}}],
    "released": [FLAGGED, {"do": "review", "data": OF}],
    "held": [FLAGGED],
    "dispatched": [{"do": "request", "ship": {}}, {"do": "dispatch", "data": PLANNED}],
    "held at dispatch": [
        {"do": "request", "ship": {}},
        NO_ROOM,
        {"do": "dispatch", "data": {**OF, "export_date": "2026-01-05"}},
    ],
    "cancelled": [{"do": "request", "ship": {}}, {"do": "cancel", "data": OF}],
    "denied": [FLAGGED, {"do": "review", "data": {**OF, "action": "deny"}}],
    "expired": [{"do": "request", "ship": {"expires": "2025-06-20"}}, {"do": "tick", "now": "2025-06-20T00:00:00Z"}],
}
EVENTS: dict[str, dict[str, Any]] = {
    "amended": {"do": "amend", "ship": {"quantity": 2}},
    "dispatched": {"do": "dispatch", "data": PLANNED},
    "cancelled": {"do": "cancel", "data": OF},
    "returned": {"do": "return", "data": {**OF, "items": [{"line": 1, "quantity": 1}], "date": "2025-07-01"}},
    "review": {"do": "review", "data": {**OF, "action": "deny"}},
    "proposed": {"do": "propose", "data": OF},
    "recheck": {"do": "recheck", "data": OF},
    "requested again": {"do": "request", "ship": {}},
}
ALLOWED = {
    "approved": {"amended", "dispatched", "cancelled"},
    "released": {"amended", "dispatched", "cancelled"},
    "held": {"amended", "cancelled", "review", "proposed", "recheck"},
    "dispatched": {"returned"},
    "held at dispatch": {"review", "proposed", "recheck"},
    "cancelled": set(),
    "denied": set(),
    "expired": set(),
}


def answers(run: Run, steps: list[dict[str, Any]], first: int = 1) -> list[dict[str, Any]]:
    """The answer to each step, without what follows from it."""
    raw = [of_step(n, step, {}, USUAL) for n, step in enumerate(steps, first)]
    return [
        orjson.loads(given[0])
        for given in run.engine.run([Message(one, {"file": "in.jsonl", "line": 1}) for one in raw])
    ]


@pytest.mark.parametrize("word", EVENTS)
@pytest.mark.parametrize("state", WAYS)
def test_cell(state: str, word: str) -> None:
    with Run(":memory:", {}) as run:
        answers(run, WAYS[state])
        before = run.standing()
        (answer,) = answers(run, [EVENTS[word]], 9)
        data = answer["data"]
        codes = [reason["code"] for reason in data.get("reasons", [])]
        if word in ALLOWED[state]:
            assert not {"shipment.state", "shipment.unknown", "shipment.duplicate"} & set(codes)
            assert answer["type"] != "tpp.event.rejected.v1"
            return
        assert answer["type"] == "tpp.event.refused.v1"
        assert data["outcome"] == "refused"
        assert codes == ["shipment.duplicate" if word == "requested again" else "shipment.state"]
        assert "debits" not in data
        assert data["state"] == state.removesuffix(" at dispatch")
        assert run.standing() == before
        (again,) = answers(run, [EVENTS["dispatched"]], 19)
        allowed = "dispatched" in ALLOWED[state]
        assert (again["type"] == "tpp.event.recorded.v1") == allowed, "a refused event leaves the state as it was"


@pytest.mark.parametrize("word", [word for word in EVENTS if word != "requested again"])
def test_a_shipment_that_is_not_there(word: str) -> None:
    with Run(":memory:", {}) as run:
        (answer,) = answers(run, [EVENTS[word]])
        assert answer["type"] == "tpp.event.refused.v1"
        assert [reason["code"] for reason in answer["data"]["reasons"]] == ["shipment.unknown"]
        assert answer["data"]["state"] is None
        assert answer["subject"] == answer["data"]["shipment_id"] == "SHP-1"
        assert run.standing() == {}
