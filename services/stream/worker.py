"""A worker: Faust agents that decide messages, with offsets committed after the database and no message skipped."""

import logging
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError as ClientError
from kafka.errors import KafkaError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError, knock
from schemas.event_types import INPUTS
from services.failure import BrokerError
from services.kafka.access import address, answers, check_access, client_options
from services.kafka.faust_app import add_agent, application, run_until_signal
from services.kafka.offsets import Offsets, Place
from services.kafka.sources import topic_sources
from services.resources import engine, opened
from services.stream.gate import Gate, Hole
from services.stream.reader import Reader
from services.stream.watchdog import Watchdog
from services.telemetry.health import BROKER, DATABASE, Health, served
from services.telemetry.observers import observer

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

REPEAT_SECONDS = 30.0
"""How often a repeated message of a library is logged, such as that a broker is unavailable."""

SWITCH_SECONDS = 0.000_3
"""How long a turn that has its answer from the database waits for a thread that reads topics or prepares."""

START_SECONDS = 30.0
"""How long a worker that starts asks for its partitions again; a broker restarts in 10 to 20 seconds."""


class Quiet(logging.Filter):
    """Drops repeated messages of libraries, failures that the worker reports, and stack traces of broker errors."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, DatabaseError | LedgerError | LedgerCorrupt | Hole):
            return False
        if isinstance(error, ClientError):
            record.exc_info = None
        if not record.name.startswith(("aiokafka", "kafka", "faust", "mode")):
            return True
        what, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._last.get(what, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        self._last[what] = now
        return True


def run(settings: "Settings", ledger_url: str | None, rulebook: str | None) -> int:
    """Decides the messages of the input topics until SIGTERM or SIGINT; returns 0, or 1 after a failure.

    If the database fails, the ledger has lost records, a message was skipped, or there is work without progress, the
    process ends and a supervisor must start another, which receives everything that was not committed, and what the
    ledger or the broker has lost. Raises Failure if the file of TPP_SOURCES is invalid, BrokerError if there is no
    broker or a topic does not exist.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(Quiet())
    sys.setswitchinterval(SWITCH_SECONDS)
    allowed = topic_sources(settings.sources)
    check_access(address(settings), client_options(settings))
    places, health, offsets = _places(settings), Health("worker"), Offsets(settings)
    needs = {BROKER: partial(offsets.knock, INPUTS)}
    with (
        opened(ledger_url) as store,
        engine(ledger_url, rulebook, observer=observer(health)) as runs,
        served(health, settings.metrics, needs | {DATABASE: partial(knock, store)}),
    ):
        gate = Gate(runs, store, settings, health, allowed)
        app = application(settings, places, gate.resume)
        for topic in INPUTS:
            add_agent(app, topic, Reader(app, gate).read)
        ended = threading.Event()
        watchdog = Watchdog(app, gate, settings, health, places, ended)
        watchdog.start()
        try:
            return run_until_signal(app)
        finally:
            ended.set()
            gate.close()
            watchdog.join(5)


def _places(settings: "Settings") -> list[Place]:
    """The partitions of the input topics; asks again for START_SECONDS if the broker does not answer the question."""
    if not answers(address(settings), client_options(settings)):
        raise BrokerError(f"no broker answers at {address(settings)}")
    offsets = Offsets(settings)
    patiently = Retrying(
        retry=retry_if_exception_type(KafkaError),
        wait=wait_exponential(max=5),
        stop=stop_after_delay(START_SECONDS),
        before_sleep=lambda asked: _not_yet(asked, offsets),
        reraise=True,
    )
    try:
        return patiently(offsets.places, INPUTS)
    except KafkaError as error:
        raise BrokerError(f"the broker at {address(settings)} failed: {error}") from error
    finally:
        offsets.close()


def _not_yet(asked: RetryCallState, offsets: Offsets) -> None:
    error = asked.outcome.exception() if asked.outcome else None
    log.warning("cannot read the partitions from the broker: %s; trying again", error)
    offsets.close()
