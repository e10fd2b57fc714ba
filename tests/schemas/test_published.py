"""The published files are fresh, and say what the contract says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from schema_samples import ROOT, asyncapi, message_validator, validator

from schemas.codes import ReasonCode, RejectionCode
from schemas.event_types import FACTS, INCOMING, OUTGOING, SHIPMENTS
from schemas.generate import files as publish
from schemas.generate.__main__ import main

DECISION: dict[str, Any] = {
    "decision_id": "d-1", "shipment_id": "SHP-0001", "causation": {"source": "//wms.example", "id": "evt-0001"},
    "outcome": "approved", "rulebook": "ai-diffusion", "law_as_of": "2025-06-05",
    "authorization": {"kind": "LPP"}, "tpp": 126592,
    "lines": [{"line": 1, "class": "3A090.a", "authorization": "LPP", "tpp": 126592}],
    "debits": [
        {"account": "lpp/CON-70/2025", "amount": 126592, "state": "pending",
         "balance": 126592, "limit": 26900000, "entry": 1},
    ],
    "reasons": [],
    "findings": [{"provision": "15 CFR 740.29(d)", "result": "met", "detail": "126,592 TPP used in 2025", "facts": {}}],
    "obligations": [{"kind": "lpp_certification_copy", "due": "2025-07-05", "citation": "15 CFR 740.29(g)(1)"}],
    "basis": {
        "rulebook_digest": "sha256:" + "0" * 64, "software": "0.1.0",
        "law_status": {"codified": True, "not_enforced_since": "2025-05-13"}, "switches": {"lpp_5a002": True},
        "lists": [{"name": "entity-list", "version": "2026-07-09", "digest": "sha256:" + "1" * 64}],
    },
}  # fmt: skip
REASON = {
    "code": "quota.exhausted",
    "citation": "15 CFR 740.29(d)",
    "message": "14,400 TPP too many.",
    "facts": {"short_by": 14400},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "tpp.shipment.approved.v1": DECISION,
    "tpp.shipment.held.v1": DECISION | {
        "outcome": "held", "reasons": [REASON], "authorization": None,
    },
    "tpp.shipment.released.v1": DECISION | {"outcome": "released"},
    "tpp.shipment.denied.v1": DECISION | {"outcome": "denied", "debits": []},
    "tpp.shipment.expired.v1": DECISION | {"outcome": "expired"},
    "tpp.event.recorded.v1": {
        "causation": DECISION["causation"], "entries": DECISION["debits"], "released": ["SHP-1"],
        "held": [], "skipped": [],
    },
    "tpp.event.rejected.v1": {
        "original": "e30=", "size": 2, "sha256": "0" * 64,
        "position": {"topic": "tpp.facts", "partition": 0, "offset": 7},
        "errors": [{"pointer": "/data", "code": "member.missing", "message": "is required"}],
    },
    "tpp.event.refused.v1": {
        "causation": DECISION["causation"], "shipment_id": "SHP-0001", "outcome": "refused", "state": "dispatched",
        "reasons": [REASON | {"code": "shipment.state"}],
    },
    "tpp.party.alert.v1": {
        "party": "con-lO", "kind": "resembles", "of": "party", "other": "CON-10", "score": "1.00", "causation": DECISION["causation"],
        "caused_by": "d-1", "message": "Party con-lO cannot be told apart from CON-10.",
    },
    "tpp.list.alert.v1": {
        "list": "us", "version": "2026-07-09", "kind": "stale", "age_days": 8, "max_age_days": 7,
        "causation": DECISION["causation"], "caused_by": "a-1",
        "message": "The list us 2026-07-09 is 8 days old, more than the 7 that were set: load the present version.",
    },
    "tpp.shipment.alert.v1": {
        "shipment_id": "SHP-0001", "kind": "left_without_approval", "state": "held", "export_date": "2025-06-05",
        "causation": DECISION["causation"], "caused_by": "a-1",
        "message": "Shipment SHP-0001 left on 2025-06-05 and was held.",
    },
    "tpp.quota.alert.v1": {
        "account": "lpp/CON-70/2025", "kind": "threshold", "threshold": "0.9",
        "balance": 24_300_000, "limit": 26_900_000, "crossed_by": "d-1",
    },
    "tpp.obligation.due.v1": {
        "kind": "lpp_certification_copy", "shipment_id": "SHP-0001", "due": "2025-07-05", "state": "due",
        "citation": "15 CFR 740.29(g)(1)",
        "contents": {"to": "the Bureau of Industry and Security"},
    },
    "tpp.snapshot.closed.v1": {
        "snapshot_id": "2025-Q2", "period": "2025-Q2", "as_of": "2025-06-30", "record": 9, "accounts": 4, "entries": 6,
        "digest": "sha256:" + "2" * 64, "previous_digest": None,
    },
}  # fmt: skip


def _event(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "a-1", "source": "//tpp-ledger", "type": name, "subject": "SHP-0001",
        "time": "2025-06-02T09:30:00Z", "sequence": "1", "data": data,
    }  # fmt: skip


def test_the_published_files_are_fresh() -> None:
    assert publish.stale() == {}


def test_check_names_what_is_stale_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    old = tmp_path / "schemas/json/tpp.clock.ticked.v1.schema.json"
    old.write_text("{}", "utf-8")
    (tmp_path / "schemas/json/tpp.gone.v1.schema.json").write_text("{}", "utf-8")
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.split() == [
        "stale:",
        "schemas/json/tpp.clock.ticked.v1.schema.json",
        "stale:",
        "schemas/json/tpp.gone.v1.schema.json",
    ]
    assert old.read_text("utf-8") == "{}"
    assert main([], tmp_path) == 0
    assert publish.stale(tmp_path) == {}


@pytest.mark.parametrize("name", [*INCOMING, *OUTGOING])
def test_a_schema_describes_itself(name: str) -> None:
    schema = json.loads((ROOT / f"schemas/json/{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"].endswith(name)
    assert schema["title"] == name
    assert all(part.get("description") for part in (schema, *schema["$defs"].values()))
    for part in schema["$defs"].values():
        assert name in OUTGOING or part.get("additionalProperties") is False or "enum" in part


def test_country_codes_are_listed() -> None:
    schema = json.loads((ROOT / "schemas/json/tpp.license.issued.v1.schema.json").read_text("utf-8"))
    assert len(schema["$defs"]["Country"]["enum"]) == 249
    assert {"MO", "HK", "TW"} < set(schema["$defs"]["Country"]["enum"])


@pytest.mark.parametrize("name", OUTGOING)
def test_an_answer_fits_its_model_schema_and_message(name: str) -> None:
    data = ANSWERS[name]
    OUTGOING[name].model.model_validate(data)
    event = _event(name, data | {"more": 1})
    validator(name).validate(event)
    message_validator(name).validate(event)
    for member, field in OUTGOING[name].model.model_fields.items():
        if field.is_required():
            lacking = _event(name, {key: value for key, value in data.items() if key != member})
            assert not validator(name).is_valid(lacking)
            assert not message_validator(name).is_valid(lacking)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("tpp.shipment.approved.v1", {"reasons": [REASON]}),
        ("tpp.shipment.approved.v1", {"outcome": "held"}),
        ("tpp.shipment.held.v1", {"reasons": []}),
        ("tpp.shipment.held.v1", {"reasons": [REASON | {"code": "quota.gone"}]}),
        ("tpp.event.refused.v1", {"outcome": "held"}),
        ("tpp.event.refused.v1", {"reasons": []}),
        ("tpp.shipment.alert.v1", {"state": "held_at_dispatch"}),
        ("tpp.event.rejected.v1", {"errors": []}),
        ("tpp.event.rejected.v1", {"original": "e30"}),
        ("tpp.event.rejected.v1", {"position": {"line": 1}}),
        ("tpp.event.recorded.v1", {"entries": [DECISION["debits"][0] | {"state": "lost"}]}),
        ("tpp.quota.alert.v1", {"kind": "soon"}),
        ("tpp.snapshot.closed.v1", {"period": "2025-Q5"}),
    ],
)
def test_a_wrong_answer_does_not_fit(name: str, change: dict[str, Any]) -> None:
    assert not validator(name).is_valid(_event(name, ANSWERS[name] | change))


def test_a_rejection_may_lack_time_and_subject_and_no_other_answer_may() -> None:
    for name, data in ANSWERS.items():
        bare = {key: value for key, value in _event(name, data).items() if key not in ("time", "subject")}
        assert validator(name).is_valid(bare) is (name == "tpp.event.rejected.v1")


def test_asyncapi_has_the_topics_of_the_contract() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    channels = {channel["address"]: set(channel["messages"]) for channel in document["channels"].values()}
    assert channels.keys() == {
        "tpp.shipments",
        "tpp.facts",
        "tpp.decisions",
        "tpp.alerts",
        "tpp.snapshots",
        "tpp.rejected",
    }
    assert channels["tpp.shipments"] == {name for name, one in INCOMING.items() if one.topic == SHIPMENTS}
    assert channels["tpp.facts"] == {name for name, one in INCOMING.items() if one.topic == FACTS}
    assert (
        set().union(*channels.values())
        == INCOMING.keys() | OUTGOING.keys()
        == document["components"]["messages"].keys()
    )
    received = {
        operation["channel"]["$ref"]
        for operation in document["operations"].values()
        if operation["action"] == "receive"
    }
    assert received == {"#/channels/shipments", "#/channels/facts"}


def test_every_reference_of_asyncapi_is_there() -> None:
    document = asyncapi()
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))):
        part: Any = document
        assert reference.startswith("#/")
        for step in reference[2:].split("/"):
            part = part[step]
        assert part


def test_every_code_is_on_the_page_of_rejection_codes() -> None:
    page = (ROOT / "docs/contract/rejection-codes.md").read_text("utf-8")
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == list(RejectionCode)


def test_reason_codes_are_those_of_the_contract() -> None:
    assert len(ReasonCode) == 31
    assert {code.value.split(".")[0] for code in ReasonCode} == {
        "quota", "authorization", "destination", "certification", "license", "veu", "classification", "party", "end_use",
        "facility", "review", "red_flag", "shipment", "transaction", "line", "obligation", "balance", "amount", "clock",
        "four_eyes",
    }  # fmt: skip
