"""Bytes to an Event, or to a Rejection with every error and its JSON pointer (docs/contract/envelope.md)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Generic

import orjson
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from typing_extensions import TypeVar

from schemas.event_types import CLOCK_TICKED, INCOMING, OF_COMMANDS, OWN_SOURCES
from schemas.models.parts import Model
from schemas.models.values import TEXT_MOST, TIME_MOST
from schemas.times import parse_instant
from schemas.wire import recorded
from schemas.wire import strict_json as strict
from schemas.wire.checks import CHECKS, check_time
from schemas.wire.errors import MAX_NAME, Error, errors_of, kind, pointer_to, shortened, shown, suggestion
from schemas.wire.media_types import is_json
from schemas.wire.sources import is_of_http, is_reference, is_reserved, is_uri

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = [
    "Door", "Error", "Event", "Rejection", "parse", "read_record", "rejection_hash", "rejection_id", "same_content",
    "too_large",
]  # fmt: skip

ID_LENGTH = 128
EXTENSION_MOST = {"traceparent": 55}
"""The most characters of an extension attribute, if fewer than TEXT_MOST."""
MAX_ERRORS_SIZE = 262_144
"""The most characters of a rejection's errors, so that a broker accepts it: as many as `original` may have."""

_REQUIRED = ("specversion", "id", "source", "type", "subject", "time")
_KNOWN = frozenset((*_REQUIRED, "datacontenttype", "dataschema", "data"))
_PLAIN = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]"
_ID = re.compile(f"{_PLAIN}{{1,{ID_LENGTH}}}").fullmatch
_SUBJECT = re.compile(f"{_PLAIN}+").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile("[a-z0-9]+").fullmatch
_INT32 = 2**31


class Door(Enum):
    """Where a message comes from, which says whose events it may be."""

    FILE = "file"
    """An event file: events of others, ticks among them."""
    STREAM = "stream"
    """A topic: events of others, and no ticks."""
    HTTP = "http"
    """A request over HTTP: as a topic, and events under the name of the token that sends them."""
    OWN = "own"
    """The program itself."""
    RECORD = "record"
    """The journal: what was taken once is read again, whatever is taken now."""


_OWN, _RECORD, _HTTP = Door.OWN, Door.RECORD, Door.HTTP
_NO_TICKS = (Door.STREAM, Door.HTTP)
_BY_COMMAND = (Door.OWN, Door.RECORD)


class _Unset:
    """Stands for a missing member."""


_UNSET: Final = _Unset()


T_co = TypeVar("T_co", bound=Model, default=Model, covariant=True)


@dataclass(slots=True)
class Event(Generic[T_co]):
    """A valid message. `time` is as written, `happened` the same in UTC; `data` is the model of `type`.

    It is never changed, but not frozen: one is made of every message, and that would take three times as long.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    happened: datetime
    data: T_co
    raw: bytes
    extensions: dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that cannot be read: its errors, sorted by pointer, and its attributes, None where unreadable.

    `type` is None too where it is not a type of event that comes in.
    """

    raw: bytes
    errors: tuple[Error, ...]
    source: str | None
    id: str | None
    time: str | None
    subject: str | None
    type: str | None = None


def parse(raw: bytes, door: Door = Door.FILE) -> Event | Rejection:
    """The event of a message in structured mode, or its rejection with all errors."""
    message = strict.quick(raw)
    if type(message) is dict and (event := _event(raw, message, [], door)):
        return event
    message, errors = strict.read(raw)
    if type(message) is dict:
        return _event(raw, message, errors, door) or _rejection(raw, message, errors)
    if message is not strict.UNREAD:
        errors = [*errors, Error("", "type.wrong", f"must be an object, not {kind(message)}")]
    return Rejection(raw, _bounded(errors), None, None, None, None)


def read_record(raw: bytes) -> Event | Rejection:
    """The event of a record of the journal, which is not tested by today's bounds, members and names."""
    return parse(raw, _RECORD)


def _event(raw: bytes, message: dict[str, Any], errors: list[Error], door: Door) -> Event | None:
    """The event of a JSON object; None, with all errors noted, if it is not one."""
    happened = _attributes(message, errors)
    extensions = {} if message.keys() <= _KNOWN else _extensions(message, errors)
    data = _data(message, errors, door)
    if door is not _RECORD:
        _sizes(message, errors)
        if door is not _OWN:
            _whose(message, errors, door)
        if happened is not None and data is not None:
            errors += check_time(data, happened)
    if errors or happened is None or data is None:
        return None
    of = message.__getitem__
    return Event(of("id"), of("source"), of("type"), of("subject"), of("time"), happened, data, raw, extensions)


def _attributes(message: dict[str, Any], errors: list[Error]) -> datetime | None:
    """The instant of `time`; notes what is wrong with the attributes of CloudEvents, all but `type` and `data`."""
    get = message.get
    if get("specversion") != "1.0":
        errors += _wrong("specversion", get("specversion"), "specversion.unsupported", 'must be "1.0"')
    value = get("id")
    if type(value) is not str or not _ID(value):
        errors += _wrong("id", value, "text.too_long", f"must have at most {ID_LENGTH} characters")
    value = get("source")
    if type(value) is not str or not is_reference(value):
        sentence = "must be a URI-reference of RFC 3986, such as //wms.example"
        errors += _wrong("source", value, "source.invalid", sentence)
    value = get("subject")
    if type(value) is not str or not _SUBJECT(value):
        errors += _wrong("subject", value, "type.wrong", "must be a text")
    value = get("datacontenttype")
    if value not in (None, "application/json") and not (type(value) is str and is_json(value)):
        errors += _wrong(
            "datacontenttype", value, "datacontenttype.unsupported", 'must be "application/json" or omitted'
        )
    value = get("dataschema")
    if value is not None and not (type(value) is str and is_uri(value)):
        errors += _wrong("dataschema", value, "dataschema.invalid", "must be an absolute URI or omitted")
    value = get("time")
    try:
        return parse_instant(value)
    except PydanticCustomError as error:
        errors += _wrong("time", value, error.type, error.message())
    return None


def _sizes(message: dict[str, Any], errors: list[Error]) -> None:
    """Notes which of the attributes are too long."""
    for name, value in message.items():
        if type(value) is str and len(value) > TIME_MOST and name not in ("id", "type"):
            most = TIME_MOST if name == "time" else EXTENSION_MOST.get(name, TEXT_MOST)
            if len(value) > most:
                place = pointer_to("", name) if len(name) <= MAX_NAME else ""
                sentence = f"must have at most {most:,} characters, not {len(value):,}"
                errors.append(Error(place, "text.too_long", sentence))


def _whose(message: dict[str, Any], errors: list[Error], door: Door) -> None:
    """Notes that the event is one of the program's own, or a tick that only the program's clock may give."""
    source = message.get("source")
    named = door is _HTTP and isinstance(source, str) and is_of_http(source)
    if isinstance(source, str) and is_reserved(source[:TEXT_MOST]) and not named:
        sentence = f"must not begin with {OWN_SOURCES}: such events are the program's own"
        errors.append(Error("/source", "source.reserved", f"{sentence}; it is {shown(source)}"))
    elif door in _NO_TICKS and message.get("type") == CLOCK_TICKED:
        sentence = "a tick is taken only from the program's own clock, or from a file that `tpp screen` runs"
        errors.append(Error("/type", "clock.foreign", sentence))


def _wrong(name: str, value: Any, code: str, sentence: str, words: Iterable[str] = ()) -> Iterator[Error]:
    """The error of an attribute that should be a string.

    `code` and `sentence` are those of a plain, non-empty string, for which one of `words` may be suggested.
    """
    if value is None:
        yield Error(f"/{name}", "member.missing", "is required")
    elif not isinstance(value, str):
        yield Error(f"/{name}", "type.wrong", f"must be a string, not {kind(value)}")
    elif not value:
        yield Error(f"/{name}", "text.empty", "must not be empty")
    elif _CONTROL.search(value):
        yield Error(f"/{name}", "text.control", "must not contain a control character")
    else:
        yield Error(f"/{name}", code, f"{sentence}, not {shown(value)}{suggestion(value, words)}")


def _extensions(message: dict[str, Any], errors: list[Error]) -> dict[str, str | int | bool]:
    """The extension attributes; one that is null is unset (CloudEvents 1.0, JSON format, section 2.2)."""
    kept: dict[str, str | int | bool] = {}
    for name, value in message.items():
        if name in _KNOWN:
            continue
        place = pointer_to("", name) if len(name) <= MAX_NAME else ""
        if name == "data_base64":
            errors.append(Error(place, "data.base64", "must be omitted: data is a JSON object"))
        elif not _NAME(name):
            errors.append(
                Error(
                    place,
                    "extension.name",
                    f"an attribute's name must have only lower-case letters and digits, not {shown(name)}",
                )
            )
        elif isinstance(value, str) and _CONTROL.search(value):
            errors.append(Error(place, "text.control", "must not contain a control character"))
        elif isinstance(value, (str, bool)) or (isinstance(value, int) and -_INT32 <= value < _INT32):
            kept[name] = value
        elif value is not None:
            found = shown(value) if isinstance(value, int) else kind(value)
            errors.append(
                Error(place, "extension.value", f"must be a string, a 32-bit integer or a boolean, not {found}")
            )
    return kept


def _data(message: dict[str, Any], errors: list[Error], door: Door) -> Model | None:
    """The data as the model of the event's type; notes what is wrong with `type` and with `data`."""
    name = message.get("type")
    known = INCOMING.get(name) if type(name) is str else None
    if known is None and type(name) is str and door in _BY_COMMAND:
        known = OF_COMMANDS.get(name)
    if known is None:
        errors += _wrong("type", name, "type.unknown", "must be a type of event that the contract names", INCOMING)
    data = message.get("data", _UNSET)
    if type(data) is not dict:
        missing = Error("/data", "member.missing", "is required")
        errors.append(
            missing if data is _UNSET else Error("/data", "type.wrong", f"must be an object, not {kind(data)}")
        )
        return None
    if known is None:
        return None
    model = known.model
    validator: Any = recorded.validator(model) if door is _RECORD else model.__pydantic_validator__
    if door is not _RECORD and (check := CHECKS.get(model)):
        errors += check(data)
    try:
        read: Model = validator.validate_python(data)
    except ValidationError as failure:
        errors += _data_errors(failure, data, model, validator)
        return None
    return read


def _data_errors(failure: ValidationError, data: dict[str, Any], model: type[Model], validator: Any) -> list[Error]:
    """The errors of the data's members; of a list that is too long, only those of its first entries."""
    errors, data = shortened(data, "/data", model)
    if errors:
        try:
            validator.validate_python(data)
        except ValidationError as shorter:
            failure = shorter
        else:
            return errors
    return errors + errors_of(failure, data, "/data", model)


def _rejection(raw: bytes, message: dict[str, Any], errors: list[Error]) -> Rejection:
    """The rejection, with those attributes that are valid and not repeated."""
    wrong = {error.pointer for error in errors if error.code not in _READ}

    def read(name: str) -> str | None:
        value = message.get(name)
        return value if isinstance(value, str) and f"/{name}" not in wrong else None

    kept = _bounded(errors)
    return Rejection(raw, kept, read("source"), read("id"), read("time"), read("subject"), read("type"))


_READ = ("source.reserved", "clock.foreign")
"""What is wrong with an attribute that can be read all the same."""
_SPENT = ("text.invalid", "number.not_finite", "number.too_long")


def _bounded(errors: list[Error]) -> tuple[Error, ...]:
    """The errors by pointer, each once; only one for a value that cannot be kept; no more than can be sent."""
    spent = {error.pointer for error in errors if _spends(error)}
    chosen = {
        error for error in errors if error.pointer not in spent or _spends(error) or error.code == "member.duplicate"
    }
    kept: list[Error] = []
    size = 0
    for error in sorted(chosen, key=_order):
        size += len(error.pointer) + len(error.code) + len(error.message)
        if size > MAX_ERRORS_SIZE:
            left = len(chosen) - len(kept)
            return (Error("", "errors.more", f"{left:,} more errors are not listed"), *kept)
        kept.append(error)
    return tuple(kept)


def _spends(error: Error) -> bool:
    """Whether it makes other errors of the value pointless: it cannot be kept, or is null."""
    return error.code in _SPENT or error.message.startswith("must not be null")


def _order(error: Error) -> tuple[str, str, str]:
    return error.pointer, error.code, error.message


def same_content(a: bytes, b: bytes, *, timed: bool = True) -> bool:
    """Whether two events agree in type, subject, data and, unless they are not `timed`, time, as JSON values.

    Layout, order of members and extension attributes do not count; 19.4 is 19.40, but 1 is neither true nor "1".
    Bytes that are not a JSON object agree only with the same bytes. Never raises.
    """
    if a == b:
        return True
    first, second = strict.read(a)[0], strict.read(b)[0]
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    names = ("type", "subject", "data", "time") if timed else ("type", "subject", "data")
    return all(_same(first.get(name), second.get(name)) for name in names)


def _same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(value, b[name]) for name, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, Decimal)) or type(a) is type(b):
        return bool(a == b)
    return False


def rejection_id(position: Mapping[str, Any], raw: bytes) -> str:
    """The event id of a rejection: SHA-256 of the message's position and bytes, 64 hexadecimal digits.

    >>> rejection_id({"file": "in.jsonl", "line": 3}, b"x") == rejection_id({"line": 3, "file": "in.jsonl"}, b"x")
    True
    """
    place = _place(position)
    return sha256(b"%d:%b%b" % (len(place), place, raw)).hexdigest()


def rejection_hash(position: Mapping[str, Any]) -> "_Hash":
    """The beginning of `rejection_id`, for bytes that are not kept; add them in order."""
    place = _place(position)
    return sha256(b"%d:%b" % (len(place), place))


def _place(position: Mapping[str, Any]) -> bytes:
    return orjson.dumps(position, option=orjson.OPT_SORT_KEYS)


def too_large(raw: bytes, size: int) -> Rejection:
    """The rejection of a message of `size` bytes, which are too many; `raw` is its beginning."""
    return Rejection(raw, (strict.too_large(size),), None, None, None, None)
