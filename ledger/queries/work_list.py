"""The work list: held shipments with their reasons, and obligations."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.registers.shipments import HELD_STATES
from schemas.kinds import LEFT_WITHOUT_APPROVAL

_SHIPMENT = "shipment/"


def holds(connection: Connection) -> Iterator[dict[str, Any]]:
    """Held shipments, oldest first, with the reasons of their present holds, as JSON objects.

    Before them those that left without an approval, held or not, known or not, until that obligation is met:
    `left_without_approval` is the day on which they left.
    """
    s, o, j = tables.shipment, tables.obligation, tables.journal
    open_ = (o.c.kind == LEFT_WITHOUT_APPROVAL) & (o.c.state == "open")
    of = func.substr(o.c.subject, len(_SHIPMENT) + 1)
    columns = (s.c.state, s.c.held, s.c.export_date, s.c.tpp, j.c.happened, j.c.answers)
    known = o.outerjoin(s, s.c.id == of)
    left = (
        select(of.label("id"), o.c.due, o.c.n, *columns)
        .select_from(known.join(j, j.c.n == func.coalesce(s.c.held, o.c.n)))
        .where(open_)
        .order_by(o.c.n, o.c.due)
    )
    seen = set()
    for row in connection.execute(left):
        if row.id not in seen:
            seen.add(row.id)
            yield _hold(row, row.held or row.n, row.due)
    held = (
        select(s.c.id, *columns)
        .join_from(s, j, s.c.held == j.c.n)
        .where(s.c.state.in_(HELD_STATES), s.c.id.not_in(select(of).where(open_)))
        .order_by(s.c.first)
    )
    for hold in connection.execute(held):
        yield _hold(hold, hold.held, None)


def _hold(row: Any, record: int, left: str | None) -> dict[str, Any]:
    decided = (data for data in map(_data, row.answers) if data.get("shipment_id") == row.id)
    reasons: list[dict[str, Any]] = next((data["reasons"] for data in decided if data.get("outcome") == "held"), [])
    return {
        "shipment_id": row.id,
        "state": row.state or "unknown",
        "record": record,
        "happened": row.happened,
        "export_date": row.export_date or left,
        "tpp": row.tpp,
        "left_without_approval": left,
        "codes": list(dict.fromkeys(reason["code"] for reason in reasons)),
        "reasons": reasons,
    }


def departures(connection: Connection, shipment: str) -> list[dict[str, Any]]:
    """The obligations of a shipment that left without an approval, as decisions name obligations, with their states."""
    o = tables.obligation
    chosen = (o.c.subject == f"{_SHIPMENT}{shipment}") & (o.c.kind == LEFT_WITHOUT_APPROVAL)
    query = select(o.c.kind, o.c.due, o.c.citation, o.c.state).where(chosen).order_by(o.c.due)
    return [dict(row) for row in connection.execute(query).mappings()]


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
