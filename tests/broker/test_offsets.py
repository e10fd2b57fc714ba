"""What is said where a broker does not answer a question about offsets; kafka-python is asked with no broker behind it."""

from typing import Any

import pytest
from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError

from services.failure import BrokerError
from services.kafka.offsets import Offsets
from services.settings import Settings

PLACE = ("tpp.shipments", 0)
MOST_MS = 10_000


class Silent(KafkaConsumer):  # type: ignore[misc]
    """A consumer of kafka-python whose broker answers nothing: it waits as long as it was told to."""

    def __init__(self) -> None:
        self.config = {"request_timeout_ms": 10 * MOST_MS, "api_version": (4, 0), "group_id": "g"}
        self._coordinator = self._fetcher = self
        self._closed = True

    def fetch_committed_offsets(self, _partitions: Any, timeout_ms: int | None = None) -> Any:
        assert timeout_ms is not None
        assert timeout_ms <= MOST_MS
        raise KafkaTimeoutError


class Forgetful(Silent):
    """A broker that leaves a new partition out of its answer."""

    def end_offsets(self, partitions: Any, timeout_ms: int | None = None) -> Any:
        assert timeout_ms is not None
        return {}[partitions[0]]

    beginning_offsets = end_offsets


def asking(consumer: KafkaConsumer) -> Offsets:
    offsets = Offsets(Settings())
    offsets._opened = consumer
    return offsets


def test_committed_offsets_are_not_waited_for_without_end() -> None:
    for method in (asking(Silent()).committed, asking(Silent()).committed_notes):
        with pytest.raises(KafkaTimeoutError):
            method([PLACE])


def test_a_partition_that_the_broker_leaves_out_is_a_sentence() -> None:
    for method in (asking(Forgetful()).ends, asking(Forgetful()).beginnings):
        with pytest.raises(BrokerError, match=r"does not know the offsets of tpp\.shipments yet; try again"):
            method([PLACE])
