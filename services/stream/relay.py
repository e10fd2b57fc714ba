"""Publishes the outbox: the answers of records, in order, each at least once and always with the same bytes."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from ledger.database.store import DatabaseError, Store, database_message, knock
from ledger.queries.records import OutboxRecord, Published, last_record, outbox, published
from ledger.registers.outbox import Lost, Right, move
from schemas.event_types import outgoing_destination
from services.failure import BrokerError, Failure
from services.kafka.access import address, check_access, client_options
from services.kafka.offsets import Offsets
from services.kafka.producer import DELIVERY_SECONDS, STRUCTURED, producer
from services.resources import opened
from services.stream.published import OUTPUTS, REMEDY, check_published
from services.stream.signals import Ended, until_signal
from services.telemetry.health import BROKER, DATABASE, Health, served
from services.telemetry.metrics import RelayMetrics
from services.telemetry.traces import ended, line_names, tracing

if TYPE_CHECKING:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    from services.settings import Settings

log = logging.getLogger("tpp.relay")

BATCH = 500
IDLE_SECONDS = 0.01
MOVE_SECONDS = 0.1
"""How often the position is noted, unless BATCH records are sent before: answers would wait for each commit."""
RETRY_SECONDS, REFUSED_SECONDS = 1.0, 30.0

_WORKS = "publishes the ledger's answers"


def run(settings: "Settings", ledger_url: str | None, give_up: int | None = None) -> int:
    """Publishes the ledger's answers until SIGTERM or SIGINT; returns 0.

    Raises Failure if what was published is not what the ledger gave out; `give_up`: events that were published up to
    this sequence number are no longer expected to be.

    One relay of a ledger is active, others stand by. While the broker or the database is unavailable, it waits; if the
    broker refuses a record, such as one that exceeds the limit of its topic, it waits and retries that record. Raises
    BrokerError if the broker refuses TLS or the password.
    """
    check_access(address(settings), client_options(settings))
    health, offsets = Health("relay"), Offsets(settings)
    needs = {BROKER: partial(offsets.knock, OUTPUTS)}
    with (
        opened(ledger_url) as store,
        until_signal() as ended,
        served(health, settings.metrics, needs | {DATABASE: partial(knock, store)}),
    ):
        if give_up is not None:
            with store.begin() as connection:
                so_far = published(connection)
                move(store, connection, so_far.n, so_far.sent, max(give_up, so_far.lost))
        Relay(store, settings, health, ended).run()
    return 0


class _NotAccepted(Exception):
    """The broker did not accept an event; `seconds` is how long to wait before the retry, `about` names the event."""

    def __init__(self, n: int, line: str, topic: str, error: "KafkaError") -> None:
        from kafka.errors import MessageSizeTooLargeError

        event = f"{orjson.loads(line)['id']} of {len(line.encode()):,} bytes"
        too_long = isinstance(error, MessageSizeTooLargeError)
        why = "it exceeds the topic's max.message.bytes" if too_long else repr(error)
        super().__init__(f"record {n} and later records are not published: {topic} does not accept {event}: {why}")
        self.about = line_names(line)
        self.seconds = RETRY_SECONDS if error.retriable else REFUSED_SECONDS


class _NotRead(Exception):
    """The output topics could not be read."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """An event that was given to the producer: its record's number, its topic, and the broker's answer."""

    n: int
    line: str
    topic: str
    answer: Any
    """A future, or the producer's error."""
    span: Any = None
    """Its span, while traces are on."""

    def wait(self) -> None:
        """Returns once the broker has it, and ends its span; raises KafkaError if the broker does not accept it."""
        from kafka.errors import KafkaError

        try:
            if isinstance(self.answer, KafkaError):
                raise self.answer
            self.answer.get(timeout=DELIVERY_SECONDS + 10)
        except KafkaError as error:
            ended(self.span, error)
            raise
        ended(self.span)


class _Position:
    """Up to where records are published, which is noted in the ledger from time to time."""

    def __init__(self, at: Published) -> None:
        self.at = self._noted = at
        self._when = time.monotonic()

    def add(self, n: int, events: int) -> None:
        """A record was published, with so many events."""
        self.at = replace(self.at, n=n, sent=self.at.sent + events)

    @property
    def due(self) -> bool:
        """Whether it is time to note it."""
        return time.monotonic() > self._when + MOVE_SECONDS or self.at.n >= self._noted.n + BATCH

    def note(self, store: Store, right: Right, health: Health) -> None:
        """Notes it, if records were published since. Raises Lost."""
        at, before = self.at, self._noted
        self._when = time.monotonic()
        if at != before:
            with right.own(store.begin) as connection:
                move(store, connection, at.n, at.sent, at.lost)
            self._noted = at
            health.did("published", at.n - before.n)


class Relay:
    """Sends records in order while it has the relay lock, until `ended` is set."""

    def __init__(self, store: Store, settings: "Settings", health: Health, ended: Ended) -> None:
        self._store = store
        self._settings = settings
        self._health = health
        self._metrics = RelayMetrics(health)
        self._traces = tracing()
        self._ended = ended
        self._right = Right(store, "relay")
        self._producer: KafkaProducer | None = None
        self._said = ""
        self._compared = False
        """Whether what was published was compared with the ledger since its database last failed."""
        self._most = BATCH
        """How many records are sent at once: 1 after a failure, so that later ones are not sent repeatedly."""

    def run(self) -> None:
        """Runs until `ended` is set; failures of the broker or the database are retried.

        Raises Failure or LedgerCorrupt if what was published is not what the ledger gave out.
        """
        try:
            while not self._ended.is_set():
                self._try()
        finally:
            self._close()
            self._right.give_back()

    def _try(self) -> None:
        from kafka.errors import KafkaError

        try:
            if self._right.take():
                self._send_all()
            else:
                self._health.blocked(None)
                self._metrics.waits(0, None)
                self._ended.wait(RETRY_SECONDS)
        except Lost:
            self._compared = False
            self._trouble("lost the relay lock")
        except DatabaseError as error:
            self._compared = False
            self._pause(f"the ledger's database failed: {database_message(error)}")
        except KafkaError as error:
            self._pause(f"the broker did not accept messages: {error!r}")
        except _NotRead as error:
            self._pause(f"the output topics cannot be read: {error}")
        except _NotAccepted as error:
            self._most = 1
            self._pause(str(error), error.seconds, error.about)

    def _pause(self, why: str, seconds: float = RETRY_SECONDS, about: Mapping[str, Any] | None = None) -> None:
        self._trouble(why, about)
        self._health.blocked(why)
        self._close()
        self._ended.wait(seconds)

    def _trouble(self, why: str, about: Mapping[str, Any] | None = None) -> None:
        """Logs a problem once, however often it recurs; `about` names the event that it is about."""
        if why != self._said:
            log.warning("%s; trying again", why, extra={"tpp": about})
        self._said = why

    def _works(self) -> None:
        """Logs once that the relay publishes."""
        if self._said is not _WORKS:
            log.info(_WORKS)
        self._said = _WORKS

    def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=2)

    def _compare(self) -> None:
        """Raises Failure if what was published is not what the ledger gave out."""
        try:
            check_published(self._settings, self._store)
        except BrokerError as error:
            raise _NotRead(str(error)) from error
        self._compared = True

    def _send_all(self) -> None:
        if not self._compared:
            self._compare()
        with self._right.own(self._store.read) as connection:
            position = _Position(published(connection))
        try:
            while not self._ended.is_set():
                self._send_next(position)
        finally:
            position.note(self._store, self._right, self._health)

    def _send_next(self, position: _Position) -> None:
        """Sends the next records, or waits a little if there are none; notes the position if it is due."""
        n = position.at.n
        with self._right.own(self._store.read) as connection:
            last = last_record(connection)
            records = outbox(connection, n, self._most) if last > n else []
        if last < n:
            raise Failure(f"the ledger ends at record {last}, but records up to {n} were published; {REMEDY}")
        self._metrics.waits(last - n, records[0].recorded if records else None)
        if records:
            for number, events in self._send(records):
                position.add(number, events)
            self._most = BATCH
        if position.due:
            position.note(self._store, self._right, self._health)
        if not records:
            self._health.blocked(None)
            self._ended.wait(IDLE_SECONDS)
        self._works()

    def _send(self, records: Sequence[OutboxRecord]) -> Iterator[tuple[int, int]]:
        """Sends records in order; yields each one's number, and how many events it has, once the broker has them.

        Raises _NotAccepted if the broker does not accept an event.
        """
        from kafka.errors import KafkaError

        given = self._give(records)
        for n, events in groupby(given if self._most == 1 else list(given), key=lambda sent: sent.n):
            count = 0
            for sent in events:
                try:
                    sent.wait()
                except KafkaError as error:
                    raise _NotAccepted(n, sent.line, sent.topic, error) from error
                count += 1
            yield n, count

    def _give(self, records: Sequence[OutboxRecord]) -> Iterator[_Sent]:
        """Gives events to the producer, up to the first that it refuses."""
        from kafka.errors import KafkaError

        self._producer = self._producer or producer(self._settings, "tpp-relay")
        for record in records:
            for line in record.answers:
                topic, key = outgoing_destination(orjson.loads(line))
                span, headers = self._traces.sending("relay", topic, line) if self._traces else (None, [])
                try:
                    future = self._producer.send(topic, line.encode(), key.encode(), headers=[STRUCTURED, *headers])
                except KafkaError as error:
                    yield _Sent(record.n, line, topic, error, span)
                    return
                yield _Sent(record.n, line, topic, future, span)
