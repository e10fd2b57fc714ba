"""Outbox to topics: sends what records gave out, in order, each event at least once and always with the same bytes."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from ledger.database.store import DatabaseError, Store, database_message
from ledger.queries.records import OutboxRecord, last_record, outbox, published
from ledger.registers.outbox import Lost, Right, move
from schemas.event_types import outgoing_destination
from services.kafka.access import address, check_access, client_options
from services.kafka.producer import DELIVERY_SECONDS, STRUCTURED, producer
from services.resources import opened
from services.stream.signals import Ended, until_signal
from services.telemetry.health import Health, served

if TYPE_CHECKING:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    from services.settings import Settings

log = logging.getLogger("tpp.relay")

BATCH = 500
IDLE_SECONDS = 0.03
RETRY_SECONDS, REFUSED_SECONDS = 1.0, 30.0

_WORKS = "publishes what the ledger gives out"


def run(settings: "Settings", ledger_url: str | None) -> int:
    """Publishes what the ledger gives out until SIGTERM or SIGINT; returns 0.

    One relay of a ledger works, others stand by. Without a broker or without the database it waits and goes on; where
    the broker refuses a record, such as one that is longer than its topic takes, it waits before that record. Raises
    BrokerError where the broker refuses TLS or the password.
    """
    check_access(address(settings), client_options(settings))
    health = Health("relay")
    with opened(ledger_url) as store, until_signal() as ended, served(health, settings.metrics):
        Relay(store, settings, health, ended).run()
    return 0


class _NotTaken(Exception):
    """The broker did not take an event; `seconds` is how long to wait before it is tried again."""

    def __init__(self, n: int, line: str, topic: str, error: "KafkaError") -> None:
        from kafka.errors import MessageSizeTooLargeError

        event = f"{orjson.loads(line)['id']} of {len(line.encode()):,} bytes"
        too_long = isinstance(error, MessageSizeTooLargeError)
        why = "it is longer than max.message.bytes of the topic" if too_long else repr(error)
        super().__init__(f"record {n} is not published, nor what follows: {topic} does not take {event}: {why}")
        self.seconds = RETRY_SECONDS if error.retriable else REFUSED_SECONDS


@dataclass(frozen=True, slots=True)
class _Sent:
    """An event that the producer has: the number of its record, its topic, and what the broker says of it."""

    n: int
    line: str
    topic: str
    answer: Any
    """A future, or the error with which the producer refused it."""


class Relay:
    """Sends records in order while it has the right to, until `ended` is set."""

    def __init__(self, store: Store, settings: "Settings", health: Health, ended: Ended) -> None:
        self._store = store
        self._settings = settings
        self._health = health
        self._ended = ended
        self._right = Right(store, "relay")
        self._producer: KafkaProducer | None = None
        self._said = ""
        self._most = BATCH
        """How many records are sent at once: 1 after a failure, so that what follows is not sent again and again."""

    def run(self) -> None:
        """Works until `ended` is set; what fails at the broker or the database is tried again."""
        from kafka.errors import KafkaError

        while not self._ended.is_set():
            try:
                if self._right.take():
                    self._send_all()
                else:
                    self._health.blocked(None)
                    self._ended.wait(RETRY_SECONDS)
            except Lost:
                self._trouble("the connection that holds the relay's right is gone")
            except DatabaseError as error:
                self._pause(f"the ledger's database failed: {database_message(error)}")
            except KafkaError as error:
                self._pause(f"the broker does not take what is sent: {error!r}")
            except _NotTaken as error:
                self._most = 1
                self._pause(str(error), error.seconds)
        self._close()
        self._right.give_back()

    def _pause(self, why: str, seconds: float = RETRY_SECONDS) -> None:
        self._trouble(why)
        self._health.blocked(why)
        self._close()
        self._ended.wait(seconds)

    def _trouble(self, why: str) -> None:
        """Says what is in the way, once; it is tried again until it is not."""
        if why != self._said:
            log.warning("%s; trying again", why)
        self._said = why

    def _works(self) -> None:
        """Says, once, that nothing is in the way."""
        if self._said is not _WORKS:
            log.info(_WORKS)
        self._said = _WORKS

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=2)

    def _send_all(self) -> None:
        with self._store.read() as connection:
            so_far = published(connection)
        n, sent = so_far.n, so_far.sent
        while not self._ended.is_set():
            with self._store.read() as connection:
                records = outbox(connection, n, self._most)
                last = last_record(connection)
            self._health.waits(last - n)
            self._right.check()
            if not records:
                self._works()
                self._health.blocked(None)
                self._ended.wait(IDLE_SECONDS)
                continue
            before = n
            try:
                for number, events in self._send(records):
                    n, sent = number, sent + events
            finally:
                if n > before:
                    move(self._store, n, sent)
                    self._health.did("published", n - before)
            self._most = BATCH
            self._works()

    def _send(self, records: Sequence[OutboxRecord]) -> Iterator[tuple[int, int]]:
        """Sends records in order; gives the number of each, and how many events it has, once the broker has them.

        _NotTaken where the broker has not taken an event.
        """
        from kafka.errors import KafkaError

        given = self._give(records)
        for n, events in groupby(given if self._most == 1 else list(given), key=lambda sent: sent.n):
            count = 0
            for sent in events:
                try:
                    if isinstance(sent.answer, KafkaError):
                        raise sent.answer
                    sent.answer.get(timeout=DELIVERY_SECONDS + 10)
                except KafkaError as error:
                    raise _NotTaken(n, sent.line, sent.topic, error) from error
                count += 1
            yield n, count

    def _give(self, records: Sequence[OutboxRecord]) -> Iterator[_Sent]:
        """Gives events to the producer; the last is the first one that it refuses."""
        from kafka.errors import KafkaError

        if self._producer is None:
            self._producer = producer(self._settings, "tpp-relay")
        for record in records:
            for line in record.answers:
                topic, key = outgoing_destination(orjson.loads(line))
                try:
                    future = self._producer.send(topic, line.encode(), key.encode(), headers=[STRUCTURED])
                except KafkaError as error:
                    yield _Sent(record.n, line, topic, error)
                    return
                yield _Sent(record.n, line, topic, future)
