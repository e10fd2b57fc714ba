"""What a batch will need is read ahead: a few queries for all of it, and not some for each event."""

from collections.abc import Collection, Sequence
from typing import Any

from ledger.journal import Journal
from rulebook import Book
from schemas.event_types import LEDGER_SOURCE
from schemas.models.incoming import Dispatched, Requested
from schemas.models.parts import Party
from schemas.wire.read import Rejection
from services.engine.chunks import chunk_id
from services.engine.judgement import once_keys
from services.engine.message import ReadMessage
from services.engine.parties.namesakes import load_ahead

_FACT_KEYS = ("id", "party", "number", "exporter", "holder")
"""The members of an event's data under which facts are kept."""


def prefetch(journal: Journal, book: Book, batch: Sequence[ReadMessage]) -> None:
    """Reads what a batch will need with a few queries: earlier answers, shipments, facts and likely accounts."""
    keys = [(LEDGER_SOURCE, one.rejection) for one in batch]
    shipments: set[str | None] = set()
    leaving: set[str] = set()
    facts: set[str | None] = set()
    stated: set[str] = set()
    paths: set[str] = set()
    consignees: list[Party] = []
    registered: list[Party] = []
    for one in batch:
        event = one.event
        if isinstance(event, Rejection):
            continue
        keys.append((event.source, event.id))
        data: Any = event.data
        if isinstance(data, Requested):
            shipments.add(data.shipment_id)
            facts |= journal.parties.keys(data)
            consignees.append(data.ultimate_consignee)
            paths.update(book.likely_accounts(data))
        elif hasattr(data, "shipment_id"):
            shipments.add(data.shipment_id)
            if isinstance(data, Dispatched):
                leaving.add(data.shipment_id)
        else:
            stated.update(key for name in _FACT_KEYS if (key := getattr(data, name, None)) is not None)
            if isinstance(data, Party):
                registered.append(data)
                facts.add(data.owner)
    journal.records.recall(keys)
    repeated = [key for key in keys if journal.records.answered(key)]
    journal.records.recall([(LEDGER_SOURCE, chunk_id(*key, 2)) for key in repeated])
    journal.shipments.load({name for name in shipments if name is not None})
    journal.facts.load_ahead({name for name in (*facts, *stated) if name is not None})
    journal.accounts.load(paths)
    load_ahead(journal, consignees, registered)
    _once_ahead(journal, batch)
    journal.waiting.load(key for name in stated for key in journal.parties.group(name))
    _departures_ahead(journal, leaving)


def _once_ahead(journal: Journal, batch: Sequence[ReadMessage]) -> None:
    """Reads whether what the prepared requests ask only once was met: else a query for each new pair of parties."""
    options = (option for one in batch if one.prepared is not None for option in one.prepared.options)
    journal.facts.load(once_keys(journal, (owed for option in options for owed in option.obligations)))


def _departures_ahead(journal: Journal, leaving: Collection[str]) -> None:
    """Reads what those shipments were asked and answered that may leave, and what is owed of those that may not."""
    found = {name: journal.shipments.find(name) for name in leaving}
    may = [one for one in found.values() if one is not None and one.open]
    journal.records.load(n for one in may for n in (one.asked, one.last))
    journal.obligations.load(f"shipment/{name}" for name, one in found.items() if one is None or not one.open)
