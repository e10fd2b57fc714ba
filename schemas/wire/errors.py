"""What can be wrong with a message: where it stands, and how a failed validation is told in plain sentences."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from schemas.models import values
from schemas.times import DAY

MAX_NAME = 256
"""The longest member name that a pointer spells out, in characters; of a longer one the object is named."""
MAX_HINTS = 50
"""How many errors a message may have for a guess at what a wrong name stands for."""


@dataclass(frozen=True, slots=True)
class Error:
    """One thing that is wrong with a message: where (RFC 6901), a code of `RejectionCode`, and a sentence."""

    pointer: str
    code: str
    message: str


def clean(text: str) -> str:
    """The text with lone surrogates and NUL spelt out, so that it can be written anywhere."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")


def pointer_to(base: str, *steps: str | int) -> str:
    """The RFC 6901 pointer that goes on from `base`.

    >>> pointer_to("/data", "items", 0, "a/b~c")
    '/data/items/0/a~1b~0c'
    """
    for step in steps:
        base += f"/{step}" if isinstance(step, int) else "/" + clean(step).replace("~", "~0").replace("/", "~1")
    return base


def shown(value: Any) -> str:
    """A value as a message quotes it: JSON, cut after 60 characters."""
    if isinstance(value, str):
        text = json.dumps(value[:61], ensure_ascii=False)
    elif isinstance(value, bool) or value is None:
        text = json.dumps(value)
    else:
        text = (
            f"{value:,}"
            if isinstance(value, int) and abs(value) < 10**60
            else str(value)
            if isinstance(value, Decimal)
            else kind(value)
        )
    return clean(text if len(text) <= 62 else text[:60] + "…")


def kind(value: Any) -> str:
    """What sort of JSON value it is, with its article.

    >>> kind("8"), kind(True), kind(Decimal("8.0"))
    ('a text', 'a boolean', 'a number with a fraction or exponent')
    """
    if value is None:
        return "null"
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"), (int, "an integer"), (Decimal, "a number with a fraction or exponent"),
        (str, "a text"), (dict, "an object"), (list, "a list"),
    )  # fmt: skip
    return next((name for of, name in names if isinstance(value, of)), "another value")


_EXPECTED = {
    "string_type": "a text", "int_type": "an integer", "bool_type": "a boolean",
    "tuple_type": "a list", "list_type": "a list",
    "model_type": "an object", "model_attributes_type": "an object", "dict_type": "an object",
}  # fmt: skip
_PATTERNS = {
    values.IDENTIFIER: (
        "identifier.invalid",
        "must be an identifier: 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit",
    ),
    values.COUNTRY: ("country.unknown", "must be an assigned ISO 3166-1 alpha-2 code"),
    values.ANY_COUNTRY: ("country.unknown", "must be an ISO 3166-1 alpha-2 code"),
    values.ECCN: ("eccn.invalid", "must be an ECCN with its sub-paragraph, such as 3A090.a, or EAR99"),
    values.LEI: ("lei.invalid", "must be a Legal Entity Identifier of 20 characters"),
    values.SHA256: ("sha256.invalid", "must be the 64 hexadecimal digits, in lower case, of a SHA-256 digest"),
    DAY: ("date.invalid", "must be a calendar day, YYYY-MM-DD"),
}


def shortened(data: Any, base: str, model: type[BaseModel]) -> tuple[list[Error], Any]:
    """The lists in `data` that have more entries than the model allows, and the data without the entries beyond."""
    if not isinstance(data, dict):
        return [], data
    found: list[Error] = []
    kept = dict(data)
    for name, (most, part) in _lists(model).items():
        value = data.get(name)
        if isinstance(value, list) and len(value) > most:
            sentence = f"must have at most {most:,} entries, not {len(value):,}"
            found.append(Error(pointer_to(base, name), "list.too_long", sentence))
            kept[name] = value = value[:most]
        if part is not None and isinstance(value, list):
            cut = [shortened(entry, pointer_to(base, name, n), part) for n, entry in enumerate(value)]
            found += [error for errors, _ in cut for error in errors]
            kept[name] = [entry for _, entry in cut]
    return found, kept


@cache
def _lists(model: type[BaseModel]) -> dict[str, tuple[int, type[BaseModel] | None]]:
    """The members of a model that are lists: how many entries each may have, and the model of an entry."""
    found = {}
    for name, field in model.model_fields.items():
        for annotation, metadata in _alternatives(field.annotation, field.metadata):
            most = [one.max_length for one in metadata if getattr(one, "max_length", None) is not None]
            if get_origin(annotation) is tuple and most:
                entry = get_args(annotation)[0]
                part = entry if isinstance(entry, type) and issubclass(entry, BaseModel) else None
                found[name] = (most[0], part)
    return found


def _alternatives(annotation: Any, metadata: Iterable[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """What a member may be, each with what is said of it."""
    flat = [inner for one in metadata for inner in (one.metadata if isinstance(one, FieldInfo) else [one])]
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        for one in get_args(annotation):
            yield from _alternatives(one, ())
    elif get_origin(annotation) is Annotated:
        yield from _alternatives(annotation.__origin__, annotation.__metadata__)
    else:
        yield annotation, flat


def errors_of(failure: ValidationError, data: Any, base: str, model: type[BaseModel]) -> list[Error]:
    """What a failed validation of `data`, which stands at the pointer `base`, found."""
    found = []
    few = failure.error_count() <= MAX_HINTS
    for detail in failure.errors(include_url=False):
        if detail["type"] == "string_unicode" or (detail["type"] == "too_short" and detail["input"]):
            continue  # the strict reading has told the one; in the other pydantic counts only the entries that passed
        steps, beside = _place(detail["loc"], data)
        code, message = _explain(detail, _names(model).difference(beside) if few else frozenset())
        if code == "member.unknown" and len(str(steps[-1])) > MAX_NAME:
            steps, message = steps[:-1], f"a member name of {len(str(steps[-1])):,} characters is not a member here"
        found.append(Error(pointer_to(base, *steps), code, message))
    return found


def _place(loc: Iterable[str | int], data: Any) -> tuple[list[str | int], Iterable[str]]:
    """The steps of pydantic's location that are there in the JSON, and the names beside the last one.

    A single party where a list may stand is validated as a list of one, whose index the JSON does not have.
    """
    steps: list[str | int] = []
    beside: Any = ()
    for step in loc:
        if isinstance(data, dict) and isinstance(step, str):
            steps.append(step)
            data, beside = data.get(step), data
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            steps.append(step)
            data = data[step]
    return steps, beside


def _explain(detail: ErrorDetails, names: frozenset[str]) -> tuple[str, str]:
    """The code and the sentence for one of pydantic's errors; `names` are those that a wrong name may stand for."""
    given, value, limits = detail["type"], detail["input"], detail.get("ctx", {})
    if "." in given:
        code, message = given, detail["msg"]
    elif given in _EXPECTED:
        code, message = "type.wrong", f"must be {_EXPECTED[given]}, not {kind(value)}"
    elif given == "string_pattern_mismatch":
        code, text = _PATTERNS[limits["pattern"]]
        message = f"{text}, not {shown(value)}"
    elif given in _SENTENCES:
        code, message = _SENTENCES[given](value, limits)
    elif given == "extra_forbidden":
        code, message = "member.unknown", _unknown(str(detail["loc"][-1]), names)
    elif given.startswith("date_"):
        code, message = "date.invalid", f"must be a day of the calendar, which {shown(value)} is not"
    else:
        code, message = "type.wrong", f"must be another value than {shown(value)}"
    return code, message


def _above(value: int, limits: dict[str, Any]) -> tuple[str, str]:
    return "amount.overflow", f"must be {limits['le']:,} (2^53−1) or less, not {shown(value)}"


def _below(value: int, limits: dict[str, Any]) -> tuple[str, str]:
    if limits["ge"] == -values.TPP_MAX:
        return "amount.overflow", f"must be {limits['ge']:,} or more, not {shown(value)}"
    return "value.too_small", f"must be {limits['ge']:,} or more, not {shown(value)}"


def _literal(value: Any, limits: dict[str, Any]) -> tuple[str, str]:
    words = limits["expected"].replace("'", "")
    if not isinstance(value, str):
        return "type.wrong", f"must be a text, one of {words}, not {kind(value)}"
    return "value.unknown", f"must be one of {words}, not {shown(value)}"


def _long(value: str, limits: dict[str, Any]) -> tuple[str, str]:
    return "text.too_long", f"must have at most {limits['max_length']:,} characters, not {len(value):,}"


_SENTENCES: dict[str, Callable[[Any, dict[str, Any]], tuple[str, str]]] = {
    "missing": lambda *_: ("member.missing", "is required"),
    "less_than_equal": _above,
    "greater_than_equal": _below,
    "literal_error": _literal,
    "string_too_long": _long,
    "string_too_short": lambda *_: ("text.empty", "must not be empty"),
    "too_short": lambda *_: ("list.empty", "must have an entry or more"),
}


def _unknown(name: str, names: frozenset[str]) -> str:
    """A sentence about a member that is not known, with the name that may have been meant."""
    near = get_close_matches(name, sorted(names), n=1, cutoff=0.75) if len(name) <= MAX_NAME else []
    return f"{shown(name)} is not a member here" + (f"; is {near[0]} meant?" if near else "")


@cache
def _names(model: type[BaseModel]) -> frozenset[str]:
    """The names of all members of a model, at any depth."""
    names: set[str] = set()
    seen: set[Any] = set()
    todo: list[Any] = [model]
    while todo:
        part = todo.pop()
        if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
            seen.add(part)
            names.update(part.model_fields)
            todo.extend(field.annotation for field in part.model_fields.values())
        todo.extend(getattr(part, "__args__", ()))
    return frozenset(names)
