"""A shipment's records as a memo: what was requested, what was tried, what was decided, and what must be filed."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from ledger.queries.records import ShipmentRecord
from schemas.event_types import EVENT_REFUSED, SHIPMENT_ALERT
from schemas.models.incoming import Party, Requested
from schemas.wire.read import Event, read_record
from services.views.moments import shown
from services.views.wrapping import wrapped
from services.visible import visible

_MARKS = {"met": "met", "not_met": "NOT MET", "not_applicable": "n/a", "unknown": "UNKNOWN"}


def to_json(records: Sequence[ShipmentRecord]) -> list[dict[str, Any]]:
    """The records of a shipment: each with its number, its event and the answers that are about the shipment."""
    return [{"record": one.n, "event": orjson.loads(one.event), "answers": list(one.answers)} for one in records]


def memo(shipment: str, state: str | None, records: Sequence[ShipmentRecord]) -> str:
    """The life of a shipment so far, to be read from top to bottom."""
    shipment = visible(shipment)
    lines = [f"Shipment {shipment}", "=" * (9 + len(shipment)), ""]
    lines += wrapped(f"State: {(state or 'unknown').replace('_', ' ')}. Law: 90 FR 4544 (codified, not enforced).")
    for number, record in enumerate(records, 1):
        lines += ["", *_record(number, record)]
    return "\n".join(lines)


def _record(number: int, record: ShipmentRecord) -> Iterator[str]:
    event = read_record(record.event)
    if not isinstance(event, Event):
        return
    kind = event.type.removeprefix("tpp.").removesuffix(".v1").replace(".", " ")
    heading = f"{number}. {kind[0].upper()}{kind[1:]} on {shown(record.happened)}"
    yield heading
    yield "-" * len(heading)
    yield from wrapped(f"Event {event.id} of {event.source}, journal record {record.n}.")
    yield from _requested(event)
    for answer in record.answers:
        yield from _answer(answer)


def _requested(event: Event) -> Iterator[str]:
    data: Any = event.data
    if isinstance(data, Requested):
        yield from wrapped(
            f"Requested: {data.transaction} from {data.ship_from} to {data.ship_to} on {data.export_date}, "
            f"for {data.end_use.replace('_', ' ')}. "
            f"Exporter {_party(data.exporter)}; ultimate consignee {_party(data.ultimate_consignee)}."
        )
        for item in data.items:
            yield from wrapped(
                f"Line {item.line}: {item.quantity:,} × {item.part_number}, {item.eccn}, {item.tpp:,} TPP each, "
                f"{item.quantity * item.tpp:,} TPP.", "  "
            )  # fmt: skip
        claim = data.authorization
        yield from wrapped(
            f"Claimed: {claim.kind}{' ' + claim.reference if claim.reference else ''}."
            if claim
            else "No authorization claimed."
        )
        return
    members = data.model_dump(mode="json", exclude_none=True, exclude={"shipment_id"})
    if members:
        listed = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in members.items())
        yield from wrapped(f"{listed.removesuffix('.')}.")


def _party(party: Party) -> str:
    parent = party.ultimate_parent
    owned = f", of {parent.name} ({parent.headquarters})" if parent else ""
    return f"{party.name} ({party.id}, {party.country}, headquarters {party.headquarters}{owned})"


def _answer(answer: dict[str, Any]) -> Iterator[str]:
    data = answer["data"]
    if answer["type"] == EVENT_REFUSED:
        for reason in data["reasons"]:
            yield from wrapped(f"{reason['message']} ({reason['citation']})", "  Refused: ", "    ")
        return
    if answer["type"] == SHIPMENT_ALERT:
        yield from wrapped(f"Alert: {data['message']}")
        return
    if "outcome" not in data:
        if "entries" in data:
            yield from wrapped(f"Recorded: {str(data.get('state', 'accepted')).replace('_', ' ')}.")
            yield from _entries(data["entries"])
        return
    if data["findings"]:
        yield ""
        yield "  Provisions tried:"
        for finding in data["findings"]:
            yield from wrapped(
                finding["detail"], f"    {_MARKS[finding['result']]:8} {finding['provision']}: ", " " * 13
            )
        yield ""
    authorization = data["authorization"]
    under = f" under {authorization['kind']} {authorization.get('reference', '')}".rstrip() if authorization else ""
    tpp = f", {data['tpp']:,} TPP" if data["tpp"] else ""
    law = f", under the law of {data['law_as_of']}" if data["law_as_of"] else ""
    yield from wrapped(f"Decided: {data['outcome']}{under}{tpp}{law}.")
    for reason in data["reasons"]:
        yield from wrapped(f"{reason['message']} ({reason['citation']})", f"    {reason['code']}: ", "      ")
        policy = reason["facts"].get("review_policy")
        if policy:
            yield from wrapped(f"Licence applications: {policy.replace('_', ' ')}.", "      ")
    yield from _entries(data["debits"])
    if data["obligations"]:
        yield "  Obligations:"
        for obligation in data["obligations"]:
            yield from wrapped(
                f"{obligation['due']}  {obligation['kind'].replace('_', ' ')} ({obligation['citation']})",
                "    ",
                " " * 16,
            )


def _entries(entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        of = f" of {entry['limit']:,}" if entry["limit"] is not None else ""
        yield from wrapped(
            f"{entry['account']}: {entry['amount']:,} {entry['state']}, "
            f"balance {entry['balance']:,}{of} (entry {entry['entry']}).",
            "    ",
        )
