"""Whether every message of the input topics has exactly one answer in the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from ledger.database.store import Store
from ledger.queries.records import TakenEvent, decided_early, taken, taken_twice
from ledger.registers.records import Key
from schemas.event_types import INPUTS, LEDGER_SOURCE
from schemas.wire.read import Event, same_content
from services.engine.answers import position_text
from services.engine.engine import Engine
from services.engine.message import ReadMessage
from services.failure import BrokerError
from services.kafka.keys import Keys
from services.kafka.messages import record
from services.kafka.offsets import Offsets, Place
from services.resources import standing

if TYPE_CHECKING:
    from services.settings import Settings

CHUNK = 500
NAMED = 1_000
"""How many keys, and how many shipments, are named."""


def intake(settings: "Settings", ledger_url: str | None, topics: Sequence[str] = INPUTS) -> dict[str, Any]:
    """The number of messages and answers of each topic, and the messages that have no answer, or two.

    `topics`: name to `messages`, `answered`, `missing`, `doubled`, and `expired`, the number of offsets that retention
    has deleted. `missing` and `doubled`: `{position, …}` of each such message; for a missing one, `passed` says whether
    the workers are past it or have not reached it yet. Messages of aborted or open transactions do not count.
    `split_keys`: the keys that stand in several partitions, whose messages have no order. `overtaken`: the shipments of
    such messages of which records were decided too early, with the numbers of these records. Both are lists of at most
    NAMED; `split_keys_total` and `overtaken_total` count all.

    Raises BrokerError if the broker does not answer or a topic does not exist, Failure if the ledger cannot be read.
    """
    from kafka.errors import KafkaError

    with standing(ledger_url) as store, closing(Offsets(settings)) as offsets, Keys() as keys:
        try:
            found = _intake(store, offsets, keys, topics)
        except KafkaError as error:
            raise BrokerError(f"cannot read the input topics: {error}") from error
        return found | _split(store, keys)


def _intake(store: Store, offsets: Offsets, keys: Keys, topics: Sequence[str]) -> dict[str, Any]:
    places = offsets.places(topics)
    ends, beginnings, committed = offsets.ends(places), offsets.beginnings(places), offsets.committed(places)
    missing: list[dict[str, Any]] = []
    counts: dict[str, dict[str, int]] = {
        topic: {"messages": 0, "answered": 0, "missing": 0, "doubled": 0, "expired": 0} for topic in topics
    }
    for where in places:
        count = counts[where[0]]
        count["expired"] += beginnings[where]
        for chunk in _chunks(offsets, keys, where, beginnings[where], ends[where]):
            count["messages"] += len(chunk)
            for read in (read for read, answer in answered(store, chunk) if answer is None):
                passed = read.message.position["offset"] < committed.get(where, 0)
                missing.append({"position": read.message.position, "passed": passed, **_name(read)})
                count["missing"] += 1
            count["answered"] = count["messages"] - count["missing"]
    doubled = _doubled(store, topics)
    for one in doubled:
        counts[one["position"]["topic"]]["doubled"] += 1
    return {"topics": counts, "missing": missing, "doubled": doubled}


def _chunks(offsets: Offsets, keys: Keys, where: Place, first: int, end: int) -> Iterator[list[ReadMessage]]:
    """The messages of a partition, read as the worker reads them; their keys are added to `keys`."""
    messages = offsets.messages(where, first, end)
    while chunk := list(islice(messages, CHUNK)):
        found = Engine.read([record(message) for message in chunk])
        keys.add(where, ((one.key, _shipment(read)) for one, read in zip(chunk, found, strict=True) if one.key))
        yield found


def _shipment(read: ReadMessage) -> str:
    """The shipment that a message names; empty if it names none."""
    return (isinstance(read.event, Event) and getattr(read.event.data, "shipment_id", None)) or ""


def _split(store: Store, keys: Keys) -> dict[str, Any]:
    """The keys that stand in several partitions, and the shipments of which something was decided too early."""
    named, total = _first(asdict(one) for one in keys.split())
    with store.read() as connection:
        found = ((shipment, decided_early(connection, shipment)) for shipment in keys.shipments())
        overtaken, many = _first({"shipment_id": shipment, "records": early} for shipment, early in found if early)
    return {"split_keys": named, "split_keys_total": total, "overtaken": overtaken, "overtaken_total": many}


def _first(found: Iterator[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The first of what is found, as many as are named, and how many there are."""
    named = list(islice(found, NAMED))
    return named, len(named) + sum(1 for _ in found)


def answered(store: Store, chunk: Sequence[ReadMessage]) -> list[tuple[ReadMessage, TakenEvent | None]]:
    """Each message with its event or its rejection as the ledger has it; None if it has neither.

    An event that the ledger received with other content does not answer this message, which has its own rejection.
    """
    wanted: dict[str, set[str]] = {LEDGER_SOURCE: {read.rejection for read in chunk}}
    for read in chunk:
        if isinstance(read.event, Event):
            wanted.setdefault(read.event.source, set()).add(read.event.id)
    with store.read() as connection:
        known = taken(connection, store, wanted)
    return [(read, _answer(read, known)) for read in chunk]


def _answer(read: ReadMessage, known: Mapping[Key, TakenEvent]) -> TakenEvent | None:
    event = read.event
    rejection = known.get((LEDGER_SOURCE, read.rejection))
    if rejection is not None or not isinstance(event, Event):
        return rejection
    one = known.get((event.source, event.id))
    return one if one is not None and same_content(event.raw, one.event) else None


def _name(read: ReadMessage) -> dict[str, str]:
    event = read.event
    return {"source": event.source, "id": event.id} if isinstance(event, Event) else {}


def _doubled(store: Store, topics: Sequence[str]) -> list[dict[str, Any]]:
    """The messages of which there is more than one record."""
    doubled = []
    with store.read() as connection:
        for one in taken_twice(connection):
            with suppress(KeyError):
                position = orjson.loads(one.position)
                if position["topic"] in topics:
                    place = position_text(position)
                    doubled.append({"position": position, "place": place, "records": one.records})
    return sorted(doubled, key=lambda one: one["records"])
