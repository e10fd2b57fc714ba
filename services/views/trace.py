"""The trace of a shipment: every record with what was requested, what was tried and what was decided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from ledger.queries.records import ShipmentRecord
from schemas.event_types import EVENT_REFUSED, LEDGER_SOURCE, RECHECK_REQUESTED, SHIPMENT_ALERT
from schemas.models.incoming import Party, Requested
from schemas.wire.read import Event, read_record
from services.views.moments import shown
from services.views.wrapping import SCREEN, wrapped

MARKS = {"met": "met", "not_met": "NOT MET", "not_applicable": "n/a", "unknown": "UNKNOWN"}
"""How a finding's result is marked."""
_INDENTS = {
    "said": ("  ", "  "),
    "decided": ("  ", "  "),
    "line": ("    ", "    "),
    "title": ("  ", "  "),
    "finding": ("    ", " " * 13),
    "reason": ("    ", "      "),
    "entry": ("    ", "      "),
    "due": ("    ", " " * 16),
}


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a trace says: `mark` is a finding's result, a reason's code or an obligation's day."""

    kind: Literal["said", "decided", "line", "title", "finding", "reason", "entry", "due"]
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One record of a trace under its heading."""

    heading: str
    says: tuple[Said, ...]


def trace(records: Sequence[ShipmentRecord]) -> list[Section]:
    """The records of a shipment, oldest first; one that cannot be read as an event is left out."""
    made = (section(number, record) for number, record in enumerate(records, 1))
    return [one for one in made if one is not None]


def section(number: int, record: ShipmentRecord, *, whole: bool = True) -> Section | None:
    """One record of a shipment under its number; None if it cannot be read as an event.

    Unless it is `whole`, it leaves out what the event says, and tells what came of it.
    """
    event = read_record(record.event)
    if not isinstance(event, Event):
        return None
    asked = _requested(record, event) if whole else ()
    return Section(_heading(number, record, event), (*asked, *_answers(record)))


def title(record: ShipmentRecord) -> str:
    """What happened in a record, in a few words: the kind of its event, and what was decided or refused.

    A record that cannot be read as an event is told by what came of it.
    """
    event = read_record(record.event)
    kind = _kind(event.type) if isinstance(event, Event) else "Record"
    said = ""
    for answer in record.answers:
        data = answer["data"]
        if answer["type"] == EVENT_REFUSED:
            said = "refused"
        elif "outcome" in data:
            said = f"{data['outcome']}{under(data)}"
    return f"{kind}: {said}" if said else kind


def _kind(type: str) -> str:
    """The type of an event in words."""
    kind = type.removeprefix("tpp.").removesuffix(".v1").replace(".", " ").replace("_", " ")
    return f"{kind[0].upper()}{kind[1:]}"


def trace_text(sections: Sequence[Section]) -> str:
    """A trace as lines of text that fit a screen."""
    lines: list[str] = []
    for section in sections:
        heading = wrapped(section.heading, "", width=SCREEN)
        lines += ["", *heading, "-" * max(map(len, heading))]
        for said in section.says:
            lines += _lines(said)
    return "\n".join(lines[1:])


def _lines(said: Said) -> list[str]:
    first, rest = _INDENTS[said.kind]
    if said.kind == "title":
        return ["", f"{first}{said.text}"]
    mark = f"{said.mark:8} " if said.kind == "finding" else f"{said.mark}: " if said.kind == "reason" else ""
    mark = f"{said.mark}  " if said.kind == "due" else mark
    lines = wrapped(f"{mark}{said.text}", first, rest, SCREEN)
    return ["", *lines] if said.kind == "decided" else lines


def _heading(number: int, record: ShipmentRecord, event: Event[Any]) -> str:
    return f"{number}. {_kind(event.type)} on {shown(record.happened)}"


def _requested(record: ShipmentRecord, event: Event[Any]) -> Iterator[Said]:
    yield Said("said", f"Event {event.id} of {event.source}, journal record {record.n}.")
    if event.source == LEDGER_SOURCE and event.type == RECHECK_REQUESTED:
        cause = orjson.loads(event.raw)["data"].get("caused_by")
        yield from [Said("said", f"By the policy auto_recheck, after journal record {cause}.")] if cause else ()
    data: Any = event.data
    if not isinstance(data, Requested):
        members = data.model_dump(mode="json", exclude_none=True, exclude={"shipment_id"})
        if members:
            listed = "; ".join(f"{name.replace('_', ' ')}: {_worded(value)}" for name, value in members.items())
            yield Said("said", f"{listed.removesuffix('.')}.")
        return
    yield Said(
        "said",
        f"Requested: {data.transaction} from {data.ship_from} to {data.ship_to} on {data.export_date}, "
        f"for {data.end_use.replace('_', ' ')}. "
        f"Exporter {_party(data.exporter)}; ultimate consignee {_party(data.ultimate_consignee)}.",
    )
    for item in data.items:
        yield Said(
            "line",
            f"Line {item.line}: {item.quantity:,} × {item.part_number}, {item.eccn}, {item.tpp:,} TPP each, "
            f"{item.quantity * item.tpp:,} TPP.",
        )
    yield Said("said", f"Claimed: {claimed(data)}." if data.authorization else "No authorization claimed.")


def _worded(value: Any) -> str:
    """A member of an event's data in words, also one that has members itself."""
    if isinstance(value, dict):
        return " ".join(f"{name.replace('_', ' ')} {_worded(one)}" for name, one in value.items())
    return ", ".join(map(_worded, value)) if isinstance(value, list) else str(value)


def claimed(asked: Requested) -> str:
    """The claimed authorization with its reference; `nothing` without one."""
    claim = asked.authorization
    return f"{claim.kind} {claim.reference or ''}".rstrip() if claim else "nothing"


def _party(party: Party) -> str:
    parent = party.ultimate_parent
    owned = f", of {parent.name} ({parent.headquarters})" if parent else ""
    return f"{party.name} ({party.id}, {party.country}, headquarters {party.headquarters}{owned})"


def _answers(record: ShipmentRecord) -> Iterator[Said]:
    for answer in record.answers:
        data = answer["data"]
        if answer["type"] == EVENT_REFUSED:
            yield from (Said("said", f"Refused: {_with_citation(reason)}") for reason in data["reasons"])
        elif answer["type"] == SHIPMENT_ALERT:
            yield Said("said", f"Alert: {data['message']}")
        elif "outcome" in data:
            yield from _decision(data)
        elif "entries" in data:
            yield Said("said", f"Recorded: {str(data.get('state', 'accepted')).replace('_', ' ')}.")
            yield from _entries(data["entries"])


def _decision(data: dict[str, Any]) -> Iterator[Said]:
    if data["findings"]:
        yield Said("title", "Provisions tried:")
        for finding in data["findings"]:
            yield Said("finding", f"{finding['provision']}: {finding['detail']}", MARKS[finding["result"]])
    tpp = f", {data['tpp']:,} TPP" if data["tpp"] else ""
    law = f", under the law of {data['law_as_of']}" if data["law_as_of"] else ""
    yield Said("decided", f"Decided: {data['outcome']}{under(data)}{tpp}{law}.")
    yield from (Said("reason", _with_citation(reason), reason["code"]) for reason in data["reasons"])
    yield from _entries(data["debits"])
    if data["obligations"]:
        yield Said("title", "Obligations:")
        yield from (Said("due", duty(one), one["due"]) for one in data["obligations"])


def _with_citation(reason: dict[str, Any]) -> str:
    return f"{reason['message']} ({reason['citation']})"


def under(decision: Mapping[str, Any]) -> str:
    """The authorization of a decision after the word "under"; empty without one."""
    taken = decision["authorization"]
    return f" under {taken['kind']} {taken.get('reference', '')}".rstrip() if taken else ""


def duty(obligation: Mapping[str, Any]) -> str:
    """An obligation in words, with its citation."""
    return f"{obligation['kind'].replace('_', ' ')} ({obligation['citation']})"


def _entries(entries: Sequence[dict[str, Any]]) -> Iterator[Said]:
    for entry in entries:
        of = f" of {entry['limit']:,}" if entry["limit"] is not None else ""
        yield Said(
            "entry",
            f"{entry['account']}: {entry['amount']:,} {entry['state']}, "
            f"balance {entry['balance']:,}{of} (entry {entry['entry']}).",
        )
