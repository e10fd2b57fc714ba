"""Binary mode of Kafka: headers and value become the bytes of the structured mode, or bytes that are rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire.binary import is_binary, structured
from schemas.wire.read import Event, Rejection, parse
from services.engine.engine import Engine
from services.engine.message import Message
from services.kafka.messages import record

VALUE = b'{"now":"2025-06-02T09:30:00Z"}'
HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"evt-1"),
    ("ce_source", b"//wms.example"),
    ("ce_type", b"tpp.clock.ticked.v1"),
    ("ce_subject", b"clock"),
    ("ce_time", b"2025-06-02T09:30:00Z"),
    ("content-type", b"application/json; charset=UTF-8"),
    ("ce_traceparent", b"00-1-2-3"),
]


def _with(name: str, *values: bytes | None) -> list[tuple[str, bytes | None]]:
    return [header for header in HEADERS if header[0] != name] + [(name, value) for value in values]


def _errors(headers, value=VALUE) -> list[tuple[str, str]]:
    read = parse(structured(headers, value))
    assert isinstance(read, Rejection)
    return [(error.pointer, error.code) for error in read.errors]


def test_a_whole_message_is_its_event() -> None:
    event = parse(structured(HEADERS, VALUE))
    assert isinstance(event, Event)
    assert (event.id, event.source, event.subject) == ("evt-1", "//wms.example", "clock")
    assert event.extensions == {"traceparent": "00-1-2-3"}


def test_the_order_of_headers_does_not_count() -> None:
    assert structured(HEADERS[::-1], VALUE) == structured(HEADERS, VALUE)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject", "time"])
def test_a_header_that_is_not_there_is_told_by_its_pointer(name) -> None:
    assert _errors(_with(f"ce_{name}")) == [(f"/{name}", "member.missing")]
    assert _errors(_with(f"ce_{name}", None)) == [(f"/{name}", "member.missing")]
    assert _errors(_with(f"ce_{name}", b"")) == [(f"/{name}", "text.empty")]


@pytest.mark.parametrize(
    ("name", "values", "error"),
    [
        ("ce_id", [b"evt-1", b"evt-2"], ("/id", "member.duplicate")),
        ("ce_id", [b"\xff"], ("/id", "text.invalid")),
        ("ce_time", [b"yesterday"], ("/time", "time.invalid")),
        ("ce_Upper", [b"x"], ("/Upper", "extension.name")),
        ("ce_data", [b"x"], ("/data", "member.duplicate")),
        ("content-type", [b"text/plain"], ("/datacontenttype", "datacontenttype.unsupported")),
        ("ce_datacontenttype", [b"text/plain"], ("/datacontenttype", "member.duplicate")),
        ("ce_datacontenttype", [b"text/plain"], ("/datacontenttype", "datacontenttype.unsupported")),
    ],
)
def test_what_is_wrong_is_told_by_its_pointer(name, values, error) -> None:
    assert error in _errors(_with(name, *values))


def test_the_content_type_decides_the_mode() -> None:
    whole = structured(HEADERS, VALUE)
    for kind in (b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=utf-8"):
        assert structured([*HEADERS[:6], ("content-type", kind)], whole) == whole
    assert structured((), whole) == whole
    assert not is_binary([("other", b"x")])
    assert is_binary([("Content-Type", b"application/json")])


@pytest.mark.parametrize("value", [b'{"now":1},"id":"other"', b'1,"id":"other"', b"}", b"\xff", b"{", b"[1] 2"])
def test_a_value_cannot_pass_for_an_attribute(value) -> None:
    assert structured(HEADERS, value) == value
    assert isinstance(parse(value), Rejection)


def test_a_value_with_a_doubled_member_is_rejected_at_its_place() -> None:
    assert _errors(HEADERS, b'{"now":"2025-06-02T09:30:00Z","now":"2025-06-02T09:30:00Z"}') == [
        ("/data/now", "member.duplicate")
    ]


def test_a_tombstone_has_no_data() -> None:
    for value in (None, b""):
        assert _errors(HEADERS, value) == [("/data", "member.missing")]


class _Kafka:
    topic, partition, offset = "tpp.facts", 0, 7

    def __init__(self, headers, value) -> None:
        self.headers, self.value = headers, value


def test_a_rejection_tells_of_the_value() -> None:
    made = record(_Kafka(_with("ce_source"), VALUE))
    assert (made.received, made.position) == (VALUE, {"topic": "tpp.facts", "partition": 0, "offset": 7})
    assert record(_Kafka(HEADERS, None)).received == b""
    assert record(_Kafka((), VALUE)) == Message(VALUE, made.position)
    assert record(_Kafka(None, None)).received == b""
    (one,) = Engine.read([made])
    (other,) = Engine.read([record(_Kafka(_with("ce_source"), VALUE + b" "))])
    assert one.rejection != other.rejection


_NAMES = st.sampled_from(
    ["content-type", "ce_id", "ce_source", "ce_type", "ce_time", "ce_x", "ce_", "ce_data", "other"]
)
_VALUES = st.none() | st.binary(max_size=30) | st.sampled_from([b"application/json", b"application/cloudevents+json"])


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=8), st.none() | st.binary(max_size=60) | st.just(VALUE))
def test_no_message_raises(headers, value) -> None:
    made = structured(headers, value)
    assert made == structured(list(headers), value)
    assert isinstance(parse(made), Rejection)
