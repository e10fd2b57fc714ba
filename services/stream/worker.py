"""Faust agents: messages to the engine, offsets committed after the database, no message passed by."""

import asyncio
import io
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError as ClientError
from kafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_fixed,
)

from ledger.database.store import database_message
from schemas.wire.binary import is_binary, structured
from services.engine.answers import REJECTED
from services.engine.engine import Record
from services.kafka.access import (
    INPUTS,
    BrokerError,
    address,
    answers,
    check_access,
    client_options,
)
from services.kafka.faust_app import application
from services.kafka.offsets import Offsets, Place
from services.stream.watchdog import Watchdog
from services.telemetry.health import Health, served

if TYPE_CHECKING:
    from services.engine.engine import Engine
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

BATCH = 2000
REPEAT_SECONDS = 30.0
"""What a library says again and again, such as that a broker is away, is written once in so long."""

AGAIN_SECONDS = 1.0
"""Until a broker that did not answer is asked again."""

_END = object()
_TOLD = f'"type":"{REJECTED}"'
_FAILED = '"code":"internal.error"'


class Hole(RuntimeError):
    """A message was passed by: stop rather than commit over it; after the restart it is delivered again."""


def record(message: Any) -> Record:
    """A Kafka message as the engine reads it."""
    headers, value = message.headers or (), message.value
    if isinstance(headers, dict):
        headers = headers.items()
    headers = list(headers)
    position = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    return Record(structured(headers, value), position, (value or b"") if is_binary(headers) else None)


async def batches(stream: Any, size: int) -> AsyncIterator[list[Any]]:
    """The stream's events in lists of what is there, bounded in size; none is left behind.

    A task of its own takes events off the stream while a list is worked on. It is not cancelled while the stream goes
    on: that would lose the event that the stream was about to give.
    """
    waiting: asyncio.Queue[Any] = asyncio.Queue(size)
    taking = asyncio.ensure_future(_take(stream, waiting))
    try:
        while not taking.done() or not waiting.empty():
            batch = [await waiting.get()]
            while len(batch) < size and not waiting.empty():
                batch.append(waiting.get_nowait())
            if events := [event for event in batch if event is not _END]:
                yield events
        await taking
    finally:
        taking.cancel()


async def _take(stream: Any, waiting: "asyncio.Queue[Any]") -> None:
    """Puts what the stream gives into a queue, and after the last event, or where the stream fails, its end."""
    try:
        async for event in stream.noack().events():
            await waiting.put(event)
    finally:
        await waiting.put(_END)


class Quiet(logging.Filter):
    """Leaves out what libraries repeat, what they say of failures that the worker tells of, and stacks of brokers."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, DBAPIError | Hole):
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


class Gate:
    """What all agents of a worker share: the engine, in one thread of its own, and a look at what offsets hold."""

    def __init__(self, engine: "Engine", settings: "Settings", health: Health) -> None:
        self._engine = engine
        self._health = health
        self._offsets = Offsets(settings)
        self._deciding = ThreadPoolExecutor(1, "engine")
        self._looking = ThreadPoolExecutor(1, "offsets")
        self._ended = threading.Event()
        self._patiently = Retrying(
            retry=retry_if_exception_type((KafkaError, BrokerError)),
            wait=wait_fixed(AGAIN_SECONDS),
            stop=stop_when_event_set(self._ended),
            sleep=sleep_using_event(self._ended),
            before_sleep=self._failed,
            reraise=True,
        )

    async def decide(self, records: Sequence[Record]) -> None:
        """Decides records in one transaction; raises where the database fails."""
        decided = await asyncio.get_running_loop().run_in_executor(self._deciding, self._engine.run, records)
        rejected = 0
        for one, texts in zip(records, decided, strict=True):
            if _TOLD in texts[0]:
                rejected += 1
                if _FAILED in texts[0]:
                    log.critical("ALERT internal.error: the program failed on %s; it is on tpp.rejected", one.position)
        self._health.did("rejected", rejected)
        self._health.did("decided", len(records) - rejected)

    async def beginning(self, place: Place) -> int:
        """The lowest offset that a partition has; waits for a broker that is away."""
        found: dict[Place, int] = await self._asked(self._offsets.beginnings, [place])
        return found[place]

    async def look(self, place: Place, gaps: Sequence[tuple[int, int]]) -> None:
        """Raises Hole where a committed message stands in one of the gaps, each from an offset to before another.

        Waits for a broker that is away.
        """
        await self._asked(self._look, place, gaps)

    async def _asked(self, question: Callable[..., Any], *about: Any) -> Any:
        patiently = partial(self._patiently, question, *about)
        return await asyncio.get_running_loop().run_in_executor(self._looking, patiently)

    def _failed(self, asked: RetryCallState) -> None:
        error = asked.outcome.exception() if asked.outcome else None
        log.warning("the broker does not say what its offsets hold: %s; trying again", error)
        self._offsets.close()

    def _look(self, place: Place, gaps: Sequence[tuple[int, int]]) -> None:
        name = f"{place[0]}/{place[1]}"
        lowest = self._offsets.beginnings([place])[place]
        if gaps[0][0] < lowest:
            log.error("%s: offsets %d to %d are gone by retention, undecided", name, gaps[0][0], lowest - 1)
        first, end = max(gaps[0][0], lowest), gaps[-1][1]
        there = [one.offset for one in self._offsets.messages(place, first, end)] if first < end else []
        passed = [offset for offset in there if any(start <= offset < stop for start, stop in gaps)]
        if passed:
            log.critical("%s: %d messages were passed by, from offset %d", name, len(passed), passed[0])
            raise Hole(f"{name}: {len(passed)} messages from offset {passed[0]} were passed by")
        count = sum(stop - start for start, stop in gaps)
        log.info("%s: %d offsets from %d hold no committed message; going on", name, count, gaps[0][0])

    def close(self) -> None:
        """Waits for what is being decided, and ends both threads."""
        self._ended.set()
        self._deciding.shutdown()
        self._looking.shutdown()
        self._offsets.close()


class Reader:
    """The loop of one agent: a batch to the database, then its offsets to the broker, without a gap."""

    def __init__(self, app: Any, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._generation: int | None = None
        self._next: dict[Place, int] = {}
        """The offset after the last decided one, of the partitions of this generation."""

    async def read(self, stream: Any) -> None:
        """Decides what the stream gives until it ends; where the database fails, says so and raises."""
        async for events in batches(stream, BATCH):
            try:
                await self._take([event.message for event in events])
            except DBAPIError as error:
                log.critical("the ledger's database failed: %s; ending", database_message(error))
                raise

    async def _take(self, messages: list[Any]) -> None:
        generation = self._app.consumer_generation_id
        if generation != self._generation:
            self._generation = generation
            self._next.clear()
        messages = [message for message in messages if message.generation_id == generation]
        after = await self._contiguous(messages)
        if not messages:
            return
        await self._gate.decide([record(message) for message in messages])
        if self._app.consumer_generation_id != generation:
            return
        self._next.update(after)
        mine = self._app.consumer.assignment()
        commit = {tp: offset for tp, offset in after.items() if tp in mine}
        if commit:
            await self._app.consumer._commit(commit)  # noqa: SLF001

    async def _contiguous(self, messages: Sequence[Any]) -> dict[Any, int]:
        """The offset after the last message of each partition; Hole where a message before one was passed by."""
        after: dict[Any, int] = {}
        gaps: dict[Any, list[tuple[int, int]]] = {}
        for message in messages:
            tp, offset = message.tp, message.offset
            if tp not in after:
                after[tp] = await self._expected(tp)
                if offset < after[tp]:
                    log.critical("%s/%s: the broker lost offsets from %d on", tp.topic, tp.partition, offset)
                    after[tp] = offset
            if offset > after[tp]:
                gaps.setdefault(tp, []).append((after[tp], offset))
            after[tp] = max(after[tp], offset + 1)
        for tp, found in gaps.items():
            await self._gate.look((tp.topic, tp.partition), found)
        return after

    async def _expected(self, tp: Any) -> int:
        """The offset at which a partition goes on: after the last decided, else the committed, else its lowest."""
        if tp in self._next:
            return self._next[tp]
        committed: int | None = self._app.consumer._committed_offset.get(tp)  # noqa: SLF001
        return await self._gate.beginning((tp.topic, tp.partition)) if committed is None else committed


def _agents(app: Any, gate: Gate) -> None:
    from mode.supervisors import CrashingSupervisor

    for name in INPUTS:
        topic = app.topic(
            name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False
        )
        reader = Reader(app, gate)

        async def _agent(stream: Any, read: Callable[[Any], Any] = reader.read) -> None:
            await read(stream)

        app.agent(topic, name=name, supervisor_strategy=CrashingSupervisor)(_agent)


def run(settings: "Settings", ledger_url: str | None, rulebook: str | None) -> int:
    """Decides what comes in on the input topics until SIGTERM or SIGINT; the exit code: 0, or 1 after a failure.

    Where the database fails, a message was passed by, or there is work and no progress, the process ends and another
    one must be started: what was not committed is delivered to that. Raises BrokerError where there is no broker or a
    topic is not there.
    """
    from services.resources import engine

    for handler in logging.getLogger().handlers:
        handler.addFilter(Quiet())
    check_access(address(settings), client_options(settings))
    places = _places(settings)
    health = Health("worker")
    with engine(ledger_url, rulebook) as runs, served(health, settings.metrics):
        gate = Gate(runs, settings, health)
        app = application(settings, places)
        _agents(app, gate)
        ended = threading.Event()
        watchdog = Watchdog(app, settings, health, places, ended)
        watchdog.start()
        try:
            return _run(app)
        finally:
            ended.set()
            gate.close()
            watchdog.join(5)


def _places(settings: "Settings") -> list[Place]:
    """The partitions of the input topics, once the broker is ready to keep the group's offsets."""
    if not answers(address(settings), client_options(settings)):
        raise BrokerError(f"no broker answers at {address(settings)}")
    offsets = Offsets(settings)
    try:
        places = offsets.places(INPUTS)
        offsets.committed(places)
    except KafkaError as error:
        raise BrokerError(f"the broker at {address(settings)} failed: {error}") from error
    finally:
        offsets.close()
    return places


def _run(app: Any) -> int:
    import faust

    worker = faust.Worker(app, override_logging=False, quiet=True, redirect_stdouts=False, stdout=io.StringIO())
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
