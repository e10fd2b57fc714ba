"""Compares the end of the output topics with the ledger: what was published must be what the ledger gave out."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import orjson

from ledger.database.store import Connection, Store
from ledger.proof.leaves import check_last_leaf
from ledger.queries.records import last_record, published, published_answer
from schemas.event_types import INPUTS, TOPICS
from services.failure import Failure
from services.kafka.offsets import Offsets

if TYPE_CHECKING:
    from services.settings import Settings

TAIL = 1000
"""The messages of a partition that are looked at, the last ones: fewer than two batches of the relay are sent twice."""

OUTPUTS = tuple(topic for topic in TOPICS if topic not in INPUTS)
REMEDY = "stop every part and see docs/operate/index.md"


def check_published(settings: "Settings", store: Store) -> None:
    """Raises Failure if the output topics have events that the ledger does not have, or has otherwise.

    It takes the last event of each partition. Events up to the sequence number that was given up are left out. Raises
    KafkaError or BrokerError if the broker does not answer, LedgerCorrupt if the ledger's own tree disagrees with it.
    """
    with closing(Offsets(settings)) as offsets, store.read() as connection:
        check_last_leaf(connection, store)
        lost = published(connection).lost
        for topic, sequence, value in _last_events(offsets):
            if sequence > lost:
                _compare(connection, topic, sequence, value)


def _compare(connection: Connection, topic: str, sequence: int, value: bytes) -> None:
    found = published_answer(connection, sequence)
    if found is not None and found.encode() == value:
        return
    event, last = orjson.loads(value)["id"], last_record(connection)
    if found is None:
        raise Failure(
            f"the ledger has lost its end: event {event}, sequence number {sequence}, was published on {topic}, but "
            f"the ledger ends before it, at record {last}; {REMEDY}"
        )
    raise Failure(
        f"the ledger is not the one whose events were published: {topic} has event {event} with sequence number "
        f"{sequence}, for which the ledger, which ends at record {last}, has {orjson.loads(found)['id']}; {REMEDY}"
    )


def _last_events(offsets: Offsets) -> Iterator[tuple[str, int, bytes]]:
    """The event with the highest sequence number of each partition of the output topics."""
    places = [place for topic in OUTPUTS for place in offsets.existing(topic)]
    ends, beginnings = offsets.ends(places), offsets.beginnings(places)
    for place in places:
        first = max(beginnings[place], ends[place] - TAIL)
        values = (message.value for message in offsets.messages(place, first, ends[place]))
        numbered = ((sequence, value) for value in values if (sequence := _sequence(value)) is not None)
        last = max(numbered, default=None)
        if last is not None:
            yield (place[0], *last)


def _sequence(value: bytes | None) -> int | None:
    """The sequence number of a published event; None of what the relay has not published."""
    try:
        return int(orjson.loads(value or b"")["sequence"])
    except (LookupError, TypeError, ValueError):
        return None
