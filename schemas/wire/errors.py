"""Errors of a message: their place, their code, and a plain sentence for each failed validation."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from schemas.models import values
from schemas.times import DAY

MAX_NAME = 256
"""The longest member name in a pointer, in characters; for a longer one, the pointer is that of the object."""
MAX_HINTS = 50
"""The most errors of a message for which similar names are suggested."""
_SHORT = 4
"""The length of a word up to which a second edit would make another word of it."""


@dataclass(frozen=True, slots=True)
class Error:
    """One error of a message: a pointer (RFC 6901), a code of `RejectionCode`, and a sentence."""

    pointer: str
    code: str
    message: str


def clean(text: str) -> str:
    """The text with lone surrogates and NUL spelt out, so that it can be written anywhere."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")


def pointer_to(base: str, *steps: str | int) -> str:
    """The RFC 6901 pointer that extends `base`.

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
    """The type of a JSON value, with an article.

    >>> kind("8"), kind(True), kind(Decimal("8.0"))
    ('a string', 'a boolean', 'a number with a fraction or exponent')
    """
    if value is None:
        return "null"
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"), (int, "an integer"), (Decimal, "a number with a fraction or exponent"),
        (str, "a string"), (dict, "an object"), (list, "a list"),
    )  # fmt: skip
    return next((name for of, name in names if isinstance(value, of)), "another value")


_EXPECTED = {
    "string_type": "a string", "int_type": "an integer", "bool_type": "a boolean",
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
        if isinstance(value, list) and most is not None and len(value) > most:
            sentence = f"must have at most {most:,} entries, not {len(value):,}"
            found.append(Error(pointer_to(base, name), "list.too_long", sentence))
            kept[name] = value = value[:most]
        if part is not None and isinstance(value, list):
            cut = [shortened(entry, pointer_to(base, name, n), part) for n, entry in enumerate(value)]
            found += [error for errors, _ in cut for error in errors]
            kept[name] = [entry for _, entry in cut]
        elif part is not None and isinstance(value, dict):
            errors, kept[name] = shortened(value, pointer_to(base, name), part)
            found += errors
    return found, kept


@cache
def _lists(model: type[BaseModel]) -> dict[str, tuple[int | None, type[BaseModel] | None]]:
    """The members of a model that may hold lists: how many entries each may have, and the model of an entry.

    An object is as an entry of a list without a bound.
    """
    found: dict[str, tuple[int | None, type[BaseModel] | None]] = {}
    for name, field in model.model_fields.items():
        for annotation, metadata in _alternatives(field.annotation, field.metadata):
            most = [one.max_length for one in metadata if getattr(one, "max_length", None) is not None]
            if get_origin(annotation) is tuple and most:
                entry = get_args(annotation)[0]
                part = entry if isinstance(entry, type) and issubclass(entry, BaseModel) else None
                found[name] = (most[0], part)
            elif isinstance(annotation, type) and issubclass(annotation, BaseModel) and _lists(annotation):
                found.setdefault(name, (None, annotation))
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
    """The errors of a failed validation of `data`, whose pointer is `base`."""
    found = []
    few = failure.error_count() <= MAX_HINTS
    for detail in failure.errors(include_url=False):
        if detail["type"] == "string_unicode" or (detail["type"] == "too_short" and detail["input"]):
            continue  # the strict reading reports the first; for the second, pydantic counts only valid entries
        steps, beside = _place(detail["loc"], data)
        code, message = _explain(detail, _names(model).difference(beside) if few else frozenset())
        if code == "member.unknown" and len(str(steps[-1])) > MAX_NAME:
            steps, message = steps[:-1], f"a member name of {len(str(steps[-1])):,} characters is not a known member"
        found.append(Error(pointer_to(base, *steps), code, message))
    return found


def _place(loc: Iterable[str | int], data: Any) -> tuple[list[str | int], Iterable[str]]:
    """The steps of pydantic's location that exist in the JSON, and the names beside the last one.

    A single party in place of a list is validated as a list of one, whose index the JSON does not have.
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
    """The code and the sentence for one of pydantic's errors; `names` are those to suggest for a wrong name."""
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
        code, message = "date.invalid", f"must be a calendar day, not {shown(value)}"
    else:
        code, message = "type.wrong", f"must not be {shown(value)}"
    return code, message


def _above(value: int, limits: dict[str, Any]) -> tuple[str, str]:
    if limits["le"] == 100:
        return "share.exceeded", f"must be 100 % or less, not {shown(value)}"
    return "amount.overflow", f"must be {limits['le']:,} (2^53−1) or less, not {shown(value)}"


def _below(value: int, limits: dict[str, Any]) -> tuple[str, str]:
    if limits["ge"] == -values.TPP_MAX:
        return "amount.overflow", f"must be {limits['ge']:,} or more, not {shown(value)}"
    return "value.too_small", f"must be {limits['ge']:,} or more, not {shown(value)}"


def _literal(value: Any, limits: dict[str, Any]) -> tuple[str, str]:
    words = limits["expected"].replace("'", "")
    if not isinstance(value, str):
        return "type.wrong", f"must be a string, one of {words}, not {kind(value)}"
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
    "too_short": lambda *_: ("list.empty", "must have at least one entry"),
}


def _unknown(name: str, names: frozenset[str]) -> str:
    """A sentence about an unknown member, with the name that may have been meant."""
    return f"{shown(name)} is not a known member{suggestion(name, names)}"


def suggestion(word: str, words: Iterable[str]) -> str:
    """The end of a sentence about a wrong word: the nearest known word, one edit away or, if it is long, two.

    >>> suggestion("quantitty", ["quantity", "line"]), suggestion("lien", ["line", "lei"]), suggestion("by", ["id"])
    ('; did you mean quantity?', '; did you mean line?', '')
    """
    most = 1 if len(word) <= _SHORT else 2
    near = [(_edits(word, one), one) for one in words if abs(len(word) - len(one)) <= most]
    edits, nearest = min(near, default=(most + 1, ""))
    return f"; did you mean {nearest}?" if edits <= most else ""


def _edits(one: str, other: str) -> int:
    """How many letters must be inserted, deleted, replaced or swapped with the next to turn one word into the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, its in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != its)))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], its):
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]


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
