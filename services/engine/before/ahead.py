"""What a batch will need is read ahead: a few queries for all of it, and not some for each event."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.database.statements import Load
from ledger.journal import Journal
from ledger.registers.identifiers import named
from ledger.registers.records import Key
from rulebook import Book
from schemas.event_types import LEDGER_SOURCE
from schemas.models.incoming import Dispatched, Requested
from schemas.models.parts import Party
from schemas.wire.read import Rejection
from services.engine.chunks import chunk_id
from services.engine.judgement import once_keys
from services.engine.message import ReadMessage
from services.engine.parties.namesakes import forms_ahead

_FACT_KEYS = ("id", "party", "number", "exporter", "holder")
"""The members of an event's data under which facts are kept."""


@dataclass(slots=True)
class _Named:
    """What the events of a batch name: shipments, those that may leave, keys of facts, accounts that may be debited.

    `answers` are the keys under which they may be answered already, `stated` those under which they may state facts.
    """

    answers: list[Key] = field(default_factory=list)
    shipments: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    facts: set[str] = field(default_factory=set)
    stated: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    consignees: list[Party] = field(default_factory=list)
    registered: list[Party] = field(default_factory=list)

    def add(self, journal: Journal, book: Book, data: Any) -> None:
        """Adds what the data of one event name."""
        if isinstance(data, Requested):
            self.shipments.add(data.shipment_id)
            self.facts |= journal.parties.keys(data)
            self.consignees.append(data.ultimate_consignee)
            self.paths.update(map(journal.accounts.path, book.likely_accounts(data)))
        elif (shipment := getattr(data, "shipment_id", None)) is not None:
            self.shipments.add(shipment)
            if isinstance(data, Dispatched):
                self.leaving.add(shipment)
        elif not hasattr(data, "shipment_id"):
            self.stated.update(key for name in _FACT_KEYS if (key := getattr(data, name, None)) is not None)
            if isinstance(data, Party):
                self.registered.append(data)
                self.facts.add(data.owner)


def prefetch(journal: Journal, book: Book, batch: Sequence[ReadMessage]) -> None:
    """Reads what a batch will need: what its events name, asked together, and then what only that tells of."""
    found = _Named()
    for one in batch:
        found.answers.append((LEDGER_SOURCE, one.rejection))
        if not isinstance(one.event, Rejection):
            found.answers.append((one.event.source, one.event.id))
            found.add(journal, book, one.event.data)
    of_facts = {*found.facts, *found.stated}
    parties = (*found.consignees, *found.registered)
    journal.transaction.read(
        journal.records.recalling(found.answers),
        journal.shipments.loading(found.shipments),
        journal.facts.loading({*of_facts, *_asked_once(journal, batch)}),
        journal.accounts.loading(found.paths),
        journal.owners.loading({name for one in parties for name in (one.id, one.owner)}),
        journal.identifiers.loading(one.owner for one in found.consignees),
        journal.waiting.loading(key for name in found.stated for key in journal.parties.group(name)),
    )
    repeated = [key for key in found.answers if journal.records.answered(key)]
    unopened = (path for path in found.paths if journal.accounts.find(path) is None)
    journal.transaction.read(
        journal.records.recalling((LEDGER_SOURCE, chunk_id(*key, 2)) for key in repeated),
        journal.identifiers.loading(
            {*journal.facts.unstated(of_facts), *(name for path in unopened for _, name in named(path))}
        ),
        journal.owners.loading_forms(forms_ahead(journal, found.consignees, found.registered)),
        *_departures(journal, found.leaving),
    )


def _asked_once(journal: Journal, batch: Sequence[ReadMessage]) -> Iterator[str]:
    """The keys of what the prepared requests ask only once: else a query for each new pair of parties."""
    options = (option for one in batch if one.prepared is not None for option in one.prepared.options)
    return once_keys(journal, (owed for option in options for owed in option.obligations))


def _departures(journal: Journal, leaving: set[str]) -> Iterator[Load]:
    """Reads what those shipments were asked and answered that may leave, and what is owed of those that may not."""
    found = {name: journal.shipments.find(name) for name in leaving}
    may = [one for one in found.values() if one is not None and one.open]
    yield journal.records.loading(n for one in may for n in (one.asked, one.last))
    yield journal.obligations.loading(f"shipment/{name}" for name, one in found.items() if one is None or not one.open)
