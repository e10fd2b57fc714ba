"""Outbox to topics: sends what records gave out, in order, each event at least once and always with the same bytes."""

import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy.exc import DBAPIError

from ledger.database.store import Store, database_message
from ledger.queries.records import OutboxRecord, last_record, outbox, published
from ledger.registers.outbox import Lost, Right, move
from services.engine.answers import ALERT, OBLIGATION_DUE
from services.engine.answers import REJECTED as REJECTION
from services.kafka.access import (
    ALERTS,
    DECISIONS,
    REJECTED,
    SNAPSHOTS,
    STRUCTURED,
    address,
    check_access,
    client_options,
)
from services.resources import opened
from services.telemetry.health import Health, served

if TYPE_CHECKING:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    from services.settings import Settings

log = logging.getLogger("tpp.relay")

BATCH = 500
IDLE_SECONDS = 0.03
RETRY_SECONDS, REFUSED_SECONDS = 1.0, 30.0
DELIVERY_SECONDS = 30
LARGEST = 64 << 20
"""The most bytes of a message before it is compressed; the broker's own limit counts it compressed."""

_WORKS = "publishes what the ledger gives out"
SNAPSHOT = "tpp.snapshot.closed.v1"
_TOPIC = {REJECTION: REJECTED, ALERT: ALERTS, OBLIGATION_DUE: ALERTS, SNAPSHOT: SNAPSHOTS}


def destination(event: dict[str, Any]) -> tuple[str, str]:
    """The topic and the key of an event that goes out (contract, section 5).

    >>> destination({"type": "tpp.shipment.held.v1", "subject": "SHP-1", "data": {"shipment_id": "SHP-1"}})
    ('tpp.decisions', 'SHP-1')
    """
    topic = _TOPIC.get(event["type"], DECISIONS)
    data, subject = event["data"], event["subject"]
    if topic == DECISIONS:
        return topic, data.get("shipment_id") or subject
    return topic, data.get("period", subject) if topic == SNAPSHOTS else subject


def producer(settings: "Settings", client: str) -> "KafkaProducer":
    """An idempotent producer of structured events that waits for every replica in sync.

    Raises KafkaError where no broker answers, BrokerError where it refuses TLS or the password.
    """
    from kafka import KafkaProducer

    check_access(address(settings), client_options(settings))
    return KafkaProducer(
        bootstrap_servers=address(settings).split(","),
        client_id=client,
        enable_idempotence=True,
        acks="all",
        linger_ms=1,
        compression_type="gzip",
        max_request_size=LARGEST,
        delivery_timeout_ms=DELIVERY_SECONDS * 1000,
        request_timeout_ms=10_000,
        max_block_ms=10_000,
        bootstrap_timeout_ms=5_000,
        reconnect_backoff_max_ms=1_000,
        **client_options(settings),
    )


class Ended:
    """Whether the end was asked for. A threading.Event may stand for ever where a signal sets it in its own wait."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._is = False

    def set(self) -> None:
        """Asks for the end; a signal handler may do so at any moment."""
        self._is = True
        self._asked.put(None)

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._is

    def wait(self, seconds: float) -> None:
        """Returns after so many seconds, or once the end was asked for."""
        if not self._is:
            with suppress(Empty):
                self._asked.get(timeout=max(0.0, seconds))


@contextmanager
def until_signal() -> Iterator[Ended]:
    """What SIGTERM or SIGINT ends."""
    ended = Ended()
    handlers = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


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
            except DBAPIError as error:
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
        for n, events in groupby(given if self._most == 1 else list(given), itemgetter(0)):
            count = 0
            for _, line, topic, answer in events:
                try:
                    if isinstance(answer, KafkaError):
                        raise answer
                    answer.get(timeout=DELIVERY_SECONDS + 10)
                except KafkaError as error:
                    raise _NotTaken(n, line, topic, error) from error
                count += 1
            yield n, count

    def _give(self, records: Sequence[OutboxRecord]) -> Iterator[tuple[int, str, str, Any]]:
        """Gives events to the producer: each with its record's number, its topic and its future, or the first error."""
        from kafka.errors import KafkaError

        if self._producer is None:
            self._producer = producer(self._settings, "tpp-relay")
        for record in records:
            for line in record.answers:
                topic, key = destination(orjson.loads(line))
                try:
                    told = self._producer.send(topic, line.encode(), key.encode(), headers=[STRUCTURED])
                except KafkaError as error:
                    yield record.n, line, topic, error
                    return
                yield record.n, line, topic, told
