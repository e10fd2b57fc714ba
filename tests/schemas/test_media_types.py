"""Media types are read one way in `datacontenttype`, `content-type` and `ce_datacontenttype`."""

import orjson
import pytest
from events import event

from schemas.wire.binary import is_binary, structured
from schemas.wire.read import Event, parse

JSON = (
    "application/json", "Application/JSON", "application/json;charset=utf-8", "application/json; charset=UTF-8",
    'application/json; charset="utf-8"', 'application/json ; profile="a;b=\\"c"; Charset = utf-8', "application/json;",
    " application/json ", "application/json\t;charset=us-ascii",
)  # fmt: skip
OTHER = (
    "application/xml",
    "json",
    "application/json; charset=latin-1",
    "application/jsonx",
    "",
    "application/json charset",
)


def ways(media: str) -> list[bytes]:
    plain = orjson.loads(event("clock.ticked", {"now": "2025-06-02T09:30:00Z"}, id="t", time="2025-06-02T09:30:00Z"))
    plain.pop("datacontenttype", None)
    data = orjson.dumps(plain.pop("data"))
    headers = [(f"ce_{name}", text.encode()) for name, text in plain.items()]
    return [
        orjson.dumps(plain | {"datacontenttype": media, "data": orjson.loads(data)}),
        structured([*headers, ("content-type", media.encode())], data),
        structured([*headers, ("ce_datacontenttype", media.encode())], data),
        structured([*headers, ("content-type", b"application/json"), ("ce_datacontenttype", media.encode())], data),
    ]


@pytest.mark.parametrize("media", JSON)
def test_json_however_it_is_written(media: str) -> None:
    assert [type(parse(raw)) for raw in ways(media)] == [Event] * 4


@pytest.mark.parametrize("media", OTHER)
def test_what_is_not_json_in_utf_8_is_rejected(media: str) -> None:
    assert Event not in [type(parse(raw)) for raw in ways(media)]


def test_structured_mode_however_it_is_written() -> None:
    for media in (b"application/cloudevents+json", b'Application/CloudEvents+JSON; charset="UTF-8"'):
        assert not is_binary([("Content-Type", media)])
