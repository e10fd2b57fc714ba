"""What the shipments of a pack went through, in words; it proves nothing, the records do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ledger.queries.records import ShipmentRecord, records
from schemas.event_types import EVENT_REFUSED, OBLIGATION_DUE, short_name
from schemas.models.incoming import Requested
from schemas.periods import Period
from schemas.times import instant_text
from schemas.wire.read import Event, read_record
from services.visible import visible

_HEAD = """\
This file proves nothing. It says in words what records.jsonl contains, as the program that made the pack reads it.
What counts are the records, and what the verifier says of them. Amounts are in TPP, times in UTC.
"""


def summary(connection: Connection, shipments: Iterable[str], period: Period | None, size: int) -> Iterator[str]:
    """The summary of a pack in pieces: what it is about, and the life of each shipment in the first `size` records."""
    yield _HEAD
    chosen = f"Shipments with an entry booked in {period.name}" if period else "Shipments that were chosen"
    yield f"\n{chosen}, in the journal up to record {size:,}.\n"
    for shipment in sorted(shipments):
        known = [one for one in records(connection, shipment) if one.n <= size]
        yield visible(f"\nShipment {shipment}: {_state(known)}\n", keep="\n")
        for record in known:
            yield from (visible(f"{line}\n", keep="\n") for line in _record(record))


def _state(known: Sequence[ShipmentRecord]) -> str:
    """The state of a shipment after its records."""
    answers = (answer for record in reversed(known) for answer in reversed(record.answers))
    told = (answer["data"] for answer in answers if answer["type"] != OBLIGATION_DUE)
    found = next((state for data in told if (state := data.get("state") or data.get("outcome"))), "unknown")
    return str(found).replace("_", " ")


def _record(record: ShipmentRecord) -> Iterator[str]:
    event = read_record(record.event)
    if not isinstance(event, Event):
        return
    happened = "" if record.happened is None else f", {instant_text(record.happened)}"
    yield f"  record {record.n:,}{happened}, {short_name(event.type).replace('.', ' ')}"
    if isinstance(event.data, Requested):
        yield f"    {_request(event.data)}"
    for answer in record.answers:
        yield from (f"    {words}" for words in _answer(answer["type"], answer["data"]))


def _request(data: Requested) -> str:
    goods = ", ".join(f"{item.quantity:,} × {item.part_number}" for item in data.items)
    to = data.ultimate_consignee
    return f"{goods}, {data.ship_from} to {data.ship_to} on {data.export_date}, for {to.name} ({to.id}, {to.country})"


def _answer(kind: str, data: Mapping[str, Any]) -> Iterator[str]:
    """An answer in words: what was decided or refused and why, and what moved on accounts."""
    taken = data.get("authorization")
    under = f" under {' '.join(filter(None, (taken['kind'], taken.get('reference'))))}" if taken else ""
    if kind == EVENT_REFUSED:
        yield "refused"
    elif "outcome" in data:
        yield f"{data['outcome']}{under}, {data['tpp']:,} TPP"
    elif "message" in data:
        yield f"alert: {data['message']}"
    for reason in data.get("reasons", ()):
        yield f"  {reason['code']}: {reason['message']} ({reason['citation']})"
    for entry in (*data.get("debits", ()), *data.get("entries", ())):
        yield f"  {entry['account']}: {entry['amount']:,} {entry['state']}, balance {entry['balance']:,}"
