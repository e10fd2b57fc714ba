"""Bounds of the contract: what is as long as it may be is read, and what is one longer is not; of records neither counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.wire.read import Door, Event, Rejection, parse, read_record

EXAMPLES = Path(__file__).parents[2] / "examples/events"
REQUESTED, REGISTERED = "tpp.shipment.requested.v1", "tpp.party.registered.v1"
ISSUED, RECEIVED = "tpp.license.issued.v1", "tpp.certification.received.v1"
TEXTS = [
    (REQUESTED, "/source", 512), (REQUESTED, "/subject", 512), (REQUESTED, "/dataschema", 512), (REQUESTED, "/note", 512),
    (REQUESTED, "/tracestate", 512), (REQUESTED, "/traceparent", 55), (REQUESTED, "/id", 128),
    (REQUESTED, "/data/exporter/name", 512), (REQUESTED, "/data/exporter/address", 2_048),
    (REQUESTED, "/data/ultimate_consignee/ultimate_parent/name", 512), (REQUESTED, "/data/facility/address", 2_048),
    (REQUESTED, "/data/items/0/part_number", 512), (REQUESTED, "/data/items/0/designer", 512),
    (REQUESTED, "/data/certifications/0/reference", 512), (REQUESTED, "/data/authorization/reference", 512),
    (REQUESTED, "/data/red_flags/0/note", 4_096), (REGISTERED, "/data/name", 512), (REGISTERED, "/data/address", 2_048),
    ("tpp.shipment.cancelled.v1", "/data/reason", 4_096), ("tpp.review.decided.v1", "/data/reason", 4_096),
    ("tpp.review.decided.v1", "/data/reviewer", 512), ("tpp.review.proposed.v1", "/data/reason", 4_096),
    ("tpp.party.merged.v1", "/data/reason", 4_096), ("tpp.adjustment.made.v1", "/data/reason", 4_096),
    ("tpp.adjustment.made.v1", "/data/second_reviewer", 512), ("tpp.adjustment.made.v1", "/data/reference", 512),
    ("tpp.match.cleared.v1", "/data/reason", 4_096), ("tpp.match.cleared.v1", "/data/entry", 512),
    ("tpp.allocation.set.v1", "/data/citation", 512), ("tpp.threshold.set.v1", "/data/account", 512),
    ("tpp.usage.attested.v1", "/data/by", 512), ("tpp.attrition.reported.v1", "/data/reference", 512),
    ("tpp.obligation.met.v1", "/data/kind", 512), (RECEIVED, "/data/covers/part_numbers/0", 512), ("tpp.clock.corrected.v1", "/data/reason", 4_096),
]  # fmt: skip
FLAG = {"number": 1, "note": "seen"}
ITEM = {"eccn": "3A090.a", "part_number": "P-1"}
LISTS = [
    (REQUESTED, "/data/items", 1_000, None), (REQUESTED, "/data/certifications", 200, None),
    (REQUESTED, "/data/red_flags", 50, FLAG), (REQUESTED, "/data/end_user", 50, None),
    (REQUESTED, "/data/purchaser", 50, None), (REQUESTED, "/data/operator", 50, None),
    (REQUESTED, "/data/intermediate_consignees", 50, None), (REQUESTED, "/data/part_744_uses", 50, "nuclear"),
    ("tpp.shipment.returned.v1", "/data/items", 1_000, None), ("tpp.veu.authorized.v1", "/data/facilities", 1_000, None),
    ("tpp.threshold.set.v1", "/data/thresholds", 20, 1), (ISSUED, "/data/items", 1_000, ITEM),
    (ISSUED, "/data/end_users", 1_000, "CON-1"), (ISSUED, "/data/operators", 1_000, "CON-1"),
    (ISSUED, "/data/others", 1_000, "CON-1"), (ISSUED, "/data/part_744_uses", 50, "nuclear"),
    ("tpp.veu.authorized.v1", "/data/items", 1_000, ITEM), (RECEIVED, "/data/covers/part_numbers", 1_000, "P-1"),
]  # fmt: skip


def _example(kind: str) -> dict[str, Any]:
    event = json.loads((EXAMPLES / f"{kind}.json").read_text("utf-8"))
    if kind == REQUESTED:
        event["data"] |= {"facility": {"id": "F-1", "address": "1 Road", "country": "IN"}, "red_flags": [dict(FLAG)]}
    if kind == RECEIVED:
        event["data"] |= {"kind": "nac_notification", "covers": {"tpp": 1, "part_numbers": ["P-1"]}}
    return event


def _put(node: Any, pointer: str, value: Any) -> None:
    *steps, last = pointer.removeprefix("/").split("/")
    for step in steps:
        node = node[int(step)] if isinstance(node, list) else node[step]
    node[int(last) if isinstance(node, list) else last] = value


def _errors(event: dict[str, Any], door: Door = Door.FILE) -> list[tuple[str, str]]:
    outcome = parse(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(), door)
    return [(one.pointer, one.code) for one in outcome.errors] if isinstance(outcome, Rejection) else []


def _text(pointer: str, length: int) -> str:
    return {"/source": "//w.", "/dataschema": "urn:x:", "/data/account": "*"}.get(pointer, "").ljust(length, "a")


@pytest.mark.parametrize(("kind", "pointer", "most"), TEXTS, ids=[f"{kind}{at}" for kind, at, _ in TEXTS])
def test_a_text_is_as_long_as_it_may_be_and_no_longer(kind: str, pointer: str, most: int) -> None:
    event = _example(kind)
    _put(event, pointer, _text(pointer, most))
    assert _errors(event) == []
    for length in (most + 1, 900_000):
        _put(event, pointer, _text(pointer, length))
        assert _errors(event) == [(pointer, "text.too_long")]
    _put(event, pointer, _text(pointer, most + 1))
    if pointer != "/id":
        assert isinstance(read_record(json.dumps(event).encode()), Event)


def test_a_text_is_counted_in_characters() -> None:
    event = _example(REGISTERED)
    event["data"]["name"] = "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 512
    assert _errors(event) == []


@pytest.mark.parametrize(("kind", "pointer", "most", "entry"), LISTS, ids=[f"{kind}{at}" for kind, at, *_ in LISTS])
def test_a_list_is_as_long_as_it_may_be_and_no_longer(kind: str, pointer: str, most: int, entry: Any) -> None:
    event = _example(kind)
    name = pointer.rpartition("/")[2]
    if entry is None:
        first = event["data"].get(name) or event["data"]["ultimate_consignee"]
        entry = first[0] if isinstance(first, list) else first
    numbered = [
        entry | {"line": n} if isinstance(entry, dict) and "line" in entry else entry for n in range(1, most + 2)
    ]
    _put(event, pointer, numbered[:most])
    assert _errors(event) == []
    _put(event, pointer, numbered)
    assert _errors(event) == [(pointer, "list.too_long")]
    assert isinstance(read_record(json.dumps(event).encode()), Event)
    event["data"]["more"] = 1
    _put(event, f"{pointer}/0", {})
    found = _errors(event)
    assert (pointer, "list.too_long") in found
    assert ("/data/more", "member.unknown") in found
    assert any(at.startswith(f"{pointer}/0") for at, _ in found), "the entries that count are read, too"


def test_times_and_numbers_are_bounded_as_written() -> None:
    event = _example(REQUESTED)
    event["time"] = f"2025-06-02T09:30:00.{'0' * 19}Z"
    assert (len(event["time"]), _errors(event)) == (40, [])
    event["time"] = f"2025-06-02T09:30:00.{'0' * 20}Z"
    assert _errors(event) == [("/time", "text.too_long")]
    tick = _example("tpp.clock.ticked.v1")
    tick["data"]["now"] = event["time"]
    assert _errors(tick) == [("/data/now", "text.too_long")]
    assert isinstance(read_record(json.dumps(tick | {"time": event["time"]}).encode()), Event)
    event = _example(REQUESTED)
    event["data"]["items"][0]["training_operations"] = f"1.{'0' * 511}"
    assert _errors(event) == [("/data/items/0/training_operations", "text.too_long")]
    raw = json.dumps(_example(REQUESTED)).replace('"tpp": 15824', f'"tpp": 15824, "value_usd": 1.{"0" * 512}').encode()
    outcome = parse(raw)
    assert isinstance(outcome, Rejection)
    assert [(one.pointer, one.code) for one in outcome.errors] == [("/data/items/0/value_usd", "number.too_long")]
    assert isinstance(read_record(raw), Event)


def test_a_record_is_read_whatever_countries_members_and_names_are_taken_today() -> None:
    event = _example(REQUESTED)
    event["data"]["ship_to"] = event["data"]["exporter"]["country"] = "XK"
    event["data"]["colour"] = event["data"]["exporter"]["colour"] = "red"
    event["source"] = "//tpp-clock"
    assert len(_errors(event)) == 5
    record = read_record(json.dumps(event).encode())
    assert isinstance(record, Event)
    assert record.data.ship_to == "XK"
    for kind, data in {
        "tpp.usage.attested.v1": {"account": "country/XK/2025-2027"},
        "tpp.attrition.reported.v1": {"account": "nveu/CON-9/XK"},
        "tpp.adjustment.made.v1": {"second_reviewer": "J.SMITH", "reviewer": "j.smith"},
        "tpp.clock.ticked.v1": {"now": "9999-01-01T00:00:00Z"},
    }.items():
        event = _example(kind)
        event["data"] |= data
        assert _errors(event)
        assert isinstance(read_record(json.dumps(event).encode()), Event)


def test_what_never_could_be_taken_is_no_record() -> None:
    event = _example(REQUESTED)
    for pointer, value in {
        "/data/export_date": "2025-02-30",
        "/data/items/0/tpp": "8",
        "/data/ship_to": "Kosovo",
    }.items():
        _put(event, pointer, value)
    outcome = read_record(json.dumps(event).encode())
    assert isinstance(outcome, Rejection)
    assert len(outcome.errors) == 3


@pytest.mark.parametrize("depth", [34, 200, 253, 254, 255, 500, *range(980, 1_030), 5_000, 100_000])
@pytest.mark.parametrize("bottom", ['"a"', "null", '"\\n"', '"\\ud800"', "1e5", "1" * 5_000, "[", "x"])
def test_no_depth_and_no_bottom_reaches_the_limit_of_recursion(depth: int, bottom: str) -> None:
    event = json.dumps(_example("tpp.shipment.cancelled.v1"))
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        nested = opening * depth + bottom + closing * depth
        for raw in (
            nested,
            event[:-1] + f', "note": {nested}}}',
            event.replace('"data": {', f'"data": {{"x": {nested},'),
        ):
            outcome = parse(raw.encode())
            assert isinstance(outcome, Rejection)
            assert [one.code for one in outcome.errors] == ["nesting.too_deep"]


def test_a_tick_in_the_stream_is_the_clocks_own() -> None:
    tick = _example("tpp.clock.ticked.v1")
    assert _errors(tick) == []
    assert _errors(tick, Door.STREAM) == [("/type", "clock.foreign")]
    tick["source"] = "//tpp-clock"
    assert _errors(tick) == _errors(tick, Door.STREAM) == [("/source", "source.reserved")]
    assert _errors(tick, Door.OWN) == []
    tick["data"]["now"] = "2031-01-01T00:00:00Z"
    assert _errors(tick, Door.OWN) == [("/data/now", "clock.ahead")]


def test_a_rejection_for_its_source_names_what_could_be_read() -> None:
    outcome = parse(json.dumps(_example(REQUESTED) | {"source": "//tpp-ledger"}).encode())
    assert isinstance(outcome, Rejection)
    assert (outcome.source, outcome.id) == ("//tpp-ledger", "evt-0001")


@pytest.mark.parametrize(
    "source",
    [
        "//tpp.example",
        "//wms.example/tpp-ledger",
        "https://tpp-systems.example",
        "tpp-ledger",
        "//atpp-x",
        "urn:tpp-ledger",
    ],
)
def test_other_sources_that_have_the_letters_are_somebody_elses(source: str) -> None:
    assert _errors(_example(REQUESTED) | {"source": source}) == []
