"""What the contract promises of every message: one answer, the trace handed on, six broken lines six rejections."""

import base64
import hashlib
from typing import Any

import orjson
from events import of_step
from flow_run import NOW, Run

import rulebook
from ledger.journal import Ledger
from ledger.queries.balances import balances
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

PAPER = {"claim": "LPP", "papers": ["lpp 2025-01-20"]}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def sent(run: Run, *raw: bytes) -> list[list[dict[str, Any]]]:
    records = [Message(one, {"file": "in.jsonl", "line": number}) for number, one in enumerate(raw, 1)]
    return [[orjson.loads(text) for text in given] for given in run.engine.run(records)]


def test_the_trace_goes_on_to_all_that_follows() -> None:
    step = {
        "do": "request",
        "ship": {"id": "SHP-1", "quantity": 1_699},
        "attributes": {"traceparent": TRACE, "tracestate": "a=b"},
    }
    with Run(":memory:", {}) as run:
        (given,) = sent(run, of_step(1, step, {}, PAPER))
    assert len(given) == 4
    for one in given:
        assert one["traceparent"].split("-")[1] == TRACE.split("-")[1]
        assert one["tracestate"] == "a=b"
        assert one["time"] == "2025-06-02T09:01:00Z"


def test_six_identical_broken_lines_are_six_rejections_and_stay_so() -> None:
    broken = b'{"specversion":"1.0","id":"x","source":"//s","time":"soon'
    with Run(":memory:", {}) as run:
        given = sent(run, *[broken] * 6)
        again = sent(run, *[broken] * 6)
    assert given == again
    assert len({one["id"] for (one,) in given}) == 6
    for number, (one,) in enumerate(given, 1):
        assert one["type"] == "tpp.event.rejected.v1"
        assert "time" not in one
        data = one["data"]
        assert base64.b64decode(data["original"]) == broken
        assert data["size"] == len(broken)
        assert data["sha256"] == hashlib.sha256(broken).hexdigest()
        assert data["position"] == {"file": "in.jsonl", "line": number}


def test_a_long_message_is_kept_to_256_kib_with_the_digest_of_the_whole() -> None:
    long = b'{"specversion":"1.0","id":"x","source":"//s","data":"' + b"a" * 1_100_000 + b'"}'
    with Run(":memory:", {}) as run:
        ((one,),) = sent(run, long)
    assert len(base64.b64decode(one["data"]["original"])) == 256 * 1024
    assert one["data"]["size"] == len(long)
    assert one["data"]["sha256"] == hashlib.sha256(long).hexdigest()


def test_a_misspelt_member_is_a_rejection_and_uses_up_no_id() -> None:
    good = orjson.loads(of_step(1, {"do": "request", "ship": {"id": "SHP-1"}}, {}, PAPER))
    bad = orjson.loads(orjson.dumps(good))
    bad["data"]["ultimate_consignee"]["ultimate_parnt"] = {"id": "X", "name": "X", "headquarters": "CN"}
    with Run(":memory:", {}) as run:
        (refused,), (taken,) = sent(run, orjson.dumps(bad), orjson.dumps(good))
    assert refused["type"] == "tpp.event.rejected.v1"
    assert refused["data"]["causation"] == {"source": "//wms.example", "id": "evt-1"}
    assert refused["time"] == good["time"]
    assert [fault["pointer"] for fault in refused["data"]["errors"]] == ["/data/ultimate_consignee/ultimate_parnt"]
    assert taken["type"] == "tpp.shipment.approved.v1"


def test_the_replenished_alert_counts_or_names_the_holds_that_wait() -> None:
    steps: list[dict[str, Any]] = [
        {"do": "request", "ship": {"id": "SHP-1", "quantity": 1_600}},
        {"do": "request", "ship": {"id": "SHP-2", "quantity": 1_000}},
        {"do": "request", "ship": {"id": "SHP-3", "quantity": 1_000}},
        {"do": "cancel", "data": {"shipment_id": "SHP-1"}},
    ]
    with Run(":memory:", {}) as run:
        given = sent(run, *[of_step(number, step, {}, PAPER) for number, step in enumerate(steps, 1)])
    alert, recheck, *_ = given[3][1:]
    assert alert["subject"] == alert["data"]["account"] == "lpp/CON-1/2025"
    assert alert["data"]["kind"] == "replenished"
    assert alert["data"].get("holds_waiting", 2) in (2, ["SHP-2", "SHP-3"])
    assert alert["data"]["balance"] == 0
    assert alert["data"]["limit"] == 26_900_000
    assert (recheck["data"]["released"], recheck["data"]["held"]) == (["SHP-2"], ["SHP-3"])


def test_the_report_of_flows_counts_a_territory_as_its_country() -> None:
    steps = [{"do": "request", "ship": {"id": f"SHP-{to}", "to": to, **PAPER}} for to in ("GF", "FR", "PL")]
    with Run(":memory:", {}) as run:
        sent(run, *(of_step(number, step, {}, {}) for number, step in enumerate(steps, 1)))
        with run.store.read() as connection:
            found = {one.account: one.balance for one in balances(connection, ["flow/*"])}
    assert found == {"flow/FR/2025": 253_312, "flow/PL/2025": 126_656}


def test_what_another_reading_let_go_is_tested_anew_when_it_leaves() -> None:
    names = ("SHP-1", "SHP-2")
    steps = [{"do": "request", "ship": {"id": name, "to": "VN", **PAPER}} for name in names]
    steps += [{"do": "dispatch", "data": {"shipment_id": name, "export_date": "2025-06-05"}} for name in names]
    *before, last = [of_step(number, step, {}, {}) for number, step in enumerate(steps, 1)]
    with Run(":memory:", {"lpp_in_d1_d4": True}) as run:
        sent(run, *before)
        run.engine = Engine(Ledger(run.store), rulebook.load("ai-diffusion"), lambda: NOW, software())
        ((answer, alert),) = sent(run, last)
        stands = run.standing()["lpp/CON-1/2025"]
    assert answer["type"] == "tpp.shipment.held.v1"
    assert [reason["code"] for reason in answer["data"]["reasons"]] == ["authorization.ineligible"]
    assert alert["data"]["kind"] == "left_without_approval"
    assert stands["posted"] == stands["balance"] == 126_656
