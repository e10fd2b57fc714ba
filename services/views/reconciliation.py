"""The summary of a reconciliation, what differs, and how its statement was read."""

import json
from collections.abc import Mapping
from typing import Any

from ledger.queries.reconcile import Different, Result


def summary(result: Result) -> str:
    """How many lines match, are missing on one side, or differ."""
    return (
        f"{result.matched:,} matched, {len(result.missing_here):,} only in the statement, "
        f"{len(result.missing_there):,} only in the ledger, {len(result.different):,} different"
    )


_PLAIN = {"encoding": "utf-8", "header_row": 1, "date_format": "YYYY-MM-DD"}
_SAID = {
    "encoding": "encoding {}",
    "header_row": "header in row {}",
    "date_format": "dates {}",
    "decimal": "fractions after {!r}",
    "thousands": "thousands set off by {!r}",
    "footer": "rows left out at the end: {}",
}


def assumptions(assumed: Mapping[str, Any]) -> str:
    """How a statement was read where it is not written plainly, in a sentence; empty if it is.

    >>> assumptions({"encoding": "utf-8", "header_row": 4, "date_format": "DD.MM.YYYY", "thousands": None, "footer": 1})
    'Statement read with header in row 4, dates DD.MM.YYYY, rows left out at the end: 1.'
    """
    odd = {key: value for key, value in assumed.items() if key in _SAID and value and value != _PLAIN.get(key)}
    return f"Statement read with {', '.join(_SAID[key].format(value) for key, value in odd.items())}." if odd else ""


def differences(one: Different) -> list[tuple[str, str, str, str]]:
    """Of each field that differs: its name, the ledger's value, the statement's, and the difference of the amounts."""
    return [
        (
            field,
            _side(field, getattr(one.here, field)),
            _side(field, getattr(one.there, field)),
            f"{one.difference:+,}" if field == "amount" else "",
        )
        for field in one.fields
    ]


def as_json(result: Result, assumed: Mapping[str, Any]) -> bytes:
    """The whole result as JSON; unlike orjson, the standard library keeps a total of more than 64 bits."""
    found = result.to_json() | {"assumed": assumed}
    return json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n"


def _side(field: str, value: Any) -> str:
    """The value of a field on one side; an id in quotes, so that blanks are visible."""
    if field == "amount":
        return f"{value:,}"
    return repr(value) if field == "shipment_id" else str(value)
