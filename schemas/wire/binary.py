"""CloudEvents in Kafka's binary mode to the structured bytes that `parse` reads (Kafka protocol binding, section 3)."""

import json
from collections.abc import Iterable, Iterator

from schemas.wire import strict_json as strict
from schemas.wire.media_types import is_json, media_type

Headers = Iterable[tuple[str, bytes | None]]

STRUCTURED = "application/cloudevents"
"""How the content type of a message in structured mode begins; any other content type means binary mode."""

_USUAL = b"application/cloudevents+json"
_PREFIX = "ce_"
_FIRST = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")


def is_binary(headers: Headers) -> bool:
    """Whether the headers say binary mode: a content type other than a CloudEvents one, else any `ce_` header.

    >>> is_binary([("content-type", b"application/cloudevents+json; charset=UTF-8")]), is_binary([])
    (False, False)
    >>> is_binary([("ce_id", b"evt-1")]), is_binary([("content-type", b"application/json")])
    (True, True)
    """
    headers = list(headers)
    for name, value in headers:
        if name.lower() == "content-type":
            if value == _USUAL:
                return False
            media = media_type(_text(value or b""))
            return media is None or not media[0].startswith(STRUCTURED)
    return any(name.lower().startswith(_PREFIX) for name, _ in headers)


def structured(headers: Headers, value: bytes | None) -> bytes:
    """A message's bytes in structured mode: those of its value, or its `ce_` headers and its value as one JSON object.

    The same message gives the same bytes. Never raises: for wrong, repeated or missing headers, the bytes are such that
    `parse` rejects them with the header's pointer; a value that is not JSON is returned unchanged. A tombstone has no
    data.

    >>> structured([("ce_id", b"evt-1"), ("content-type", b"application/json")], b'{"now": 1}')
    b'{"id":"evt-1","datacontenttype":"application/json","data":{"now": 1}}'
    """
    headers = list(headers)
    if not is_binary(headers):
        return value or b""
    if value and not _is_json(value):
        return value
    members = [
        f"{json.dumps(name)}:{json.dumps(text)}".encode() for name, text in sorted(_attributes(headers), key=_order)
    ]
    if value:
        members.append(b'"data":' + value.strip())
    return b"{" + b",".join(members) + b"}"


def _attributes(headers: Headers) -> Iterator[tuple[str, str | None]]:
    """The attributes in the headers, including repeated ones; None for a header without a value."""
    media, declared = None, []
    for name, value in headers:
        text = None if value is None else _text(value)
        if name.lower() == "content-type" and media is None and text is not None:
            media = "application/json" if is_json(text) else text
        elif name.lower().startswith(_PREFIX):
            attribute = name[len(_PREFIX) :]
            if attribute == "datacontenttype":
                declared.append("application/json" if text is not None and is_json(text) else text)
            else:
                yield attribute, text
    if media is not None:
        yield "datacontenttype", media
    yield from (("datacontenttype", text) for text in declared if text != media)


def _order(attribute: tuple[str, str | None]) -> tuple[int, str, str]:
    name, text = attribute
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST)), name, text or ""


def _text(value: bytes) -> str:
    """A header's value; a byte that is not UTF-8 becomes a lone surrogate, which `parse` reports at its attribute."""
    return value.decode("utf-8", "surrogateescape")


def _is_json(value: bytes) -> bool:
    """Whether it is one JSON value, so that nothing in it can be mistaken for another attribute of the event."""
    return len(value) <= strict.MAX_BYTES and strict.read(value)[0] is not strict.UNREAD
