"""A case that was screened ahead stands only for an equal one: every field counts, and equal fields read the same."""

import dataclasses
import typing
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.models.incoming import Requested
from schemas.plan import Case, Facts, Hit, Holding, License, ListInForce, Namesake, Owned, Ownership, Veu

from . import build

CASE = build.case({})


def parts_of(hint: Any) -> Iterator[type]:
    """The classes that a type is made of."""
    if isinstance(hint, type) and not typing.get_args(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from parts_of(part)


def fields_of(kind: type) -> dict[str, Any]:
    """The fields of a dataclass, a named tuple or a model, with their types; none of any other class."""
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields") else {}


def reached(kind: type) -> set[type]:
    """Every class of which a value of this one may be made."""
    found: set[type] = set()
    waiting = [kind]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(part for hint in fields_of(one).values() for part in parts_of(hint))
    return found


MADE_OF = sorted((kind for kind in reached(Case) if fields_of(kind)), key=lambda kind: kind.__name__)


def test_all_that_a_case_is_made_of_is_found() -> None:
    named = {Case, Requested, Facts, License, Veu, ListInForce, Hit, Holding, Owned, Ownership, Namesake}
    assert named <= set(MADE_OF)


def made(kind: type) -> Callable[[dict[str, Any]], Any]:
    """Makes values of a class of its fields, whatever these are."""
    if issubclass(kind, BaseModel):
        return lambda values: kind.model_construct(**values)
    return lambda values: kind(**values)


@pytest.mark.parametrize("kind", MADE_OF, ids=lambda kind: kind.__name__)
def test_values_that_differ_in_one_field_are_not_equal(kind: type) -> None:
    plain: dict[str, Any] = {name: f"some {name}" for name in fields_of(kind)}
    assert made(kind)(plain) == made(kind)(dict(plain))
    for name in plain:
        assert made(kind)(plain) != made(kind)(plain | {name: "another"}), f"{kind.__name__}.{name}"


def test_facts_have_no_figures_that_are_equal_but_are_written_otherwise() -> None:
    """As 1.0 and 1.00 are; the request, which has such figures, is the same object before and after."""
    assert not reached(Facts) & {Decimal, float}
    assert reached(Requested) & {Decimal}


def test_cases_that_were_made_apart_are_equal() -> None:
    told = {"facts": {"licenses": [{"country": "PL"}]}}
    assert build.case(told) == build.case(told)
    assert build.case(told) != CASE
