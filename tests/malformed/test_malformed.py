"""Messages that cannot be read: each gives exactly the errors that its line in `messages.toml` lists."""

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.codes import RejectionCode
from schemas.models.outgoing import Rejected
from schemas.wire.read import MAX_ERRORS_SIZE, Event, Rejection, parse

CASES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("messages.toml").read_text("utf-8"))["message"]
PLAIN = Path(__file__).parents[2] / "examples/events/tpp.shipment.dispatched.v1.json"


def _bytes(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["base64"]) if "base64" in case else case["text"].encode()


def _found(raw: bytes) -> list[list[str]]:
    outcome = parse(raw)
    assert isinstance(outcome, Rejection)
    assert outcome.raw == raw
    for error in outcome.errors:
        assert error.code in list(RejectionCode)
        assert "Input should" not in error.message
        assert "pydantic" not in error.message
        json.dumps([error.pointer, error.message], ensure_ascii=False).encode()
    return [[error.pointer, error.code] for error in outcome.errors]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_each_message_gives_exactly_its_errors(case: dict[str, Any]) -> None:
    assert _found(_bytes(case)) == case["expect"]


def test_names_are_unique_and_many_codes_are_shown() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 70
    elsewhere = {
        "message.too_large",
        "nesting.too_deep",
        "errors.more",
        "list.too_long",
        "event.conflict",
        "internal.error",
        "clock.foreign",
        "source.not_allowed",
    }
    elsewhere.add("limit.above_law")
    assert {code for case in CASES for _, code in case["expect"]} == set(RejectionCode) - elsewhere


def _event(**changes: Any) -> bytes:
    return json.dumps(json.loads(PLAIN.read_text("utf-8")) | changes).encode()


def test_a_message_of_one_mebibyte_is_read_and_one_byte_more_is_not() -> None:
    longest = _event() + b" " * (1_048_576 - len(_event()))
    assert isinstance(parse(longest), Event)
    assert _found(longest + b" ") == [["", "message.too_large"]]
    assert _found(b"[" * 1_048_577) == [["", "message.too_large"]]


def test_nesting_of_32_is_read_and_of_33_is_not() -> None:
    # the event itself and `data` are the first two levels
    assert _found(_event(data={"shipment_id": "S", "export_date": "2025-06-05", "x": _nested(30)})) == [
        ["/data/x", "member.unknown"]
    ]
    assert _found(_event(data={"shipment_id": "S", "export_date": "2025-06-05", "x": _nested(31)})) == [
        ["", "nesting.too_deep"]
    ]
    assert _found(_event(id=1, note=_nested(40))) == [["", "nesting.too_deep"]]


def _nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    "raw", [b"[" * 900_000, b'{"a":' * 200_000, b'["' + b'\\"' * 500_000, b"[[" * 10 + b'"' * 1_000_000]
)
def test_brackets_and_quotes_without_end_are_told_quickly(raw: bytes) -> None:
    assert _found(raw)[0][1] in {"nesting.too_deep", "json.invalid"}


def test_brackets_inside_of_texts_are_no_nesting() -> None:
    assert isinstance(parse(_event(note='{["' * 50)), Event)


def test_a_number_of_5000_digits_is_told_with_its_place() -> None:
    raw = (
        _event()
        .replace(b'"SHP-0001", "export_date"', b'"SHP-0001", "export_date"')
        .replace(b'"2025-06-09"', b"1" * 5_000)
    )
    assert _found(raw) == [["/data/export_date", "number.too_long"]]


def test_a_rejection_lists_no_more_errors_than_can_be_sent() -> None:
    raw = _event(data={f"member{number}": 1 for number in range(20_000)})
    outcome = parse(raw)
    assert isinstance(outcome, Rejection)
    assert (outcome.errors[0].pointer, outcome.errors[0].code) == ("", "errors.more")
    assert sum(len(error.pointer) + len(error.message) for error in outcome.errors) < MAX_ERRORS_SIZE + 1_000
    left = int(outcome.errors[0].message.split()[0].replace(",", ""))
    assert left + len(outcome.errors) - 1 == 20_002


def test_a_member_name_too_long_for_a_pointer_is_told_at_its_object() -> None:
    assert _found(_event(data={"shipment_id": "S", "export_date": "2025-06-05", "x" * 500_000: 1})) == [
        ["/data", "member.unknown"]
    ]
    assert _found(_event(**{"x" * 257: [1]})) == [["", "extension.value"]]


def test_what_could_be_read_is_kept() -> None:
    outcome = parse(_event(data={}))
    assert isinstance(outcome, Rejection)
    assert (outcome.source, outcome.id, outcome.subject) == ("//wms.example", "evt-0003", "SHP-0001")
    assert outcome.time == "2025-06-09T16:40:00Z"
    outcome = parse(_event(id="", time="now", source="a b", subject=1))
    assert isinstance(outcome, Rejection)
    assert (outcome.source, outcome.id, outcome.time, outcome.subject) == (None, None, None, None)
    outcome = parse(_event()[:-1] + b', "id": "evt-9"}')
    assert isinstance(outcome, Rejection)
    assert (outcome.source, outcome.id) == ("//wms.example", None)


def test_messages_say_the_figures() -> None:
    requested = PLAIN.with_name("tpp.shipment.requested.v1.json").read_text("utf-8")
    outcome = parse(
        requested.replace('"quantity": 8', '"quantity": 900000000000')
        .replace('"ship_to": "IN"', '"ship_to": 5')
        .encode()
    )
    assert isinstance(outcome, Rejection)
    assert [error.message for error in outcome.errors] == [
        "900,000,000,000 × 15,824 = 14,241,600,000,000,000 TPP exceed 9,007,199,254,740,991",
        "must be a string, not an integer",
    ]


def test_every_rejection_fits_the_published_schema_of_errors() -> None:
    schema = Rejected.model_json_schema()
    fault = Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/Fault"})
    for case in CASES:
        outcome = parse(_bytes(case))
        assert isinstance(outcome, Rejection)
        for error in outcome.errors:
            fault.validate({"pointer": error.pointer, "code": error.code, "message": error.message})
