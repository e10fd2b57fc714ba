"""Publishes ticks, one event a minute, whose id and time are the minute's own; and seals new records in between."""

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from ledger.database.store import DatabaseError, LedgerCorrupt, Store, database_message
from ledger.proof.leaves import seal
from ledger.registers.outbox import Lost, Right
from schemas.event_types import FACTS
from services.kafka.access import address
from services.kafka.producer import STRUCTURED, producer
from services.resources import opened
from services.stream.signals import Ended, until_signal
from services.telemetry.health import Health, served

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.clock")

SOURCE, SUBJECT = "//tpp-clock", "clock"
MINUTE = 60
RETRY_SECONDS = 1.0
SEAL_SECONDS = 5
"""How often records that were committed since get their leaves in the journal's tree."""


def tick(seconds: float) -> bytes:
    """The tick of the minute that an instant, in seconds since 1970 (UTC), lies in.

    >>> tick(1_748_856_612.5).decode()[:94]
    '{"specversion":"1.0","id":"tick-2025-06-02T09:30Z","source":"//tpp-clock","type":"tpp.clock.ti'
    """
    minute = datetime.fromtimestamp(seconds // MINUTE * MINUTE, UTC)
    now = minute.strftime("%Y-%m-%dT%H:%M:00Z")
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": minute.strftime("tick-%Y-%m-%dT%H:%MZ"),
            "source": SOURCE,
            "type": "tpp.clock.ticked.v1",
            "subject": SUBJECT,
            "time": now,
            "datacontenttype": "application/json",
            "data": {"now": now},
        }
    )


def run(settings: "Settings", ledger_url: str | None) -> int:
    """Publishes a tick at once and then at every full minute, and seals, until SIGTERM or SIGINT; returns 0.

    One clock of a ledger ticks, others stand by. A minute in which nothing could be published is left out: the next
    tick brings all that fell due.
    """
    address(settings)
    health = Health("clock", stall=3 * MINUTE)
    with opened(ledger_url) as store, until_signal() as ended, served(health, settings.metrics):
        _tick_on(settings, store, health, ended)
    return 0


def _tick_on(settings: "Settings", store: Store, health: Health, ended: Ended) -> None:
    from kafka.errors import KafkaError

    right = Right(store, "clock")
    ticked = -1.0
    while not ended.is_set():
        wait = RETRY_SECONDS
        health.waits(1)
        try:
            if right.take():
                right.check()
                now = time.time()
                if now // MINUTE != ticked:
                    _publish(settings, tick(now))
                    ticked = now // MINUTE
                    health.did("ticked")
                seal(store)
                wait = min(SEAL_SECONDS, MINUTE - time.time() % MINUTE) if time.time() // MINUTE == ticked else 0
            else:
                health.blocked(None)
            health.waits(0)
        except Lost:
            log.warning("the connection that holds the clock's right is gone: asking for it again")
        except DatabaseError as error:
            log.warning("the ledger's database failed: %s; trying again", database_message(error))
            health.blocked(f"the ledger's database failed: {database_message(error)}")
        except LedgerCorrupt as error:
            log.critical("the records cannot be sealed: %s; see `tpp audit verify`", error)
            health.blocked(f"the records cannot be sealed: {error}")
        except KafkaError as error:
            log.warning("the broker does not take a tick: %r; trying again", error)
            health.blocked(f"the broker does not take a tick: {error!r}")
        ended.wait(wait)
    right.give_back()


def _publish(settings: "Settings", event: bytes) -> None:
    """Sends one tick with a producer of its own: an idle connection would not last until the next."""
    sender = producer(settings, "tpp-clock")
    try:
        sender.send(FACTS, event, SUBJECT.encode(), headers=[STRUCTURED]).get(timeout=20)
    finally:
        sender.close(timeout=5)
