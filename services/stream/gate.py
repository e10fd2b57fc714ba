"""What all agents of a worker share: the engine, in one thread, and what the broker says of offsets, in another."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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

from schemas.event_types import EVENT_REJECTED
from services.engine.message import Message
from services.failure import BrokerError
from services.kafka.offsets import Offsets, Place
from services.telemetry.health import Health

if TYPE_CHECKING:
    from services.engine.engine import Engine
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

AGAIN_SECONDS = 1.0
"""Until a broker that did not answer is asked again."""

_REJECTION = f'"type":"{EVENT_REJECTED}"'
_FAILED = '"code":"internal.error"'


class Hole(RuntimeError):
    """A message was passed by: stop rather than commit over it; after the restart it is delivered again."""


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

    async def decide(self, records: Sequence[Message]) -> None:
        """Decides records in one transaction; raises where the database fails."""
        decided = await asyncio.get_running_loop().run_in_executor(self._deciding, self._engine.run, records)
        rejected = 0
        for one, texts in zip(records, decided, strict=True):
            if _REJECTION in texts[0]:
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
