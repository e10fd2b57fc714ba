"""What an event keeps, when two agree, and how a rejection is numbered."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from schema_samples import EXAMPLES

from schemas.models.facts import ClockTicked
from schemas.models.incoming import Party, Requested
from schemas.wire import strict_json as strict
from schemas.wire.read import Event, Rejection, parse, rejection_id, same_content

REQUEST = json.loads(EXAMPLES["tpp.shipment.requested.v1"])
TICK = json.loads(EXAMPLES["tpp.clock.ticked.v1"])


def _read(event: dict[str, Any], *, careful: bool = False) -> Event:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    raw = (text.replace("/", "\\/") if careful else text).encode()
    assert (strict.quick(raw) is strict.UNREAD) is careful
    outcome = parse(raw)
    assert isinstance(outcome, Event), outcome
    assert outcome.raw == raw
    return outcome


@pytest.mark.parametrize("careful", [False, True], ids=["read quickly", "read carefully"])
def test_an_event_keeps_its_attributes_and_extensions(careful: bool) -> None:
    extensions = {"traceparent": "00-4bf9-00f0-01", "tracestate": "", "priority": -(2**31), "urgent": True}
    event = _read(REQUEST | extensions | {"dataschema": "urn:tpp:x"}, careful=careful)
    assert (event.id, event.source, event.type, event.subject) == (
        "evt-0001",
        "//wms.example",
        "tpp.shipment.requested.v1",
        "SHP-0001",
    )
    assert event.extensions == extensions
    assert event.extensions["urgent"] is True
    assert isinstance(event.data, Requested)
    assert event.data.export_date == date(2025, 6, 5)
    assert event.data.items[0].performance_density == Decimal("19.4")
    assert str(event.data.items[0].performance_density) == "19.4"
    assert event.data.exporter.owner == "EXP-1"
    assert event.data.ultimate_consignee.owner == "CON-70"


@pytest.mark.parametrize(
    ("written", "happened"),
    [
        ("2025-06-02T09:30:00Z", datetime(2025, 6, 2, 9, 30, tzinfo=UTC)),
        ("2025-06-02t09:30:00.5z", datetime(2025, 6, 2, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("2025-06-02T01:30:00.123456789-08:00", datetime(2025, 6, 2, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("2025-06-02T09:30:00-00:00", datetime(2025, 6, 2, 9, 30, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T05:29:60.25+05:30", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_time_is_kept_as_written_and_in_utc(written: str, happened: datetime) -> None:
    event = _read(REQUEST | {"time": written})
    assert (event.time, event.happened, event.happened.tzinfo) == (written, happened, UTC)


def test_a_tick_is_of_its_day_in_utc() -> None:
    event = _read(TICK | {"data": {"now": "2025-07-01T23:30:00-02:00"}})
    assert isinstance(event.data, ClockTicked)
    assert event.data.day == date(2025, 7, 2)


def test_an_attribute_that_is_null_is_not_set() -> None:
    event = _read(REQUEST | {"datacontenttype": None, "dataschema": None, "note": None}, careful=True)
    assert event.extensions == {}


@pytest.mark.parametrize(
    "source",
    [
        "//wms.example",
        "wms",
        "urn:uuid:6e8bc430",
        "https://a.b:80/c?d=e#f",
        "mailto:a@b.c",
        "//[::1]/x",
        "/a/b",
        "?q",
        "#f",
        "./a:b",
        "a%20b",
        "//u:p@h",
    ],
)
def test_uri_references_are_sources(source: str) -> None:
    assert _read(REQUEST | {"source": source}).source == source


@pytest.mark.parametrize(
    "source",
    ["a b", "a:b c", "%", "%2", "a:b[", "//h:port", ":a", "1:a", "a\\b", "<a>", "ä", "#a#b", "//[x", "x" * 2_049],
)
def test_other_texts_are_no_sources(source: str) -> None:
    assert isinstance(parse(json.dumps(REQUEST | {"source": source}).encode()), Rejection)


def test_an_id_may_have_128_characters_of_any_script() -> None:
    assert _read(REQUEST | {"id": "é" * 128}).id == "é" * 128


def test_one_party_or_a_list_of_parties() -> None:
    party = REQUEST["data"]["exporter"]
    one = _read(REQUEST | {"data": REQUEST["data"] | {"end_user": party}}).data
    two = _read(REQUEST | {"data": REQUEST["data"] | {"end_user": [party, party]}}).data
    assert isinstance(one, Requested)
    assert isinstance(two, Requested)
    assert one.end_user == (Party.model_validate(party),)
    assert two.end_user == (Party.model_validate(party),) * 2


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("19.4", "19.4"),
        ("19.40", "19.40"),
        ("19", "19"),
        ("1e2", "1E+2"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("0", "0"),
        ("-0.0", "-0.0"),
    ],
)
def test_decimals_are_read_as_written(written: str, kept: str) -> None:
    event = parse(json.dumps(REQUEST, separators=(",", ":")).replace("19.4", written).encode())
    assert isinstance(event, Event)
    assert isinstance(event.data, Requested)
    assert str(event.data.items[0].performance_density) == kept


def test_a_number_of_dollars_or_its_text() -> None:
    for value in (1499.5, "1499.50", 1499, "1.4995e3"):
        item = REQUEST["data"]["items"][0] | {"value_usd": value, "training_operations": "1e26"}
        event = _read(REQUEST | {"data": REQUEST["data"] | {"items": [item]}})
        assert isinstance(event.data, Requested)
        assert event.data.items[0].value_usd == Decimal(str(value))
        assert event.data.items[0].training_operations == Decimal("1e26")


def _raw(**changes: Any) -> bytes:
    return json.dumps(REQUEST | changes).encode()


def test_the_same_content_in_another_layout() -> None:
    data = dict(reversed(REQUEST["data"].items()))
    assert same_content(_raw(), json.dumps(dict(reversed((REQUEST | {"data": data}).items())), indent=3).encode())
    assert same_content(_raw(), _raw(traceparent="00-1", priority=7, datacontenttype=None))
    assert same_content(_raw(), _raw().replace(b"19.4", b"19.40"))
    assert same_content(_raw(), _raw().replace(b"19.4", b"1.94e1"))
    assert same_content(_raw(), _raw().replace(b"IN", b"\\u0049N"))
    later = _raw().replace(b"09:30:00Z", b"09:31:00Z")
    assert same_content(_raw(), later, timed=False)
    assert not same_content(_raw(), later.replace(b"19.4", b"19.41"), timed=False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"line": 1', b'"line": true'),
        (b'"line": 1', b'"line": "1"'),
        (b"19.4", b"19.41"),
        (b"19.4", b'"19.4"'),
        (b'"datacenter": true', b'"datacenter": 1'),
        (b'"subject": "SHP-0001"', b'"subject": "SHP-0002"'),
        (b"09:30:00Z", b"09:30:00+00:00"),
        (b"requested.v1", b"amended.v1"),
        (b', "datacenter": true', b""),
        (b'"end_use"', b'"end_used"'),
        (b'"certifications": [', b'"certifications": [{}, '),
    ],
)
def test_other_content(old: bytes, new: bytes) -> None:
    assert old in _raw()
    assert not same_content(_raw(), _raw().replace(old, new, 1))
    assert not same_content(_raw().replace(old, new, 1), _raw())


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[1]", b"{", b"1" * 5_000, b"[" * 5_000, b"null"])
def test_what_is_no_event_agrees_with_itself_only(raw: bytes) -> None:
    assert same_content(raw, raw)
    assert not same_content(raw, _raw())
    assert not same_content(_raw(), raw)


def test_a_rejection_is_numbered_by_its_place_and_its_bytes() -> None:
    here = {"file": "in.jsonl", "line": 3}
    numbers = {
        rejection_id(here, b"x"),
        rejection_id({"line": 3, "file": "in.jsonl"}, b"x"),
        rejection_id(here | {"line": 4}, b"x"),
        rejection_id(here, b"y"),
        rejection_id({"topic": "tpp.shipments", "partition": 0, "offset": 12}, b"x"),
        rejection_id({"request": "r-1"}, b""),
    }
    assert len(numbers) == 5
    assert all(len(number) == 64 and int(number, 16) >= 0 for number in numbers)
    assert rejection_id(here, b"x") == "e24caa59ec05738356ec7cd48735ba0ea899808a155020bafda8760e034ae61a"
