"""Outbox to topics: sends what records gave out, in order, each event at least once and always with the same bytes."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy.exc import DBAPIError

from ledger import read
from ledger.outbox import Lost, Right, move
from ledger.store import LedgerError, Store
from services.broker import ALERTS, DECISIONS, REJECTED, SNAPSHOTS, STRUCTURED, address, client_options
from services.health import Health, served
from services.opening import Failure
from services.out import ALERT, OBLIGATION_DUE
from services.out import REJECTED as REJECTION

if TYPE_CHECKING:
    from kafka import KafkaProducer

    from services.settings import Settings

log = logging.getLogger("tpp.relay")

BATCH = 500
IDLE_SECONDS = 0.03
RETRY_SECONDS = 1.0
DELIVERY_SECONDS = 30
LARGEST = 64 << 20
"""The most bytes of a message before it is compressed; the broker's own limit counts it compressed."""

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

    Raises KafkaError where no broker answers.
    """
    from kafka import KafkaProducer

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
        **client_options(settings),
    )


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets."""
    ended = threading.Event()
    handlers = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def run(settings: "Settings", ledger_url: str | None) -> int:
    """Publishes what the ledger gives out until SIGTERM or SIGINT; returns 0.

    One relay of a ledger works, others stand by. Without a broker or without the database it waits and goes on.
    """
    address(settings)
    store = Store(ledger_url or settings.ledger_url)
    health = Health("relay")
    try:
        store.open()
        with until_signal() as ended, served(health, settings.metrics):
            Relay(store, settings, health, ended).run()
    except LedgerError as error:
        raise Failure(str(error)) from error
    finally:
        store.close()
    return 0


class Relay:
    """Sends records in order while it has the right to, until `ended` is set."""

    def __init__(self, store: Store, settings: "Settings", health: Health, ended: threading.Event) -> None:
        self._store = store
        self._settings = settings
        self._health = health
        self._ended = ended
        self._right = Right(store, "relay")
        self._producer: KafkaProducer | None = None

    def run(self) -> None:
        """Works until `ended` is set; what fails at the broker or the database is tried again."""
        from kafka.errors import KafkaError

        while not self._ended.is_set():
            try:
                if self._right.take():
                    log.info("publishes what the ledger gives out")
                    self._send_all()
                else:
                    self._health.blocked(None)
                    self._ended.wait(RETRY_SECONDS)
            except Lost:
                log.warning("the connection that holds the relay's right is gone: asking for it again")
            except DBAPIError as error:
                self._pause(f"the ledger's database failed: {error.orig}")
            except KafkaError as error:
                self._pause(f"the broker does not take what is sent: {error!r}")
        self._close()
        self._right.give_back()

    def _pause(self, why: str) -> None:
        log.warning("%s; trying again", why)
        self._health.blocked(why)
        self._close()
        self._ended.wait(RETRY_SECONDS)

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=2)

    def _send_all(self) -> None:
        with self._store.read() as connection:
            n, sent = read.published(connection)
        while not self._ended.is_set():
            with self._store.read() as connection:
                records = read.outbox(connection, n, BATCH)
                last = read.last_record(connection)
            self._health.waits(last - n)
            self._right.check()
            if not records:
                self._health.blocked(None)
                self._ended.wait(IDLE_SECONDS)
                continue
            sent += self._send([line for _, answers in records for line in answers.split("\n")])
            n = records[-1][0]
            move(self._store, n, sent)
            self._health.did("published", len(records))

    def _send(self, lines: list[str]) -> int:
        """Sends events and waits until the broker has all of them; KafkaError where it has not."""
        if self._producer is None:
            self._producer = producer(self._settings, "tpp-relay")
        waiting = []
        for line in lines:
            topic, key = destination(orjson.loads(line))
            waiting.append(self._producer.send(topic, line.encode(), key.encode(), headers=[STRUCTURED]))
        self._producer.flush(timeout=DELIVERY_SECONDS + 10)
        for one in waiting:
            one.get(timeout=1)
        return len(lines)
