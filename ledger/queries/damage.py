"""What is damaged in a ledger that a command could not read: the first table, index or row that is not as written."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Connection, Table, func, inspect, select, text

from ledger.database import tables
from ledger.database.rows import FAILURES, why
from ledger.database.store import DatabaseError, LedgerCorrupt, Store, database_message
from ledger.registers.shipments import Shipment
from schemas.codes import State
from schemas.event_types import LEDGER_SOURCE
from schemas.kinds import FactKind, IdentifierKind
from schemas.periods import period
from schemas.times import instant_text
from schemas.wire.read import Event, read_record


def damage(store: Store) -> str | None:
    """What is damaged, as a sentence; None if every table can be read and every row is as the ledger writes it.

    It reads the whole ledger, and is meant for one that a command could not read.
    """
    try:
        with store.read() as connection:
            return _of_tables(connection) or _of_head(connection) or _of_indexes(connection)
    except (DatabaseError, LedgerCorrupt) as error:
        return database_message(error) if isinstance(error, DatabaseError) else str(error)


def _of_tables(connection: Connection) -> str | None:
    for table in tables.metadata.sorted_tables:
        found = inspect(connection)
        if not found.has_table(table.name):
            return f"the table {table.name} is missing"
        missing = {column.name for column in table.columns} - {one["name"] for one in found.get_columns(table.name)}
        if missing:
            return f"the table {table.name} has no column {min(missing)}"
    for table in tables.metadata.sorted_tables:
        try:
            bad = _of_rows(connection, table)
        except DatabaseError as error:
            return f"the table {table.name} cannot be read: {database_message(error)}"
        if bad:
            return bad
    return None


def _of_rows(connection: Connection, table: Table) -> str | None:
    read = _READERS.get(table.name, _anything)
    keys = [column.name for column in table.primary_key.columns]
    for row in connection.execute(table.select().order_by(*keys), execution_options={"yield_per": 5_000}):
        try:
            read(row)
        except FAILURES as error:
            name = "journal record" if table is tables.journal else f"the row of {table.name}"
            return f"{name} {'/'.join(str(getattr(row, key)) for key in keys)} cannot be read ({why(error)})"
    return None


def _of_head(connection: Connection) -> str | None:
    head = connection.execute(tables.head.select()).one_or_none()
    if head is None:
        return "the table head has no row"
    last = connection.execute(select(func.max(tables.journal.c.n))).scalar() or 0
    return None if last == head.n else f"the table head ends at record {head.n}, but the journal at record {last}"


def _of_indexes(connection: Connection) -> str | None:
    if connection.dialect.name != "sqlite":
        return None
    found = str(connection.execute(text("PRAGMA integrity_check(1)")).scalar())
    if found == "ok":
        return None
    found = " ".join(found.replace("*** in database main ***", "").split())
    page = re.match(r"(?:Tree|Page) (\d+)", found)
    query = text("SELECT type || ' ' || name FROM sqlite_master WHERE rootpage = :page")
    name = page and connection.execute(query, {"page": int(page[1])}).scalar()
    return f"the {name} cannot be read ({found})" if name else found


def _anything(_row: Any) -> None:
    """Takes a row whose columns have no form of their own."""


def _journal(row: Any) -> None:
    event = read_record(row.event)
    if row.source != LEDGER_SOURCE and (not isinstance(event, Event) or event.type != row.type):
        raise ValueError(f"its bytes are not an event of type {row.type}")
    for answer in map(orjson.loads, row.answers):
        int(answer["sequence"]), answer["type"].split(), answer["data"].get("shipment_id")
    orjson.loads(row.position).get("topic")
    list(map(int, row.rests_on.split()))
    instant_text(row.recorded)
    if row.happened is not None:
        instant_text(row.happened)


def _shipment(row: Any) -> None:
    Shipment.read(row)
    State(row.state)


def _obligation(row: Any) -> None:
    date.fromisoformat(row.due)
    _, _ = row.subject.split("/", 1)


def _snapshot(row: Any) -> None:
    period(row.id), date.fromisoformat(row.as_of)


def _head(row: Any) -> None:
    if row.closed is not None:
        date.fromisoformat(row.closed)


_READERS: Mapping[str, Callable[[Any], object]] = {
    "entry": lambda row: date.fromisoformat(row.booked),
    "fact": lambda row: FactKind(row.kind),
    "head": _head,
    "identifier": lambda row: IdentifierKind(row.kind),
    "journal": _journal,
    "obligation": _obligation,
    "shipment": _shipment,
    "snapshot": _snapshot,
    "unfinished": lambda row: orjson.loads(row.work).keys(),
}
