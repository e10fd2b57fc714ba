"""The answer to an event as a person reads it who has just asked for it: a sentence, and what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from ledger.database.store import Connection
from ledger.queries.held.proposals import last_of, standing
from schemas.codes import ReasonCode
from schemas.event_types import (
    EVENT_RECORDED,
    EVENT_REFUSED,
    EVENT_REJECTED,
    HTTP_SOURCES,
    SHIPMENT_DENIED,
    SHIPMENT_RELEASED,
)  # fmt: skip
from schemas.models.facts import ObligationMet
from schemas.models.incoming import ReviewDecided, ReviewProposed
from schemas.wire.read import Event, read_record
from services.views.event_lines import line
from services.views.moments import shown
from services.views.trace import under
from services.views.wrapping import SCREEN, counted, wrapped

_NAMED, _FOLLOWING = 10, 10
"""The most shipments that a sentence names, and the most events that follow and are told."""
_DONE = frozenset({EVENT_RECORDED, SHIPMENT_DENIED, SHIPMENT_RELEASED})


def done(texts: Sequence[str]) -> bool:
    """Whether an event did what was asked for: it was recorded, or a shipment was released or denied."""
    return orjson.loads(texts[0])["type"] in _DONE


def is_refused(texts: Sequence[str]) -> bool:
    """Whether an event was refused or rejected: nothing came of it."""
    return orjson.loads(texts[0])["type"] in (EVENT_REFUSED, EVENT_REJECTED)


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
    `late`: the shipment that was decided before, so that the event was refused; None of any other answer.
    """

    kind: Literal["ok", "warn", "bad"]
    sentences: tuple[str, ...]
    late: str | None = None


def answered(event: bytes, texts: Sequence[str]) -> Answer:
    """What a page says of an event and the answers in its record."""
    first, *follows = map(orjson.loads, texts)
    kind: Literal["ok", "warn", "bad"] = "ok" if done(texts) else "bad" if first["type"] == EVENT_REJECTED else "warn"
    data, told = first["data"], tuple(map(line, follows[:_FOLLOWING]))
    if len(follows) > _FOLLOWING:
        told += (f"And {counted(len(follows) - _FOLLOWING, 'more event')}.",)
    if "skipped" in data:
        return Answer("ok" if data["released"] else "warn", (rechecked(data), *told))
    return Answer(kind, (_sentence(first, recorded(event)), *told), _late(first))


def rechecked(data: Mapping[str, Any]) -> str:
    """The sentence about a recheck: what it released, what stays held, what it skipped; of many, of its first part.

    >>> rechecked({"released": ["SHP-1"], "held": ["SHP-2", "SHP-3"], "skipped": [], "holds": 3})
    'Rechecked 3 holds. Released: SHP-1. Still held: SHP-2, SHP-3.'
    """
    parts = {name: data[name] for name in ("released", "held", "skipped")}
    seen, holds = sum(map(len, parts.values())), data.get("holds", 0)
    heads = {"released": "Released", "held": "Still held", "skipped": "Skipped, since the export date is past"}
    said = [f"Rechecked {counted(seen, 'hold')}."]
    if holds > seen:
        said = [f"Rechecked the first {seen:,} of {counted(holds, 'hold')}; the others follow by themselves."]
    for name, ids in parts.items():
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        said += [f"{heads[name]}: {', '.join(ids[:_NAMED])}{more}."] if ids else []
    return " ".join(said)


def _late(first: Mapping[str, Any]) -> str | None:
    """The shipment that a refused event came too late for."""
    reasons = first["data"].get("reasons", ()) if first["type"] == EVENT_REFUSED else ()
    late = any(one["code"] == ReasonCode.SHIPMENT_STATE for one in reasons)
    return str(first["data"]["shipment_id"]) if late and "shipment_id" in first["data"] else None


def last_decided(connection: Connection, shipment: str) -> str:
    """The sentence about what last decided a shipment, and who; empty if there is none."""
    one = standing(connection, [shipment]).get(shipment)
    record = None if one is None else last_of(connection, one.last)
    event = None if record is None else read_record(record.event)
    if one is None or record is None or not isinstance(event, Event):
        return ""
    datas = (orjson.loads(text)["data"] for text in record.answers)
    mine = [data for data in datas if data.get("shipment_id") == shipment and "outcome" in data]
    what = (f"{mine[0]['outcome']}{under(mine[0])}" if mine else one.state).replace("_", " ")
    return f"Shipment {shipment} was {what} on {shown(record.happened)} by {_who(event)}."


def _who(event: Event[Any]) -> str:
    """Who sent an event: the reviewers that it names, the person of the page, else its source."""
    data = event.data
    if isinstance(data, ReviewDecided):
        return f"{data.reviewer} and {data.second_reviewer}" if data.second_reviewer else str(data.reviewer)
    kind = event.type.removeprefix("tpp.").removesuffix(".v1").replace(".", " ")
    return f"{event.source.removeprefix(HTTP_SOURCES)} ({kind})"


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
