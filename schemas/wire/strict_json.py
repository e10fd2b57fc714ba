"""Bytes to a JSON value, read strictly: nothing is dropped, rounded or guessed at (docs/contract/envelope.md)."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from schemas.wire.errors import MAX_NAME, Error, clean, pointer_to, shown

MAX_BYTES = 1_048_576
MAX_DEPTH = 32


class Unread:
    """Stands for the value of a message that is not JSON."""


UNREAD: Final = Unread()
_TOKEN = re.compile(rb'[][{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]").search
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_NOT_PLAIN = re.compile(rb"\\u(?:00[0-7]|[dD][89a-fA-F])")
"""An escape of an ASCII character or of a surrogate."""
_BLANKS = b" \t\r\n"


class _AgainError(ValueError):
    """The quick reading found something that must be reported with its place."""


class _Pairs(list[tuple[str, Any]]):
    """The members of an object as written, including repeated ones."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Stands for a number that cannot be kept."""

    code: str
    message: str


def quick(raw: bytes) -> Any:
    """The JSON value of a message, if writing the value gives the same text again, blanks apart, else UNREAD.

    Then reading has lost nothing: a repeated member would be missing in what was written, and a float is the text as
    written (its `repr`), so that no number was rounded. Blanks are taken out of both, inside texts too: texts are kept
    exactly, and no two tokens of JSON become one without them. Nulls, and escapes that this program would not write but
    for those of letters beyond ASCII, as `json.dumps` writes them, are left to `read`, which takes three times as long.
    """
    if len(raw) > MAX_BYTES or b"null" in raw:
        return UNREAD
    written = raw
    try:
        if b"\\u" in raw:
            if _NOT_PLAIN.search(raw) or not raw.isascii():
                return UNREAD
            written = raw.decode("raw_unicode_escape").encode()
        value = orjson.loads(raw)
        again = orjson.dumps(value)
    except (ValueError, orjson.JSONEncodeError, RecursionError):
        return UNREAD
    if again == written or again.translate(None, _BLANKS) == written.translate(None, _BLANKS):
        return value
    return UNREAD


def read(raw: bytes) -> tuple[Any, list[Error]]:
    """The JSON value of a message, and the errors of its text; UNREAD if it has no value.

    Numbers with a fraction or exponent are Decimals as written. A repeated member has its last value, a number that
    cannot be kept is a `Bad`; both have an error at their pointer, like each text with a lone surrogate or NUL and each
    null inside `data`. A message that is nested too deeply is not read any further.
    """
    errors: list[Error] = []
    if len(raw) > MAX_BYTES:
        return UNREAD, [too_large(len(raw))]
    if problem := _outside(raw):
        return UNREAD, [problem]
    try:
        text = raw.decode()
        value, end = _QUICK.raw_decode(text)
        if end != len(text):
            return _careful(raw)
    except (ValueError, ArithmeticError):
        return _careful(raw)
    if b"null" in raw or (b"\\" in raw and _ESCAPED.search(raw)):
        _texts(value, (), errors)
    return value, errors


def _careful(raw: bytes) -> tuple[Any, list[Error]]:
    """Like `read`, for a message that could not be read quickly."""
    errors: list[Error] = []
    try:
        value = _rebuilt(_CAREFUL.decode(raw.decode()), "", errors)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        where = f"byte {error.start + 1:,} (line {line:,})"
        return UNREAD, [Error("", "encoding.invalid", f"the bytes are not UTF-8: 0x{raw[error.start]:02x} at {where}")]
    except json.JSONDecodeError as error:
        where = f"line {error.lineno:,}, character {error.colno:,}"
        return UNREAD, [
            Error("", "json.invalid", f"the message is not JSON: {error.msg[0].lower()}{error.msg[1:]} ({where})")
        ]
    _texts(value, (), errors)
    return value, errors


def _outside(raw: bytes) -> Error | None:
    """The error of the bytes that shows before they are read as JSON."""
    if not raw.strip(b" \t\r\n"):
        return Error("", "message.empty", "the message is empty")
    if raw.startswith(b"\xef\xbb\xbf"):
        return Error("", "encoding.bom", "the message starts with a byte order mark")
    return too_deep(raw)


def too_large(size: int) -> Error:
    """The error of a message with too many bytes."""
    return Error("", "message.too_large", f"the message has {size:,} bytes; at most {MAX_BYTES:,} are allowed")


def too_deep(raw: bytes) -> Error | None:
    """The error of a message whose objects and lists are nested deeper than allowed."""
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and (depth := _depth(raw)) > MAX_DEPTH:
        message = f"objects and lists are nested {depth:,} levels deep; at most {MAX_DEPTH} are allowed"
        return Error("", "nesting.too_deep", message)
    return None


def _depth(raw: bytes) -> int:
    """How deep the brackets outside texts are nested."""
    deepest = depth = 0
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"}", b"]"):
            depth -= 1
    return deepest


def _quick_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _AgainError
    return members


def _quick_constant(text: str) -> Any:
    raise _AgainError(text)


def _constant(text: str) -> Bad:
    return Bad("number.not_finite", f"must be a finite number, not {text}")


def _integer(text: str) -> int | Bad:
    try:
        return int(text)
    except ValueError:
        return Bad("number.too_long", f"has {len(text.lstrip('-')):,} digits, too many for a number")


def _fraction(text: str) -> Decimal | Bad:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Bad(
            "number.too_long", f"has too large an exponent: {text if len(text) <= MAX_NAME else text[:60] + '…'}"
        )


_QUICK = json.JSONDecoder(object_pairs_hook=_quick_object, parse_float=Decimal, parse_constant=_quick_constant)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_float=_fraction, parse_int=_integer, parse_constant=_constant
)


def _rebuilt(node: Any, pointer: str, errors: list[Error]) -> Any:
    """The value of what was read carefully; notes repeated members and numbers that cannot be kept."""
    if isinstance(node, Bad):
        errors.append(Error(pointer, node.code, node.message))
        return node
    if isinstance(node, _Pairs):
        members: dict[str, Any] = {}
        doubled: set[str] = set()
        for name, value in node:
            place = pointer if len(name) > MAX_NAME else pointer_to(pointer, name)
            if name in members and name not in doubled:
                doubled.add(name)
                errors.append(Error(place, "member.duplicate", f"the member {shown(name)} is repeated in an object"))
            members[name] = _rebuilt(value, place, errors)
        return members
    if isinstance(node, list):
        return [_rebuilt(value, pointer_to(pointer, index), errors) for index, value in enumerate(node)]
    return node


def _texts(value: Any, path: tuple[str | int, ...], errors: list[Error]) -> None:
    """Notes nulls inside `data`, and texts and names that no UTF-8 file can keep; escapes such names."""
    if isinstance(value, str):
        if bad := _NOT_TEXT(value):
            errors.append(
                Error(pointer_to("", *path), "text.invalid", f"must not contain the character {_spelt(bad[0])}")
            )
    elif isinstance(value, dict):
        for name, member in list(value.items()):
            place = path if len(name) > MAX_NAME else (*path, name)
            if bad := _NOT_TEXT(name):
                sentence = f"a member name must not contain the character {_spelt(bad[0])}"
                errors.append(Error(pointer_to("", *place), "text.invalid", sentence))
                value[clean(name)] = value.pop(name)
            _texts(member, place, errors)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _texts(member, (*path, index), errors)
    elif value is None and len(path) > 1 and path[0] == "data":
        errors.append(Error(pointer_to("", *path), "type.wrong", "must not be null; omit unknown values"))


def _spelt(character: str) -> str:
    return clean(character).lstrip("\\").upper().replace("U", "U+", 1)
