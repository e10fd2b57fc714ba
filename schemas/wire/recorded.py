"""Validators of recorded data, which was accepted once and is not tested by today's bounds, members or countries."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pydantic_core import SchemaValidator

from schemas.models import parts, paths, values
from schemas.times import parse_instant

_TODAYS = ("max_length", "extra_fields_behavior", "extra_behavior")
_UNBOUNDED: Mapping[Any, Callable[[Any], Any]] = {
    values.decimal: values.any_decimal,
    values.decimal_or_text: values.any_decimal_or_text,
    values.instant: parse_instant,
    paths.assigned: lambda path: path,
}


@cache
def validator(model: type[parts.Model]) -> SchemaValidator:
    """The validator of a model without the bounds on sizes, unknown members and countries, which may change."""
    return SchemaValidator(_loosened(model.__pydantic_core_schema__), _use_prebuilt=False)


def _loosened(node: Any) -> Any:
    """A core schema of pydantic without what a later version of the contract may bound otherwise."""
    if isinstance(node, list):
        return [_loosened(part) for part in node]
    if isinstance(node, tuple):
        return tuple(_loosened(part) for part in node)
    if not isinstance(node, dict):
        return _UNBOUNDED.get(node, node) if callable(node) else node
    kept = {key: _loosened(value) for key, value in node.items() if key not in _TODAYS}
    return kept | {"pattern": values.ANY_COUNTRY} if node.get("pattern") == values.COUNTRY else kept
