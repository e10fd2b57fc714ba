"""The body of a request as messages: one event, a batch, or binary mode (docs/contract/http.md, Events)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

from schemas.wire import strict_json as strict
from schemas.wire.binary import structured
from schemas.wire.errors import Error, kind
from schemas.wire.media_types import media_type, parameters
from schemas.wire.read import Rejection, rejection_hash, rejection_id
from services.engine.answers import ORIGINAL_MOST
from services.engine.message import Message, ReadMessage, Whole, read_message
from services.web.problems import Kind, Problem

BODY_MOST = 8 * 1024 * 1024
"""The most bytes of a body."""

BATCH_MOST = 1_000
"""The most events of a batch."""

Headers = Iterable[tuple[bytes, bytes]]
"""The headers of a request, their names in lower case."""

_BLANK = b" \t\r\n"
_PREFIX = b"ce-"
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb'(?:[^][{}"]++|' + _STRING + rb")*+"
_TOKENS = re.compile(
    rb'(?:[^][{},"]++|' + _STRING + rb"|\[" + _FLAT + rb"\]|\{" + _FLAT + rb'\})++|([\[{]++)|([\]}]++)|(,)|(")',
    re.DOTALL,
)
"""What is passed over: blanks, texts, numbers, and lists and objects with no others inside; else brackets and commas.

A quote by itself is that of a text without an end. Runs are one token, so that no body takes many for its size.
"""
_OPENING, _CLOSING, _COMMA = 1, 2, 3
_CLOSES = bytes.maketrans(b"[{", b"]}")


class Mode(Enum):
    """How a body carries events, by its content type."""

    ONE = "application/cloudevents+json"
    BATCH = "application/cloudevents-batch+json"
    BINARY = "application/json"


class Uncut(Exception):
    """A body that cannot be cut into the elements of an array: why, and at which byte, from 0."""

    def __init__(self, why: str, at: int) -> None:
        super().__init__(why)
        self.why, self.at = why, at


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request: its bytes, how it carries events, the headers, and the request's id."""

    content: bytes
    mode: Mode
    headers: Headers
    request_id: str

    def read(self) -> list[ReadMessage]:
        """The events of the body, in order, each read or rejected; raises Problem if a batch has too many."""
        if self.mode is Mode.BATCH:
            return self._batch()
        content = self.content.strip(_BLANK)
        if self.mode is Mode.ONE or len(content) > strict.MAX_BYTES:
            return [read_message(self._message(content, 0))]
        return [read_message(Message(structured(_attributes(self.headers), content), self._position(0), content))]

    def _batch(self) -> list[ReadMessage]:
        cut: list[bytes] = []
        try:
            for element in elements(self.content):
                if len(cut) == BATCH_MOST:
                    raise Problem(Kind.BODY_TOO_LARGE, f"A batch has at most {BATCH_MOST:,} events.")
                cut.append(element)
        except Uncut as error:
            content = self.content.strip(_BLANK)
            return [_rejected(self._message(content, 0), _error(content, self.content, error))]
        return [read_message(self._message(element, index)) for index, element in enumerate(cut)]

    def _message(self, content: bytes, index: int) -> Message:
        return message_of(content, self._position(index))

    def _position(self, index: int) -> dict[str, Any]:
        return {"request": self.request_id, "index": index}


def message_of(content: bytes, position: dict[str, Any]) -> Message:
    """The message of one event; of one that is too large, as of such a line of a file, only the beginning."""
    if len(content) <= strict.MAX_BYTES:
        return Message(content, position)
    hashed = rejection_hash(position)
    hashed.update(content)
    whole = Whole(len(content), sha256(content).hexdigest(), hashed.hexdigest())
    return Message(content[:ORIGINAL_MOST], position, whole=whole)


def mode_of(headers: Headers) -> Mode:
    """How the body of a request with these headers carries events; raises Problem if it is none of the three ways."""
    if any(name == b"content-encoding" for name, _ in headers):
        raise Problem(Kind.MEDIA_TYPE_UNSUPPORTED, "A body with a Content-Encoding is not read; send it as it is.")
    named = [value.decode("latin-1") for name, value in headers if name == b"content-type"]
    if len(named) != 1:
        how = "has no Content-Type" if not named else "has several Content-Type headers"
        raise Problem(Kind.MEDIA_TYPE_UNSUPPORTED, f"The request {how}; send {_choices()}.")
    found = media_type(named[0])
    chosen = next((mode for mode in Mode if found and mode.value == found[0]), None)
    if chosen is None:
        raise Problem(Kind.MEDIA_TYPE_UNSUPPORTED, f"The content type {named[0]} is not read; send {_choices()}.")
    others = [value for name, value in parameters(named[0]) if name == "charset" and value.lower() != "utf-8"]
    if others:
        raise Problem(Kind.MEDIA_TYPE_UNSUPPORTED, f"The charset {others[0]} is not read; send UTF-8.")
    return chosen


def _choices() -> str:
    *most, last = (mode.value for mode in Mode)
    return f"{', '.join(most)} or {last}"


def elements(body: bytes) -> Iterator[bytes]:
    """The elements of a JSON array as they stand, without blanks around them; each may itself be no JSON.

    Only strings, brackets and commas are looked at. Raises Uncut where they do not make an array.
    """
    at = _past_blanks(body, 0)
    if body[at : at + 1] != b"[":
        raise Uncut("a batch must begin with [", at)
    start = at + 1
    opened = bytearray()
    for token in _TOKENS.finditer(body, start):
        which = token.lastindex
        if which == _OPENING:
            opened += token[0]
        elif which == _COMMA:
            if not opened:
                yield _element(body, start, token.start())
                start = token.end()
        elif which == _CLOSING:
            end = _closed(token, opened)
            if end is not None:
                break
        elif which is not None:
            raise Uncut("a text has no end", token.start())
    else:
        raise Uncut("the batch is not closed by ]", len(body))
    if body[start:end].strip(_BLANK) or start > at + 1:
        yield _element(body, start, end)
    rest = _past_blanks(body, end + 1)
    if rest < len(body):
        raise Uncut("something follows the end of the batch", rest)


def _element(body: bytes, start: int, end: int) -> bytes:
    element = body[start:end].strip(_BLANK)
    if not element:
        raise Uncut("an event is missing", end)
    return element


def _closed(token: re.Match[bytes], opened: bytearray) -> int | None:
    """Closes brackets; returns where the array itself is closed, if it is."""
    closing, at = token[0], token.start()
    inner = closing[: len(opened)]
    if inner:
        if opened[-len(inner) :].translate(_CLOSES)[::-1] != inner:
            raise Uncut("a bracket is closed by one of the other kind", at)
        del opened[-len(inner) :]
    if len(inner) == len(closing):
        return None
    at += len(inner)
    if closing[len(inner)] != _CLOSES[ord("[")]:
        raise Uncut("a bracket is closed that was not opened", at)
    return at


def _past_blanks(body: bytes, at: int) -> int:
    while body[at : at + 1] and body[at] in _BLANK:
        at += 1
    return at


def _error(content: bytes, body: bytes, uncut: Uncut) -> Error:
    """The error of a body that is not an array."""
    if len(content) <= strict.MAX_BYTES:
        value, errors = strict.read(content)
        if value is not strict.UNREAD:
            return Error("", "type.wrong", f"must be a list of events, not {kind(value)}")
        if errors:
            return errors[0]
    where = f"byte {uncut.at + 1:,} (line {body[: uncut.at].count(10) + 1:,})"
    return Error("", "json.invalid", f"the batch is not JSON: {uncut.why}, at {where}")


def _rejected(message: Message, error: Error) -> ReadMessage:
    rejection = Rejection(message.raw, (error,), None, None, None, None)
    whole = message.whole
    return ReadMessage(message, rejection, whole.rejection if whole else rejection_id(message.position, message.raw))


def _attributes(headers: Headers) -> Iterator[tuple[str, bytes]]:
    """The attributes of binary mode as the headers of a message of Kafka."""
    yield "content-type", Mode.BINARY.value.encode()
    for name, value in headers:
        if name.startswith(_PREFIX):
            yield f"ce_{name.removeprefix(_PREFIX).decode('latin-1')}", _decoded(value)


def _decoded(value: bytes) -> bytes:
    """A header's value as CloudEvents says (HTTP protocol binding, 3.1.3.2): unquoted, then percent-decoded once."""
    quoted = _QUOTED.fullmatch(value)
    return unquote_to_bytes(re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL) if quoted else value)
