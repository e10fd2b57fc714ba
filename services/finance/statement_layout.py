"""How a statement is written, as far as it is told by options or a profile; the rest is found where it is certain."""

import codecs
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from schemas.times import parse_day
from services.failure import Failure
from services.finance.statement_dates import DateForm

FIELDS = ("shipment_id", "account", "date", "amount")
"""What a statement must have for each line."""

CONSTANTS = ("shipment_id", "account", "date")
"""What may be the same for all lines of a statement, and then needs no column."""

DECIMALS, THOUSANDS = ".,", ".,' "
"""The characters that may set off a fraction, and groups of three digits."""

_NOT_FOR_FILES = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}
_SPACES_OF_OPTIONS = {"space": " ", "\xa0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a statement is written; None stands for what is not told."""

    map: Mapping[str, str] = field(default_factory=dict)
    """The statement's names of columns, by field, where they differ from the field's."""
    constant: Mapping[str, str] = field(default_factory=dict)
    """Values that all lines share, by field."""
    encoding: str | None = None
    date_format: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    """The line of the file, or the row of the sheet, with the names of the columns."""
    skip_footer: int | None = None
    """How many rows to leave out at the end."""

    def column(self, field_: str) -> str:
        """The statement's name for the column of a field."""
        return self.map.get(field_, field_).strip()

    @property
    def wanted(self) -> list[str]:
        """The fields that the statement must have a column for."""
        return [one for one in FIELDS if one not in self.constant]


def layout(profile: str | None, told: Mapping[str, Any], content: bytes | None = None) -> Layout:
    """The layout of a profile, a TOML file, with what is told beside it; None and empty values tell nothing.

    `content`: the bytes of the profile where it is not a file here. Raises Failure for an unknown name or a value that
    cannot be.
    """
    members = {} if profile is None else _profile(profile, content)
    given = {name: value for name, value in told.items() if value not in (None, {})}
    both = set(given.get("map", {})) & set(given.get("constant", {}))
    if both:
        raise Failure(f"--map and --constant both name {', '.join(sorted(both))}")
    for name, value in given.items():
        where = f"--{name.replace('_', '-')}"
        members[name] = {**members.get(name, {}), **value} if isinstance(value, Mapping) else value
        members[name] = _checked(where, name, members[name])
    for name in given.get("map", {}):
        members["constant"] = {key: value for key, value in members.get("constant", {}).items() if key != name}
    made = Layout(**members)
    if made.decimal and made.decimal == made.thousands:
        raise Failure(f"--decimal and --thousands are both {made.decimal!r}")
    return made


def _profile(name: str, content: bytes | None) -> dict[str, Any]:
    """The members of a profile; raises Failure if one of them is not known, or has a wrong value."""
    try:
        found = tomllib.loads(Path(name).read_text("utf-8-sig") if content is None else content.decode("utf-8-sig"))
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{name} is not TOML: {error}") from error
    known = [one.name.replace("_", "-") for one in fields(Layout)]
    members: dict[str, Any] = {}
    for key, value in found.items():
        if key not in known:
            close = get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"it may have {', '.join(known)}"
            raise Failure(f"{name} has an unknown member {key!r}; {hint}")
        member = key.replace("-", "_")
        members[member] = _checked(f"{name}: {key}", member, value)
    return members


def _checked(where: str, name: str, value: Any) -> Any:
    """A value that its member can have; raises Failure for another."""
    try:
        return _CHECKS[name](value)
    except ValueError as error:
        raise Failure(f"{where}: {error}") from error


def _names(known: tuple[str, ...], least: str) -> Callable[[Any], dict[str, str]]:
    def check(value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping) or not all(isinstance(one, str) and one.strip() for one in value.values()):
            raise ValueError(f"use FIELD={least}, where FIELD is one of {', '.join(known)}")
        for key in value:
            if key not in known:
                raise ValueError(f"{key!r} is not one of {', '.join(known)}")
        return dict(value)

    return check


def _constants(value: Any) -> dict[str, str]:
    found = _names(CONSTANTS, "VALUE")(value)
    if "date" in found:
        try:
            parse_day(found["date"])
        except PydanticCustomError as error:
            raise ValueError(f"date={found['date']} is not a date such as 2025-06-30") from error
    return found


def _encoding(value: Any) -> str:
    try:
        codec = codecs.lookup(_text(value))
    except LookupError:
        codec = None
    if codec is None or not getattr(codec, "_is_text_encoding", True) or codec.name in _NOT_FOR_FILES:
        raise ValueError(f"{value!r} is not a text encoding such as utf-8, cp1252 or utf-16-le")
    return codec.name


def _form(value: Any) -> str:
    return DateForm.of(_text(value)).name


def _one_of(characters: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        text = _SPACES_OF_OPTIONS.get(value, value) if isinstance(value, str) else value
        if not isinstance(text, str) or len(text) != 1 or text not in characters:
            listed = " ".join("space" if one == " " else one for one in characters)
            raise ValueError(f"{value!r} is not one of {listed}")
        return text

    return check


def _whole(least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{value!r} is not a whole number from {least} on")
        return value

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is not text")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "map": _names(FIELDS, "COLUMN"),
    "constant": _constants,
    "encoding": _encoding,
    "date_format": _form,
    "decimal": _one_of(DECIMALS),
    "thousands": _one_of(THOUSANDS),
    "sheet": _text,
    "header_row": _whole(1),
    "skip_footer": _whole(0),
}
