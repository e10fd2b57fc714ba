"""Bodies of requests as messages: the cutter beside `json.loads`, binary mode, and what spoils only itself."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.binary import structured
from schemas.wire.read import Event, Rejection, parse
from services.engine.message import ReadMessage
from services.web.bodies import Body, Headers, Mode, Uncut, elements, mode_of
from services.web.problems import Problem

EVENT = {
    "specversion": "1.0", "id": "evt-1", "source": "//erp.example", "type": "tpp.shipment.cancelled.v1",
    "subject": "SHP-1", "time": "2025-06-02T09:30:00Z", "data": {"shipment_id": "SHP-1", "reason": "ordered twice"},
}  # fmt: skip
DATA = json.dumps(EVENT["data"]).encode()
MEBIBYTE = 1_048_576


def read(content: bytes, mode: Mode, headers: Headers = (), request: str = "req-1") -> list[ReadMessage]:
    return Body(content, mode, headers, request).read()


def one(content: bytes, mode: Mode = Mode.BATCH, headers: Headers = ()) -> Rejection:
    """The rejection of a body that is one."""
    (message,) = read(content, mode, headers)
    assert isinstance(message.event, Rejection)
    assert message.message.position == {"request": "req-1", "index": 0}
    return message.event


def codes(rejection: Event | Rejection) -> list[str]:
    assert isinstance(rejection, Rejection)
    return [error.code for error in rejection.errors]


# --- the cutter -------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters() | st.sampled_from('"\\[{,')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)  # fmt: skip
LAYOUTS: list[dict[str, Any]] = [
    {}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False, "separators": (" ,\r\n\t", " : ")},
]  # fmt: skip


@given(st.lists(VALUES, max_size=6), st.sampled_from(LAYOUTS), st.sampled_from([b"", b" ", b"\r\n\t"]))
def test_the_elements_are_those_of_the_array(values: list[Any], layout: dict[str, Any], blanks: bytes) -> None:
    body = blanks + json.dumps(values, **layout).encode("utf-8", "surrogatepass") + blanks
    cut = list(elements(body))
    assert repr([json.loads(element.decode("utf-8", "surrogatepass")) for element in cut]) == repr(values)
    assert [element.strip(b" \t\r\n") for element in cut] == cut


@given(st.binary(max_size=40) | st.text(alphabet='[]{},":1 \\a', max_size=24).map(str.encode))
def test_no_array_is_cut_otherwise_than_json_reads_it(noise: bytes) -> None:
    """What is JSON is cut into its elements, what is an array and cannot be cut is no JSON; and it never raises else."""
    body = b"[" + noise + b"]"
    try:
        cut: list[bytes] | None = list(elements(body))
    except Uncut:
        cut = None
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        return
    assert cut is not None
    assert [json.loads(element.decode()) for element in cut] == value or "NaN" in repr(value)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{}", b"[", b"]", b"[1,]", b"[,]", b"[,1]", b"[1,,2]", b"[1] 2", b"[1]]", b"[[1]", b'["', b'["\\"]',
        b"[{]}]", b"[(]", b"[}", b"[1}", b"[1,", b"[1", b"[]x", b"[][]", b'[{"a":[1},{}]', b"\xef\xbb\xbf[]", b"[\x00", b"NaN",
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_cut_is_one_rejection(body: bytes) -> None:
    if body == b"[(]":
        return_value = read(body, Mode.BATCH)
        assert codes(return_value[0].event) == ["json.invalid"]
        return
    with pytest.raises(Uncut):
        list(elements(body))
    rejection = one(body)
    assert rejection.raw == body.strip(b" \t\r\n")
    assert len(rejection.errors) == 1


def test_what_is_wrong_with_a_batch_is_said_in_its_words() -> None:
    assert codes(one(b" ")) == ["message.empty"]
    assert codes(one(b"\xef\xbb\xbf[]")) == ["encoding.bom"]
    assert codes(one(json.dumps(EVENT).encode())) == ["type.wrong"]
    assert codes(one(b'[{"a": 1},]')) == ["json.invalid"]
    assert codes(one(b'[\xff "')) == ["encoding.invalid"]
    (error,) = one(b"[" + b" " * MEBIBYTE + b"\n{}, ]").errors
    assert error.message == "the batch is not JSON: an event is missing, at byte 1,048,583 (line 2)"


def test_an_empty_array_has_no_events() -> None:
    assert read(b" [ \r\n] ", Mode.BATCH) == []


def test_an_element_is_cut_out_as_it_stands_and_spoils_only_itself() -> None:
    good = json.dumps(EVENT, indent=1).encode()
    body = b"[\r\n" + good + b' ,{"a":NaN},\t\xff\xfe , [ ] ,' + good.replace(b"evt-1", b"evt-2") + b"\n]\n"
    found = read(body, Mode.BATCH)
    assert [message.message.raw for message in found][:4] == [good, b'{"a":NaN}', b"\xff\xfe", b"[ ]"]
    assert [isinstance(message.event, Event) for message in found] == [True, False, False, False, True]
    assert [codes(message.event)[0] for message in found[1:4]] == [
        "number.not_finite",
        "encoding.invalid",
        "type.wrong",
    ]
    assert [message.message.position["index"] for message in found] == [0, 1, 2, 3, 4]


def test_an_element_that_is_too_large_is_a_rejection_of_its_own() -> None:
    large = b'{"note":"' + b"x" * MEBIBYTE + b'"}'
    good = json.dumps(EVENT).encode()
    first, second = read(b"[" + large + b"," + good + b"]", Mode.BATCH)
    assert codes(first.event) == ["message.too_large"]
    assert first.message.size == len(large) > MEBIBYTE
    assert isinstance(second.event, Event)
    for mode in (Mode.ONE, Mode.BINARY):
        (only,) = read(b" " + large, mode)
        assert codes(only.event) == ["message.too_large"]
        assert (only.message.size, only.rejection) == (len(large), first.rejection)


def test_a_batch_has_at_most_a_thousand_events() -> None:
    assert len(read(b"[" + b",".join([b"1"] * 1000) + b"]", Mode.BATCH)) == 1000
    with pytest.raises(Problem) as refused:
        read(b"[" + b",".join([b"1"] * 1001) + b"]", Mode.BATCH)
    assert refused.value.kind.status == 413


@pytest.mark.parametrize(
    "body",
    [b"[" * 2**23, b'"' * 2**23, b"[" + b'"' * (2**23 - 1), b"[" + b'\\"' * 2**22, b'["' + b"\\" * (2**23 - 2), b"," * 2**23,
     b"[" + b" " * (2**23 - 1), b"[" + b"{}" * (2**22 - 1), b"[" + b"[" * 2**22 + b"]" * 2**22, b"[" + b"[[]]" * (2**21 - 1)],
    ids=["brackets", "quotes", "texts", "escaped-quotes", "backslashes", "commas", "blanks", "pairs", "deep", "nested"],
)  # fmt: skip
def test_eight_mebibytes_of_anything_are_one_rejection(body: bytes) -> None:
    (found,) = read(body, Mode.BATCH)
    assert isinstance(found.event, Rejection)
    assert found.message.size == len(body.strip())
    assert len(found.message.raw) <= 256 * 1024


# --- one event, and binary mode ---------------------------------------------------------------------------------------


def test_one_event_is_read_without_the_blanks_around_it() -> None:
    text = json.dumps(EVENT).encode()
    (found,) = read(b"\r\n " + text + b"\t", Mode.ONE, [(b"ce-id", b"another")])
    assert found.event == parse(text)
    assert codes(one(b"[" + text + b"]", Mode.ONE)) == ["type.wrong"]
    assert codes(one(b"{", Mode.ONE)) == ["json.invalid"]
    assert codes(one(b"", Mode.ONE)) == ["message.empty"]


def binary(**attributes: str) -> Headers:
    return [(f"ce-{name}".encode(), value.encode()) for name, value in attributes.items()]


PLAIN = {name: value for name, value in EVENT.items() if isinstance(value, str)}


def test_binary_mode_is_the_event_that_kafka_makes_of_the_same_headers() -> None:
    (found,) = read(b" " + DATA + b"\n", Mode.BINARY, binary(**PLAIN))
    assert isinstance(found.event, Event)
    headers = [
        ("content-type", b"application/json"),
        *((f"ce_{name}", value.encode()) for name, value in PLAIN.items()),
    ]
    assert found.message.raw == structured(headers, DATA)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("SHP%2D1", "SHP-1"), ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € \U0001f600"), ('"SHP 1"', "SHP 1"),
        (r'"a\"b\\c"', r"a\"b\c".replace(r"\"", '"')), ("%22x%22", '"x"'), ("100%", "100%"), ("%2541", "%41"), ("%zz", "%zz"),
    ],
)  # fmt: skip
def test_headers_are_unquoted_and_then_percent_decoded_once(sent: str, meant: str) -> None:
    (found,) = read(DATA, Mode.BINARY, binary(**{**PLAIN, "subject": sent}))
    assert isinstance(found.event, Event)
    assert found.event.subject == meant


def test_binary_mode_rejects_what_is_missing_doubled_or_no_text() -> None:
    data = DATA
    missing = one(data, Mode.BINARY)
    assert [(error.pointer, error.code) for error in missing.errors] == [
        (f"/{name}", "member.missing") for name in ("id", "source", "specversion", "subject", "time", "type")
    ]
    doubled = one(data, Mode.BINARY, [*binary(**PLAIN), (b"ce-id", b"evt-2")])
    assert ("/id", "member.duplicate") in [(error.pointer, error.code) for error in doubled.errors]
    assert codes(one(data, Mode.BINARY, binary(**{**PLAIN, "subject": "%FF"}))) == ["text.invalid"]
    assert codes(one(b"", Mode.BINARY, binary(**PLAIN))) == ["member.missing"]
    assert codes(one(b"{", Mode.BINARY, binary(**PLAIN))) == ["json.invalid"]
    inner = one(data + b',"id":"evt-9"', Mode.BINARY, binary(**PLAIN))
    assert codes(inner) == ["json.invalid"]


def test_the_original_of_binary_mode_is_the_body_and_its_headers_tell_rejections_apart() -> None:
    data = b'{"shipment_id": ""}'
    first, again, other = (
        read(data, Mode.BINARY, binary(**{**PLAIN, "id": name}))[0] for name in ("evt-1", "evt-1", "evt-2")
    )
    assert first.message.received == data
    assert first.rejection == again.rejection != other.rejection
    assert read(data, Mode.BINARY, binary(**PLAIN), "req-2")[0].rejection != first.rejection


# --- content types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("application/cloudevents+json", Mode.ONE), ("Application/CloudEvents+JSON ; CharSet=UTF-8", Mode.ONE),
        ('application/cloudevents-batch+json; charset="utf-8"; x=y', Mode.BATCH), ("application/json", Mode.BINARY),
        ("application/json;charset=Utf-8", Mode.BINARY),
    ],
)  # fmt: skip
def test_three_content_types_are_read(value: str, mode: Mode) -> None:
    assert mode_of([(b"content-type", value.encode())]) is mode


@pytest.mark.parametrize(
    "headers",
    [
        [], [("content-type", "")], [("content-type", "text/plain")], [("content-type", "application/cloudevents")],
        [("content-type", "application/json; charset=latin-1")], [("content-type", 'application/json; charset="utf-16"')],
        [("content-type", "application/json; charset=us-ascii")], [("content-type", "application/json; charset=latin-1; charset=utf-8")],
        [("content-type", "application/json, text/plain")], [("content-type", "application/json")] * 2,
        [("content-type", "application/json"), ("content-encoding", "identity")],
        [("content-type", "application/cloudevents+json"), ("content-encoding", "")],
        [("content-type", "application/cloudevents+json"), ("content-encoding", "gzip")],
    ],
)  # fmt: skip
def test_no_other_is(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as refused:
        mode_of([(name.encode(), value.encode()) for name, value in headers])
    assert refused.value.kind.status == 415


def test_a_rejection_says_where_the_event_stood() -> None:
    """As the answer is written: the position, and the original as base64."""
    from services.engine.answers import rejection_text

    (first, second) = read(b"[1 , x\xff]", Mode.BATCH, request="r~1")
    assert isinstance(second.event, Rejection)
    answer = json.loads(rejection_text(second.rejection, second.event, second.message, 7))
    assert answer["subject"] == "r~1/1"
    assert answer["data"]["position"] == {"request": "r~1", "index": 1}
    assert base64.b64decode(answer["data"]["original"]) == b"x\xff"
    assert first.rejection != second.rejection
