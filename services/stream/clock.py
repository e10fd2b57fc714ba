"""Ticks every minute, with an event whose id and time are the minute's, and hashes new records into the tree.

The clock decides its ticks itself, on the ledger: nobody else can give one in its name, and it needs no broker.
"""

import logging
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import orjson

from ledger.database.store import DatabaseError, LedgerCorrupt, Store, database_message, knock
from ledger.proof.leaves import seal
from ledger.queries.records import last_recorded
from ledger.registers.outbox import Lost, Right
from schemas.event_types import CLOCK_SOURCE, CLOCK_TICKED
from schemas.times import day_of, instant_text
from schemas.wire.checks import AHEAD_DAYS
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import book, engine_on, opened
from services.stream.signals import Ended, until_signal
from services.telemetry.health import DATABASE, Health, served
from services.telemetry.observers import observer

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.clock")

SUBJECT = "clock"
POSITION = {"request": "clock"}
MINUTE = 60
RETRY_SECONDS = 1.0
SEAL_SECONDS = 5
"""How often new records are hashed into the journal's tree."""


class Astray(Exception):
    """The machine's time is too far past the ledger's last record to be believed."""


def tick(seconds: float) -> bytes:
    """The tick of the minute that contains an instant, in seconds since 1970 (UTC).

    >>> tick(1_748_856_612.5).decode()[:94]
    '{"specversion":"1.0","id":"tick-2025-06-02T09:30Z","source":"//tpp-clock","type":"tpp.clock.ti'
    """
    minute = datetime.fromtimestamp(seconds // MINUTE * MINUTE, UTC)
    now = minute.strftime("%Y-%m-%dT%H:%M:00Z")
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": minute.strftime("tick-%Y-%m-%dT%H:%MZ"),
            "source": CLOCK_SOURCE,
            "type": CLOCK_TICKED,
            "subject": SUBJECT,
            "time": now,
            "datacontenttype": "application/json",
            "data": {"now": now},
        }
    )


def run(settings: "Settings", ledger_url: str | None, rulebook: str | None) -> int:
    """Ticks now and at every full minute, and hashes new records, until SIGTERM or SIGINT; returns 0.

    One clock of a ledger ticks, others stand by. A minute in which no tick could be given is skipped: the next tick
    covers everything that fell due.
    """
    health = Health("clock", stall=3 * MINUTE)
    law = book(rulebook)
    with (
        opened(ledger_url) as store,
        until_signal() as ended,
        served(health, settings.metrics, {DATABASE: partial(knock, store)}),
    ):
        _tick_on(engine_on(store, law, observer(health)), store, health, ended)
    return 0


def check_time(seconds: float, recorded: int | None) -> None:
    """Raises Astray if an instant, in seconds, is more than AHEAD_DAYS after that of the last record.

    `recorded` is in microseconds; None for a ledger in which nothing is recorded: any time is as good there.
    """
    ahead = timedelta() if recorded is None else timedelta(microseconds=seconds * 1_000_000 - recorded)
    if recorded is not None and ahead > timedelta(days=AHEAD_DAYS):
        raise Astray(
            f"the machine's clock is at {day_of(int(seconds) * 1_000_000)}, {ahead.days} days after the last record of "
            f"{instant_text(recorded)}, and no tick is given: set the clock right or, if it is right, run `tpp recheck "
            "--all`, which makes a record of today"
        )


def give_tick(engine: Engine, store: Store, seconds: float) -> None:
    """Decides the tick of the minute that an instant lies in; raises Astray if that is too far ahead."""
    with store.read() as connection:
        check_time(seconds, last_recorded(connection))
    engine.run([Message(tick(seconds), POSITION, own=True)])


def _tick_on(engine: Engine, store: Store, health: Health, ended: Ended) -> None:
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
                    give_tick(engine, store, now)
                    ticked = now // MINUTE
                    health.did("ticked")
                seal(store)
                wait = min(SEAL_SECONDS, MINUTE - time.time() % MINUTE) if time.time() // MINUTE == ticked else 0
            else:
                health.blocked(None)
            health.waits(0)
        except Lost:
            log.warning("lost the clock lock; reacquiring it")
        except Astray as error:
            wait = _astray(health, error)
        except DatabaseError as error:
            log.warning("the ledger's database failed: %s; trying again", database_message(error))
            health.blocked(f"the ledger's database failed: {database_message(error)}")
        except LedgerCorrupt as error:
            log.critical("the ledger is damaged: %s; see `tpp audit verify`", error)
            health.blocked(f"the ledger is damaged: {error}")
        ended.wait(wait)
    right.give_back()


def _astray(health: Health, error: Astray) -> float:
    """Says once why no tick is given, and how long to wait before looking again."""
    if str(error) not in (health.unready() or ""):
        log.critical("%s", error)
    health.blocked(str(error))
    return SEAL_SECONDS
