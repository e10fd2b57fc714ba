"""Offsets are committed beside the turns: the next batch is decided while the broker takes those of the last one."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from services.kafka.faust_app import Noted, assigned_to, commit

log = logging.getLogger("tpp.worker")

COMMIT_SECONDS = 0.1
"""How long offsets wait for later ones; until they are committed, a new worker answers their messages once more."""
END_SECONDS = 2.0


class Commits:
    """The offsets of decided messages that are to be committed, the latest of each partition.

    They are committed in the generation in which their messages were read, or not at all.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._generation: int | None = None
        self._noted: dict[Any, Noted] = {}
        self._task: asyncio.Future[None] | None = None
        self._ended = asyncio.Event()

    def note(self, generation: int, offsets: Mapping[Any, Noted]) -> None:
        """Has offsets of a generation committed soon; raises what an earlier commit raised."""
        if generation != self._generation:
            self._generation = generation
            self._noted.clear()
        self._noted.update(offsets)
        if self._task is None or self._task.done():
            if self._task is not None:
                self._task.result()
            self._task = asyncio.ensure_future(self._commit())

    async def end(self) -> None:
        """Commits what waits; does not wait long for a broker that does not answer."""
        self._ended.set()
        if self._task is not None:
            ended, waiting = await asyncio.wait([self._task], timeout=END_SECONDS)
            for task in waiting:
                task.cancel()
            for task in ended:
                if not task.cancelled() and (error := task.exception()) is not None:
                    log.warning("the last offsets are not committed: %r", error)

    async def _commit(self) -> None:
        while noted := self._noted:
            self._noted = {}
            mine = assigned_to(self._app) if self._app.consumer_generation_id == self._generation else frozenset()
            if offsets := {tp: offset for tp, offset in noted.items() if tp in mine}:
                await commit(self._app, offsets)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), COMMIT_SECONDS)
