"""A shipment's records as a memo: what was asked, tried with citations, decided, and what must be filed."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.queries.records import ShipmentRecord
from schemas.models.incoming import Party, Requested
from schemas.wire.read import Event, parse
from services.resources import shown

WIDTH = 100
_MARKS = {"met": "met", "not_met": "NOT MET", "not_applicable": "n/a", "unknown": "UNKNOWN"}


def memo(shipment: str, state: str | None, records: Sequence[ShipmentRecord]) -> str:
    """The whole life of a shipment so far, readable from top to bottom."""
    lines = [f"Shipment {shipment}", "=" * (9 + len(shipment)), ""]
    lines += _wrapped(
        f"State now: {(state or 'never presented').replace('_', ' ')}. Law: 90 FR 4544, codified, not enforced."
    )
    for number, record in enumerate(records, 1):
        lines += ["", *_record(number, record)]
    return "\n".join(lines)


def _record(number: int, record: ShipmentRecord) -> Iterator[str]:
    event = parse(record.event)
    if not isinstance(event, Event):
        return
    kind = event.type.removeprefix("tpp.").removesuffix(".v1").replace(".", " ")
    heading = f"{number}. {kind[0].upper()}{kind[1:]} on {shown(record.happened)}"
    yield heading
    yield "-" * len(heading)
    yield from _wrapped(f"Event {event.id} of {event.source}, journal record {record.n}.")
    yield from _asked(event)
    for answer in record.answers:
        yield from _answer(answer)


def _asked(event: Event) -> Iterator[str]:
    data: Any = event.data
    if isinstance(data, Requested):
        yield from _wrapped(
            f"Asked: {data.transaction} from {data.ship_from} to {data.ship_to} on {data.export_date}, "
            f"for {data.end_use.replace('_', ' ')}. "
            f"Exporter {_party(data.exporter)}; ultimate consignee {_party(data.ultimate_consignee)}."
        )
        for item in data.items:
            yield from _wrapped(
                f"Line {item.line}: {item.quantity:,} × {item.part_number}, {item.eccn}, {item.tpp:,} TPP each, "
                f"{item.quantity * item.tpp:,} TPP.", "  "
            )  # fmt: skip
        claim = data.authorization
        yield from _wrapped(
            f"Claimed: {claim.kind}{' ' + claim.reference if claim.reference else ''}."
            if claim
            else "Claimed: nothing."
        )
        return
    told = data.model_dump(mode="json", exclude_none=True, exclude={"shipment_id"})
    if told:
        yield from _wrapped("; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in told.items()) + ".")


def _party(party: Party) -> str:
    parent = party.ultimate_parent
    owned = f", of {parent.name} ({parent.headquarters})" if parent else ""
    return f"{party.name} ({party.id}, {party.country}, headquarters {party.headquarters}{owned})"


def _answer(answer: dict[str, Any]) -> Iterator[str]:
    data = answer["data"]
    if "outcome" not in data:
        if "entries" in data:
            yield from _wrapped(f"Recorded: {str(data.get('state', 'taken')).replace('_', ' ')}.")
            yield from _moved(data["entries"])
        return
    if data["findings"]:
        yield ""
        yield "  What was tried:"
        for finding in data["findings"]:
            yield from _wrapped(
                finding["detail"], f"    {_MARKS[finding['result']]:8} {finding['provision']}: ", " " * 13
            )
        yield ""
    authorization = data["authorization"]
    under = f" under {authorization['kind']} {authorization.get('reference', '')}".rstrip() if authorization else ""
    tpp = f", {data['tpp']:,} TPP" if data["tpp"] else ""
    law = f", as of the law of {data['law_as_of']}" if data["law_as_of"] else ""
    yield from _wrapped(f"Decided: {data['outcome']}{under}{tpp}{law}.")
    for reason in data["reasons"]:
        yield from _wrapped(f"{reason['message']} ({reason['citation']})", f"    {reason['code']}: ", "      ")
        policy = reason["facts"].get("review_policy")
        if policy:
            yield from _wrapped(
                f"An application for a licence would be reviewed under: {policy.replace('_', ' ')}.", "      "
            )
    yield from _moved(data["debits"])
    if data["obligations"]:
        yield "  To be filed or kept:"
        for duty in data["obligations"]:
            yield from _wrapped(
                f"{duty['due']}  {duty['kind'].replace('_', ' ')} ({duty['citation']})", "    ", " " * 16
            )


def _moved(entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        of = f" of {entry['limit']:,}" if entry["limit"] is not None else ""
        yield from _wrapped(
            f"{entry['account']}: {entry['amount']:,} {entry['state']}, "
            f"balance {entry['balance']:,}{of} (entry {entry['entry']}).",
            "    ",
        )


def _wrapped(text: str, first: str = "  ", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=first if rest is None else rest, break_long_words=False
    )


def proofs(told: Mapping[str, Any]) -> str:
    """What `tpp audit prove` shows of a shipment: where each record stands, and the checkpoint that covers it."""
    origin, size, root = told["checkpoint"].split("\n")[:3]
    lines = [f"Shipment {told['shipment_id']}, in the journal of {origin}: {size} records, root {root}"]
    for record in told["records"]:
        leaf = record["leaf"]
        rests = f"; rests on {', '.join(map(str, leaf['rests_on']))}" if leaf["rests_on"] else ""
        lines += ["", f"Record {leaf['n']}, {leaf['kind']}, recorded {leaf['recorded']}"]
        lines += _wrapped(f"Event {leaf['id']} of {leaf['source']}, SHA-256 {leaf['event']}{rests}.", "  ")
        lines += [
            f"  {entry['account']} entry {entry['entry']}: balance {entry['balance']:,}" for entry in leaf["entries"]
        ]
        lines += [f"  {len(record['proof'])} hashes lead from its leaf to the root"]
    return "\n".join(lines)
