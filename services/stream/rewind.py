"""Sets a group's offsets back to where the ledger ends, if it has lost answers that were committed on the broker."""

import logging
from collections.abc import Sequence
from typing import Any

import orjson

from ledger.database.store import Store
from services.engine.engine import Engine
from services.kafka.messages import record
from services.kafka.offsets import Offsets, Place
from services.stream.intake import answered

log = logging.getLogger("tpp.worker")

FIRST, MOST = 8, 64
"""How many messages before the committed offset are looked at first, and at most at once."""


def rewind(store: Store, offsets: Offsets, places: Sequence[Place]) -> None:
    """Sets the group back to the first message of each partition whose answer the ledger has lost, if there is one.

    After a fail-over or a restore, the ledger may end before messages that were decided and whose offsets are
    committed. Raises BrokerError if others of the group are still running, KafkaError if the broker does not answer.
    """
    lowest = offsets.beginnings(places)
    lost = {
        place: first
        for place, offset in offsets.committed(places).items()
        if (first := _first_lost(store, offsets, place, lowest[place], offset)) is not None
    }
    if lost:
        offsets.set_back(lost)
    for (topic, partition), first in lost.items():
        log.error("%s/%d: the ledger has lost answers; deciding anew from offset %d on", topic, partition, first)


def _first_lost(store: Store, offsets: Offsets, place: Place, lowest: int, committed: int) -> int | None:
    """The first offset whose message has no answer, of those after the last one whose answer names its position.

    Messages of a partition are decided in order. An event that came twice has the position of its first delivery, which
    says nothing about those around the second.
    """
    first, end, many = None, committed, FIRST
    while end > lowest:
        start = max(lowest, end - many)
        messages: list[Any] = [record(one) for one in offsets.messages(place, start, end)]
        for read, answer in reversed(answered(store, Engine.read(messages))):
            if answer is None:
                first = read.message.position["offset"]
            elif orjson.loads(answer.position) == read.message.position:
                return first
        end, many = start, min(2 * many, MOST)
    return first
