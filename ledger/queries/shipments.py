"""What the shipments of a snapshot were, as its record knows them."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, CompoundSelect, Connection, and_, select, union

from ledger.database import tables
from ledger.database.store import LedgerCorrupt
from ledger.queries.entries import Span
from schemas.event_types import EVENT_REFUSED
from schemas.models.incoming import Dispatched, Requested
from schemas.wire.read import Event, read_record

_MOST_PARTS = 30_000
"""The most characters of a shipment's part numbers, which must fit in a cell of a worksheet."""


class ShipmentRow(NamedTuple):
    """A row of the table `shipments`: a tuple of its columns in their order.

    `parts` and `quantities` are those of the lines of the request or amendment in force, in order, separated by commas;
    `authorization` is that of the last decision, None if it has none.
    """

    shipment_id: str
    consignee: str
    country: str
    parts: str
    quantities: str
    export_date: str
    authorization: str | None


def shipments(connection: Connection, span: Span, snapshot: str, record: int) -> Iterator[ShipmentRow]:
    """The shipments that a snapshot names in its entries or holds, by id, as known at its record."""
    wanted = _named(span, snapshot)
    elsewhere = dict(_decided_elsewhere(connection, wanted, record))
    j = tables.journal
    shipment = j.c.shipment_id.collate("C") if connection.dialect.name == "postgresql" else j.c.shipment_id
    query = (
        select(j.c.n, j.c.shipment_id, j.c.event, j.c.answers)
        .where(j.c.shipment_id.in_(wanted), j.c.n <= record)
        .order_by(shipment, j.c.n)
    )
    found = connection.execute(query, execution_options={"yield_per": 1_000})
    for name, own in groupby(found, key=lambda row: str(row.shipment_id)):
        if (row := _shipment(name, own, elsewhere.get(name, (0, None)))) is not None:
            yield row


def _named(span: Span, snapshot: str) -> CompoundSelect[Any]:
    """The shipments of a snapshot's entries and holds."""
    e, j, h = tables.entry, tables.journal, tables.snapshot_hold
    booked = (
        select(e.c.shipment_id).join(j, e.c.n == j.c.n).where(*span.until, span.within, e.c.shipment_id.is_not(None))
    )
    return union(booked, select(h.c.shipment_id).where(h.c.snapshot == snapshot))


def _decided_elsewhere(
    connection: Connection, wanted: CompoundSelect[Any], record: int
) -> Iterator[tuple[str, tuple[int, str | None]]]:
    """The decisions of records about shipments that their events do not name: record and authorization, in order."""
    j, m = tables.journal, tables.mention
    mentions: ColumnElement[bool] = j.c.n.in_(select(m.c.n).where(and_(m.c.shipment_id.in_(wanted), m.c.n <= record)))
    query = select(j.c.n, j.c.answers).where(mentions).order_by(j.c.n)
    for row in connection.execute(query, execution_options={"yield_per": 100}):
        for data in _decisions(_answers(row.n, row.answers)):
            yield data["shipment_id"], (row.n, _authorization(data))


def _shipment(name: str, records: Iterable[Any], elsewhere: tuple[int, str | None]) -> ShipmentRow | None:
    """A shipment after its records, in order; None if none of them requests it."""
    request: Requested | None = None
    day = ""
    decided, authorization = elsewhere
    for row in records:
        answers = _answers(row.n, row.answers)
        if any(answer["type"] == EVENT_REFUSED for answer in answers):
            continue
        event = read_record(row.event)
        data: Any = event.data if isinstance(event, Event) else None
        if isinstance(data, Requested):
            request = data
        if isinstance(data, Requested | Dispatched):
            day = data.export_date.isoformat()
        for decision in _decisions(answers):
            if row.n > decided and decision["shipment_id"] == name:
                decided, authorization = row.n, _authorization(decision)
    if request is None:
        return None
    consignee = request.ultimate_consignee
    parts = _listed([item.part_number for item in request.items])
    quantities = ", ".join(str(item.quantity) for item in request.items)
    return ShipmentRow(name, consignee.name, consignee.country, parts, quantities, day, authorization)


def _answers(n: int, texts: Iterable[str]) -> list[Mapping[str, Any]]:
    try:
        return [orjson.loads(text) for text in texts]
    except ValueError as error:
        raise LedgerCorrupt(f"cannot read the answers of record {n}; see `tpp audit verify`") from error


def _decisions(answers: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The data of the answers that decide a shipment; in version 0.1.0 a hold with a state refused an event."""
    for answer in answers:
        data = answer["data"]
        if "authorization" in data and "shipment_id" in data and "state" not in data:
            yield data


def _authorization(data: Mapping[str, Any]) -> str | None:
    """The authorization of a decision, with its reference."""
    taken = data["authorization"]
    return " ".join(filter(None, (taken["kind"], taken.get("reference")))) if taken else None


def _listed(parts: list[str]) -> str:
    """The part numbers in order, or as many as fit, and how many more there are."""
    size = 0
    for number, part in enumerate(parts):
        size += len(part) + 2
        if size > _MOST_PARTS:
            return f"{', '.join(parts[:number])} and {len(parts) - number:,} more"
    return ", ".join(parts)
