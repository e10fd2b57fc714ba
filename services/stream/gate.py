"""What all agents of a worker share: the engine, which prepares in one thread and decides in another, and offsets."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_fixed,
)

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError, Store, database_message
from schemas.event_types import EVENT_REJECTED
from services.engine.message import Message, ReadMessage
from services.failure import BrokerError
from services.kafka.faust_app import Noted
from services.kafka.offsets import Offsets, Place
from services.kafka.sources import TopicSources
from services.stream.rewind import Start, starts
from services.telemetry.health import Health
from services.telemetry.metrics import StreamMetrics
from services.telemetry.traces import line_names, tracing

if TYPE_CHECKING:
    from services.engine.engine import Engine
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

AGAIN_SECONDS = 1.0
"""How long to wait before a broker that did not answer is asked again."""

_REJECTION = f'"type":"{EVENT_REJECTED}"'
_FAILED = '"code":"internal.error"'


class Hole(RuntimeError):
    """A message was skipped: stop rather than commit past it; after the restart it is delivered again."""


def log_failure(error: DatabaseError | LedgerError | LedgerCorrupt) -> None:
    """Logs what ends the worker, as a sentence."""
    if isinstance(error, DatabaseError):
        log.critical("the ledger's database failed: %s; ending", database_message(error))
    else:
        log.critical("%s; ending", error)


class Gate:
    """What all agents of a worker share: the engine, in two threads, and queries for offsets."""

    def __init__(
        self, engine: "Engine", store: Store, settings: "Settings", health: Health, allowed: TopicSources | None = None
    ) -> None:
        self._engine = engine
        self._allowed = allowed
        self._store = store
        self._health = health
        self._metrics = StreamMetrics(health)
        self._traces = tracing()
        self._offsets = Offsets(settings)
        self._preparing = ThreadPoolExecutor(1, "prepare")
        self._deciding = ThreadPoolExecutor(1, "engine")
        self._looking = ThreadPoolExecutor(1, "offsets")
        self._ended = threading.Event()
        self._working: asyncio.Future[None] | None = None
        self.until: dict[Place, int] = {}
        """The partitions that are being caught up after a loss, each with the offset up to which."""
        self._patiently = Retrying(
            retry=retry_if_exception_type((KafkaError, BrokerError)),
            wait=wait_fixed(AGAIN_SECONDS),
            stop=stop_when_event_set(self._ended),
            sleep=sleep_using_event(self._ended),
            before_sleep=self._failed,
            reraise=True,
        )

    async def prepare(self, messages: Sequence[Message]) -> Sequence[ReadMessage]:
        """Reads messages, and works out what can be worked out before they are decided."""
        return await asyncio.get_running_loop().run_in_executor(self._preparing, self._prepare, messages)

    def _prepare(self, messages: Sequence[Message]) -> Sequence[ReadMessage]:
        read = self._engine.read_ahead(messages)
        if self._allowed is not None:
            read = self._allowed.look(read)
        return self._engine.prepare(read)

    async def decide(self, batch: Sequence[ReadMessage], published: Sequence[float | None]) -> None:
        """Decides messages that were read and prepared; raises where the database fails.

        `published`: when Kafka says that each came, in seconds since 1970 (UTC). What they ask for in chunks is done
        after them, between other batches.
        """
        loop = asyncio.get_running_loop()
        decided = await loop.run_in_executor(self._deciding, self._decide, batch)
        rejected = 0
        for one, texts in zip(batch, decided, strict=True):
            if _REJECTION in texts[0]:
                rejected += 1
                if _FAILED in texts[0]:
                    text = "ALERT internal.error: the program failed on %s; it is on tpp.rejected"
                    log.critical(text, one.message.position, extra={"tpp": line_names(texts[0])})
        self._metrics.decided(published)
        self._health.did("rejected", rejected)
        self._health.did("decided", len(batch) - rejected)
        self.go_on()

    def _decide(self, batch: Sequence[ReadMessage]) -> Sequence[Sequence[str]]:
        if self._traces is None:
            return self._engine.decide_between(batch)
        with self._traces.processing(batch) as traced:
            return self._engine.decide_between(traced)

    def go_on(self) -> None:
        """Does what is left of work in chunks, beside the batches to come; where the database fails, they say so."""
        if self._engine.pending is not False and (self._working is None or self._working.done()):
            self._working = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(DatabaseError, LedgerError, LedgerCorrupt):
            while await loop.run_in_executor(self._deciding, self._engine.go_on) is not None:
                self._health.moved()

    async def resume(self, places: Collection[Place]) -> dict[Place, Noted]:
        """Where to go on in partitions that were just assigned, of those for which it is not the committed offset.

        Waits while the broker is unavailable; logs and raises if the database fails.
        """
        try:
            found: dict[Place, Start] = await self._asked(starts, self._store, self._offsets, places)
        except (DatabaseError, LedgerError, LedgerCorrupt) as error:
            log_failure(error)
            raise
        self.until = {place: one.note.until for place, one in found.items() if one.note.until > one.offset}
        self._health.catches_up(len(self.until))
        return {place: Noted(one.offset, str(one.note)) for place, one in found.items() if one.moved}

    def catch_up(self, at: Mapping[Place, int]) -> None:
        """Notes how far partitions are decided; those that have reached their offset are caught up."""
        until = self.until
        for place in [place for place, offset in until.items() if at.get(place, -1) >= offset]:
            until.pop(place, None)
        self._health.catches_up(len(until))

    async def beginning(self, place: Place) -> int:
        """The lowest offset of a partition; waits while the broker is unavailable."""
        found: dict[Place, int] = await self._asked(self._offsets.beginnings, [place])
        return found[place]

    async def look(self, place: Place, gaps: Sequence[tuple[int, int]]) -> None:
        """Raises Hole if one of the gaps, each from an offset up to another, contains a committed message.

        Not one below the offset that the group has committed: it was decided, by this worker or another one, while
        partitions were shared out anew. Waits while the broker is unavailable.
        """
        await self._asked(self._look, place, gaps)

    async def _asked(self, question: Callable[..., Any], *about: Any) -> Any:
        patiently = partial(self._patiently, question, *about)
        return await asyncio.get_running_loop().run_in_executor(self._looking, patiently)

    def _failed(self, asked: RetryCallState) -> None:
        error = asked.outcome.exception() if asked.outcome else None
        log.warning("cannot read offsets from the broker: %s; trying again", error)
        self._offsets.close()

    def _look(self, place: Place, gaps: Sequence[tuple[int, int]]) -> None:
        name = f"{place[0]}/{place[1]}"
        lowest, decided = self._offsets.beginnings([place])[place], self._offsets.committed([place]).get(place, 0)
        first, end = max(gaps[0][0], decided), gaps[-1][1]
        if first < lowest:
            gone = first, lowest - 1
            log.error("%s: offsets %d to %d were deleted by retention before they were decided", name, *gone)
            first = lowest
        there = [one.offset for one in self._offsets.messages(place, first, end)] if first < end else []
        passed = [offset for offset in there if any(start <= offset < stop for start, stop in gaps)]
        if passed:
            what = "1 message was" if len(passed) == 1 else f"{len(passed):,} messages were"
            message = f"{name}: {what} skipped, from offset {passed[0]} on"
            log.critical(message)
            raise Hole(message)
        count = sum(stop - start for start, stop in gaps)
        log.info("%s: %d offsets from %d contain no committed message; continuing", name, count, gaps[0][0])

    def close(self) -> None:
        """Waits for the batches that are being prepared and decided, and ends all threads."""
        self._ended.set()
        self._preparing.shutdown()
        self._deciding.shutdown()
        self._looking.shutdown()
        self._offsets.close()
