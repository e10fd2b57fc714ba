"""The sheet `shipments` of a snapshot: what its shipments were, as its record knows them, whatever comes later."""

from pathlib import Path
from typing import Any

import openpyxl
import orjson
from books_statement import screen
from databases import Databases
from events import of_step
from ledger_events import Line, answers, engine, records, request
from sqlalchemy import select

from ledger.database import tables
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.snapshots import find, tables_of
from schemas.event_types import EVENT_REFUSED
from schemas.periods import period
from services.engine.commands.period_close import close_period
from services.finance.exports import export

QUICK = [
    ("SHP-0001", "Bharat Compute Pvt Ltd", "IN", "H100-SXM5-80GB", "8", "2025-06-05", "LPP"),
    ("SHP-0002", "Example Cloud Polska", "PL", "H100-SXM5-80GB", "1699", "2025-06-20", "LPP"),
    ("SHP-0003", "Example Hosting Singapore", "SG", "H100-SXM5-80GB", "64", "2025-06-23", None),
    ("SHP-0004", "Example Data Arabia", "SA", "H100-SXM5-80GB", "1024", "2025-06-24", "LICENSE LIC-0001"),
    ("SHP-0005", "Example Compute Emirates", "AE", "H100-SXM5-80GB", "2048", "2025-06-30", "VEU"),
]


def close(store: Store, name: str) -> None:
    close_period(Ledger(store), period(name), 1_780_000_000_000_000)


def shipments(store: Store, name: str) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        snapshot = find(connection, name)
        assert snapshot is not None
        return [tuple(row) for row in tables_of(connection, snapshot).shipments()]


def test_the_shipments_of_entries_and_holds_as_the_record_knows_them(databases: Databases) -> None:
    url = databases.ledger()
    screen(url, "quickstart.jsonl")
    store = Store(url)
    refused = Line("//refused.example").event("shipment.amended", request("SHP-0001", "CON-20", 999, "LPP"))
    assert answers(engine(store).run(records([refused], 80)))[0]["type"] == EVENT_REFUSED
    close(store, "2025-Q2")
    assert shipments(store, "2025-Q2") == QUICK
    engine(store).run(records([Line("//later.example").cancelled("SHP-0002")], 90))
    assert shipments(store, "2025-Q2") == QUICK
    close(store, "2025-Q3")
    assert {row[0] for row in shipments(store, "2025-Q3")} >= {"SHP-0002", "SHP-0006"}
    store.close()
    databases.drop(url)


def test_they_are_those_of_the_ledger_where_nothing_came_later(databases: Databases) -> None:
    url = databases.ledger()
    screen(url)
    store = Store(url)
    close(store, "2025")
    found = {row[0]: row for row in shipments(store, "2025")}
    s = tables.shipment
    with store.read() as connection:
        kept = {row.id: row for row in connection.execute(select(s.c.id, s.c.export_date, s.c.ship_to, s.c.terms))}
    assert len(found) > 250
    assert list(found) == sorted(found)
    assert {name: row[5] for name, row in found.items()} == {name: kept[name].export_date for name in found}
    assert {name: row[2] for name, row in found.items()} == {name: kept[name].ship_to for name in found}
    store.close()
    databases.drop(url)


def test_a_hold_stands_though_its_departure_falls_due_with_another_shipment_lapsing(databases: Databases) -> None:
    """The tick's record has an obligation's state, which is not the shipment's."""
    steps = [
        {"do": "request", "ship": {"id": "SHP-1"}},
        {"do": "dispatch", "data": {"shipment_id": "SHP-1", "export_date": "2025-06-05"}},
        {"do": "request", "ship": {"id": "SHP-2"}},
        {"do": "amend", "ship": {"id": "SHP-2", "papers": ["lpp 2025-01-20"], "expires": "2025-06-20"}},
        {"do": "tick", "now": "2025-06-25T00:00:00Z"},
    ]
    url = databases.ledger()
    store = Store(url)
    raws = [of_step(number, step, {}, {"claim": "LPP"}) for number, step in enumerate(steps, 1)]
    told = engine(store).run(records(raws))
    assert {orjson.loads(text)["type"] for text in told[-1]} >= {"tpp.shipment.expired.v1", "tpp.obligation.due.v1"}
    close(store, "2025-06")
    with store.read() as connection:
        snapshot = find(connection, "2025-06")
        assert snapshot is not None
        assert [row.shipment_id for row in tables_of(connection, snapshot).holds] == ["SHP-1"]
    store.close()
    databases.drop(url)


def test_a_shipment_of_a_thousand_long_lines_fits_in_a_cell(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.open()
    data = request("SHP-1", "CON-20", 7, "LPP")
    item = data["items"][0]
    data["items"] = [item | {"line": number, "part_number": f"{number:03}-{'x' * 300}"} for number in range(1, 1_001)]
    engine(store).run(records([Line("//wms.example").event("shipment.requested", data)]))
    close(store, "2025-06")
    with store.read() as connection:
        snapshot = find(connection, "2025-06")
        assert snapshot is not None
        known = tables_of(connection, snapshot)
        readers = {
            "accounts": known.accounts, "entries": known.entries, "holds": lambda: known.holds,
            "shipments": known.shipments,
        }  # fmt: skip
        [path] = export(tmp_path, known.period, "xlsx", readers)
    store.close()
    book = openpyxl.load_workbook(path)
    parts, quantities = book["shipments"]["D2"].value, book["shipments"]["E2"].value
    listed, more = parts.rsplit(" and ", 1)
    count = len(listed.split(", "))
    assert 90 < count < 1_000
    assert more == f"{1_000 - count:,} more"
    assert quantities.split(", ") == ["7"] * 1_000
