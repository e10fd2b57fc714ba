"""The answer to an event as a person reads it who has just asked for it: a sentence, and what follows from it."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from schemas.event_types import EVENT_RECORDED, EVENT_REFUSED, EVENT_REJECTED, SHIPMENT_DENIED, SHIPMENT_RELEASED
from services.views.event_lines import line
from services.views.trace import under
from services.views.wrapping import SCREEN, wrapped

_DONE = frozenset({EVENT_RECORDED, SHIPMENT_DENIED, SHIPMENT_RELEASED})


def done(texts: Sequence[str]) -> bool:
    """Whether an event did what was asked for: it was recorded, or a shipment was released or denied."""
    return orjson.loads(texts[0])["type"] in _DONE


def answer_text(texts: Sequence[str], recorded: str) -> str:
    """The answers to one event: a sentence about the first, and a line for each that follows, at most SCREEN wide.

    `recorded`: the sentence if the event was recorded.
    """
    first, *follows = map(orjson.loads, texts)
    lines = wrapped(_sentence(first, recorded), "", width=SCREEN)
    for event in follows:
        lines += wrapped(line(event), "  ", "    ", SCREEN)
    return "\n".join(lines)


def _sentence(event: Mapping[str, Any], recorded: str) -> str:
    type, data = event["type"], event["data"]
    if type == EVENT_RECORDED:
        return recorded
    if type == EVENT_REJECTED:
        errors = (f"{one['pointer']} {one['message'].removesuffix('.')}.".lstrip() for one in data["errors"])
        return " ".join(["Rejected:", *errors])
    reasons = " ".join(one["message"] for one in data["reasons"])
    if type == EVENT_REFUSED:
        return f"Refused: {reasons}"
    name = f"Shipment {data['shipment_id']}"
    if type == SHIPMENT_DENIED:
        return f"{name} is denied, and does not go."
    if type == SHIPMENT_RELEASED:
        debits = ", ".join(f"{one['amount']:,} TPP on {one['account']}" for one in data["debits"])
        return f"{name} is released{under(data)}{f': {debits}' if debits else ''}."
    return f"{name} stays held. {reasons}"
