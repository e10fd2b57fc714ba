"""The rows of a statement that is a JSON list of objects."""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from services.failure import Failure
from services.finance.statement_table import ABSENT, FileRow, check_rows, check_width

_BLANKS = re.compile(r"[ \t\r\n]*").match
_WINDOWS = (1 << 12, 1 << 18)
"""The most characters of an object: first attempt, and last."""


def members(name: str, text: str) -> list[str] | None:
    """Every member that occurs in one of the objects; None if there is no object."""
    named: dict[str, None] | None = None
    for _, item in _items(name, text):
        named = (named or {}) | dict.fromkeys(item)
        check_width(name, len(named))
    return None if named is None else list(named)


def rows(name: str, text: str, names: Sequence[str]) -> Iterator[FileRow]:
    """A row for each object, with the values of the members of these names, and the line in which it begins."""
    for line, item in _items(name, text):
        yield FileRow(line, [item.get(member, ABSENT) for member in names], len(names))


def _items(name: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list, one at a time in memory, and the line in which each begins."""
    place = _after_blanks(text, 0)
    if text[place] != "[":
        raise Failure(f"{name} is not a list of objects")
    place = _after_blanks(text, place + 1)
    mark, number, line, counted = text[place : place + 1], 0, 1, 0
    while mark != "]":
        number += 1
        check_rows(name, number)
        line, counted = line + text.count("\n", counted, place), place
        item, place = _item(name, f"row {number:,} of {name}", text, place)
        yield line, item
        place = _after_blanks(text, place)
        mark = text[place : place + 1]
        if mark not in (",", "]"):
            raise _not_json(name, text, place, "Expecting ',' delimiter")
        place = _after_blanks(text, place + 1)
    if number == 0:
        place = _after_blanks(text, place + 1)
    if place < len(text):
        raise _not_json(name, text, place, "Extra data")


def _item(name: str, where: str, text: str, place: int) -> tuple[dict[str, Any], int]:
    """The object that begins at an index, and the index of its end."""
    for most in _WINDOWS:
        part = text[place : place + most]
        try:
            item, end = _JSON.raw_decode(part)
        except json.JSONDecodeError as error:
            if len(part) < most:
                raise _not_json(name, text, place + error.pos, error.msg) from error
        except RecursionError as error:
            raise Failure(f"{name} is not a list of objects: it is nested too deeply") from error
        except ValueError as error:
            raise Failure(f"{name} is not a list of objects: {error}") from error
        except ArithmeticError as error:
            raise Failure(f"{name} contains a number that cannot be read") from error
        else:
            if not isinstance(item, dict):
                raise Failure(f"{where} is not an object")
            return item, place + end
    raise Failure(f"{where} is not an object of at most {_WINDOWS[-1]:,} characters")


def _after_blanks(text: str, place: int) -> int:
    match = _BLANKS(text, place)
    return match.end() if match else place


def _not_json(name: str, text: str, place: int, why: str) -> Failure:
    return Failure(f"{name} is not JSON: line {text.count(chr(10), 0, place) + 1:,}: {why}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice in an object")
    return members


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_int=Decimal)
