"""The work list: held shipments with their reasons, and obligations."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Connection, select

from ledger.database import tables
from ledger.registers.shipments import HELD_STATES


def holds(connection: Connection) -> Iterator[dict[str, Any]]:
    """Held shipments, oldest first, with the reasons of their present holds, as JSON objects."""
    s, j = tables.shipment, tables.journal
    query = (
        select(s.c.id, s.c.state, s.c.held, s.c.export_date, s.c.tpp, j.c.happened, j.c.answers)
        .join_from(s, j, s.c.held == j.c.n)
        .where(s.c.state.in_(HELD_STATES))
        .order_by(s.c.first)
    )
    for row in connection.execute(query):
        decided = (data for data in map(_data, row.answers) if data.get("shipment_id") == row.id)
        reasons: list[dict[str, Any]] = next((data["reasons"] for data in decided if data.get("outcome") == "held"), [])
        yield {
            "shipment_id": row.id,
            "state": row.state,
            "record": row.held,
            "happened": row.happened,
            "export_date": row.export_date,
            "tpp": row.tpp,
            "codes": list(dict.fromkeys(reason["code"] for reason in reasons)),
            "reasons": reasons,
        }


def ended(connection: Connection, subjects: Collection[str]) -> dict[tuple[str, str, str], str]:
    """The obligations of these subjects that were met or withdrawn: their states by subject, kind and day."""
    t = tables.obligation
    query = select(t.c.subject, t.c.kind, t.c.due, t.c.state).where(t.c.subject.in_(subjects), t.c.state != "open")
    return {(row.subject, row.kind, row.due): row.state for row in connection.execute(query)}


def _data(answer: str) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(answer)["data"]
    return data


def obligations(connection: Connection, due_by: date | None = None, every: bool = False) -> list[dict[str, Any]]:
    """Open obligations as JSON objects, the earliest due first; `every`: also those met or withdrawn."""
    t = tables.obligation
    query = select(t.c.subject, t.c.kind, t.c.due, t.c.citation, t.c.state, t.c.n).order_by(
        t.c.due, t.c.subject, t.c.kind
    )
    if not every:
        query = query.where(t.c.state == "open")
    if due_by is not None:
        query = query.where(t.c.due <= due_by.isoformat())
    found = []
    for row in connection.execute(query):
        whose, identifier = row.subject.split("/", 1)
        name = "shipment_id" if whose == "shipment" else "party"
        found.append(
            {
                "due": row.due,
                "kind": row.kind,
                name: identifier,
                "citation": row.citation,
                "state": row.state,
                "record": row.n,
            }
        )
    return found
