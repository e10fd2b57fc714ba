"""Holds by a restricted-party list: a list of a few entries is loaded, and a shipment's consignee resembles some."""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
from holds_run import fill, shipment
from reading_run import request
from web_run import Served

from ledger.database.store import Store
from ledger.journal import Ledger
from rulebook import load
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from services.engine.commands.list_load import load_list
from services.engine.engine import Engine
from services.resources import software

NAME = "National Supercomputing Center Jinan"
ENTRIES = (
    ListEntry(id="bis-entity-list/795", name=NAME, kind=ListKind.ENTITY, countries=("CN",), requirement="All items"),
    ListEntry(id="bis-entity-list/796", name="Jinan Supercomputing National Center", countries=("CN",)),
)


def load_entries(web: Served, name: str = "us", entries: Sequence[ListEntry] = ENTRIES) -> None:
    """Puts entries in force as a list, beside the server."""
    content = content_of(entries)
    wanted = {
        "name": name, "version": "2026-07-09", "sha256": digest_of(content), "file_sha256": digest_of(content),
        "entries": len(entries), "threshold": "0.85",
    }  # fmt: skip
    store = Store(web.ledger)
    try:
        ledger = Ledger(store)
        engine = Engine(ledger, load("ai-diffusion"), lambda: 0, software())
        when = datetime(2025, 6, 1, tzinfo=UTC)
        load_list(ledger, engine, wanted, content, when, 0, lambda _: (len(entries), 0, 0))
    finally:
        store.close()


def listed(web: Served, name: str = NAME) -> str:
    """A shipment that is held because its consignee resembles both entries; its id."""
    id = shipment()
    asked = orjson.loads(request(id, consignee=f"CON-{id}"))
    asked["data"]["ultimate_consignee"]["name"] = name
    fill(web, [orjson.dumps(asked)])
    return id
