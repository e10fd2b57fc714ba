"""The messages and offsets of topics, read with a plain consumer of committed messages."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.failure import BrokerError
from services.kafka.access import address, check_access, client_options
from services.kafka.kafka_python import accept_any_header_name

if TYPE_CHECKING:
    from services.settings import Settings

Place = tuple[str, int]
"""A topic and the number of a partition."""

PATIENCE_SECONDS = 20.0
_ANSWER_MS = 10_000


@dataclass(frozen=True, slots=True)
class Committed:
    """The offset from which a group reads a partition, and the note that was committed with it, empty if none was."""

    offset: int
    note: str


class Offsets:
    """Asks a broker about partitions without joining the group; one thread at a time may use it.

    Every method raises KafkaError if the broker does not answer in time, BrokerError if it refuses TLS or the password,
    or does not know the offsets of a partition, such as that of a new topic.
    """

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._opened: Any = None

    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def _consumer(self) -> Any:
        if self._opened is None:
            from kafka import KafkaConsumer

            accept_any_header_name()
            check_access(address(self._settings), client_options(self._settings))
            self._opened = KafkaConsumer(
                bootstrap_servers=address(self._settings).split(","),
                client_id="tpp-offsets",
                group_id=self._settings.group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_partition_fetch_bytes=4 << 20,
                request_timeout_ms=_ANSWER_MS,
                **client_options(self._settings),
            )
        return self._opened

    def places(self, topics: Iterable[str]) -> list[Place]:
        """The partitions of topics; raises BrokerError if a topic does not exist."""
        found = []
        for topic in topics:
            numbers = self._consumer.partitions_for_topic(topic)
            if not numbers:
                raise BrokerError(f"topic {topic} does not exist; create it with `tpp topics create`")
            found += [(topic, number) for number in sorted(numbers)]
        return found

    def knock(self, topics: Iterable[str]) -> None:
        """Returns if the leaders of topics answer; after a failure, the next call connects anew."""
        try:
            self.ends([place for topic in topics for place in self.existing(topic)])
        except BaseException:
            self.close()
            raise

    def existing(self, topic: str) -> list[Place]:
        """The partitions of a topic; none if it does not exist."""
        return [(topic, number) for number in sorted(self._consumer.partitions_for_topic(topic) or ())]

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the last committed message of each partition."""
        return self._offsets("end_offsets", places)

    def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """The lowest offset of each partition that retention has not deleted."""
        return self._offsets("beginning_offsets", places)

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset from which the group will read each partition; partitions that it never read are omitted."""
        return {place: one.offset for place, one in self.committed_notes(places).items()}

    def committed_notes(self, places: Iterable[Place]) -> dict[Place, Committed]:
        """The same offsets, each with the note that was committed with it."""
        from kafka import TopicPartition

        asked, found = self._consumer, {}
        for place in places:
            one = asked.committed(TopicPartition(*place), metadata=True, timeout_ms=_ANSWER_MS)
            if one is not None:
                found[place] = Committed(one.offset, one.metadata or "")
        return found

    def _offsets(self, method: str, places: Iterable[Place]) -> dict[Place, int]:
        from kafka import TopicPartition

        asked = [TopicPartition(*place) for place in places]
        if not asked:
            return {}
        try:
            found = getattr(self._consumer, method)(asked, timeout_ms=_ANSWER_MS)
        except KeyError as error:  # kafka-python looks up a partition that is missing in the broker's answer
            topics = ", ".join(sorted({place.topic for place in asked}))
            raise BrokerError(f"the broker does not know the offsets of {topics} yet; try again") from error
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    def messages(self, place: Place, first: int, end: int) -> Iterator[Any]:
        """The messages of a partition from offset `first` to before `end`, in order; none of an aborted transaction.

        Raises BrokerError if the broker returns nothing for PATIENCE_SECONDS.
        """
        from kafka import TopicPartition

        consumer, tp = self._consumer, TopicPartition(*place)
        consumer.assign([tp])
        consumer.seek(tp, first)
        moved = time.monotonic()
        position = first
        while position < end:
            for record in consumer.poll(timeout_ms=200).get(tp, ()):
                if record.offset >= end:
                    return
                if record.offset >= first:
                    yield record
            now = consumer.position(tp)
            if now != position:
                position, moved = now, time.monotonic()
            elif time.monotonic() - moved > PATIENCE_SECONDS:
                where = f"{place[0]}/{place[1]}"
                raise BrokerError(f"{where}: the broker returns no message at offset {position}, before {end}")
