"""The answer to an event as a person reads it who has just asked for it: a sentence, and what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from schemas.event_types import EVENT_RECORDED, EVENT_REFUSED, EVENT_REJECTED, SHIPMENT_DENIED, SHIPMENT_RELEASED
from schemas.models.facts import ObligationMet
from schemas.models.incoming import ReviewProposed
from schemas.wire.read import Event, read_record
from services.views.event_lines import line
from services.views.trace import under
from services.views.wrapping import SCREEN, wrapped

_DONE = frozenset({EVENT_RECORDED, SHIPMENT_DENIED, SHIPMENT_RELEASED})


def done(texts: Sequence[str]) -> bool:
    """Whether an event did what was asked for: it was recorded, or a shipment was released or denied."""
    return orjson.loads(texts[0])["type"] in _DONE


def answer_text(event: bytes, texts: Sequence[str]) -> str:
    """The answers to one event: a sentence about the first, and a line for each that follows, at most SCREEN wide."""
    first, *follows = map(orjson.loads, texts)
    lines = wrapped(_sentence(first, recorded(event)), "", width=SCREEN)
    for one in follows:
        lines += wrapped(line(one), "  ", "    ", SCREEN)
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an event that a page sent: how it looks, and what it says, a sentence for each part of it.

    `kind` is `ok` if what was asked for was done, `warn` if it was refused or not done, `bad` if it was rejected.
    """

    kind: Literal["ok", "warn", "bad"]
    sentences: tuple[str, ...]


def answered(event: bytes, texts: Sequence[str]) -> Answer:
    """What a page says of an event and the answers in its record."""
    first, *follows = map(orjson.loads, texts)
    kind: Literal["ok", "warn", "bad"] = "ok" if done(texts) else "bad" if first["type"] == EVENT_REJECTED else "warn"
    return Answer(kind, (_sentence(first, recorded(event)), *map(line, follows)))


def recorded(event: bytes) -> str:
    """The sentence about an event that was recorded: what it has brought about."""
    read = read_record(event)
    data = read.data if isinstance(read, Event) else None
    if isinstance(data, ReviewProposed):
        return proposal(data)
    if isinstance(data, ObligationMet):
        about = data.shipment_id or data.party
        return f"Recorded: {data.kind} of {about}, due on {data.due}, was met on {data.date} ({data.reference})."
    return "Recorded."


def proposal(data: ReviewProposed) -> str:
    """The sentence about a proposal that was recorded."""
    shipment, who = data.shipment_id, data.reviewer
    if data.action == "withdraw":
        return f"Recorded: {who} withdraws what was proposed on the present hold of shipment {shipment}."
    claim = data.authorization
    under = " ".join(filter(None, (claim.kind, claim.reference))) if claim else ""
    what = f"to {data.action} shipment {shipment}{f' under {under}' if under else ''}"
    return f"Recorded: {who} proposes {what}. It is done when a second person decides so."


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
