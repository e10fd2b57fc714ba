"""The loop of one agent: decides its stream in batches, and then commits the offsets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError
from services.engine.message import Message
from services.kafka.faust_app import Noted, assigned_to, commit, committed_offset
from services.kafka.messages import record
from services.kafka.offsets import Place
from services.kafka.queues import size_of
from services.stream.gate import Gate, log_failure
from services.stream.rewind import Note, digest

BATCH, BATCH_BYTES = 2000, 4 << 20
"""The messages, and their bytes, after which a batch ends, whichever comes first."""


class _Waiting:
    """The events that were taken off the stream, at most `size` and BATCH_BYTES (and one more) of them.

    A list and two signals, since a queue takes 3 µs an event.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._events: list[Any] = []
        self._bytes = 0
        self._ended = False
        self._changed, self._emptied = asyncio.Event(), asyncio.Event()

    async def fill(self, stream: Any) -> None:
        """Takes the stream's events until it ends or fails; waits while there is no room."""
        try:
            async for event in stream.noack().events():
                self._events.append(event)
                self._bytes += size_of(event)
                self._changed.set()
                while len(self._events) >= self._size or self._bytes >= BATCH_BYTES:
                    self._emptied.clear()
                    await self._emptied.wait()
        finally:
            self._ended = True
            self._changed.set()

    async def take(self) -> list[Any]:
        """All events that wait, at least one; none after the last."""
        while not self._events and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        taken, self._events, self._bytes = self._events, [], 0
        self._emptied.set()
        return taken


async def batches(stream: Any, size: int) -> AsyncIterator[list[Any]]:
    """The stream's events in lists of those that are available, bounded in number and in bytes; none is lost.

    A separate task takes events off the stream while a list is processed. It is not cancelled while the stream runs,
    which would lose the event that the stream was about to deliver.
    """
    waiting = _Waiting(size)
    taking = asyncio.ensure_future(waiting.fill(stream))
    try:
        while events := await waiting.take():
            yield events
        await taking
    finally:
        taking.cancel()


class Reader:
    """The loop of one agent: decides a batch, then commits its offsets, without a gap."""

    def __init__(self, app: Any, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._generation: int | None = None
        self._next: dict[Place, int] = {}
        """The offset after the last decided one, by partition of this generation."""

    async def read(self, stream: Any) -> None:
        """Decides the stream's messages until it ends; logs and raises if the ledger or its database fails."""
        self._gate.go_on()
        async for events in batches(stream, BATCH):
            try:
                await self._take([event.message for event in events])
            except (DatabaseError, LedgerError, LedgerCorrupt) as error:
                log_failure(error)
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
        records = [record(message) for message in messages]
        last = {message.tp: one for message, one in zip(messages, records, strict=True)}
        await self._gate.decide(records, [message.timestamp for message in messages])
        if self._app.consumer_generation_id != generation:
            return
        self._next.update(after)
        mine = assigned_to(self._app)
        offsets = {tp: Noted(offset, self._note(tp, last[tp])) for tp, offset in after.items() if tp in mine}
        if offsets:
            await commit(self._app, offsets)

    def _note(self, tp: Any, last: Message) -> str:
        return str(Note(digest(last), self._gate.until.get(tp, 0)))

    async def _contiguous(self, messages: Sequence[Any]) -> dict[Any, int]:
        """The offset after the last message of each partition; Hole where a message before one was skipped."""
        after: dict[Any, int] = {}
        gaps: dict[Any, list[tuple[int, int]]] = {}
        for message in messages:
            tp, offset = message.tp, message.offset
            if tp not in after:
                after[tp] = await self._expected(tp)
            if offset > after[tp]:
                gaps.setdefault(tp, []).append((after[tp], offset))
            after[tp] = max(after[tp], offset + 1)
        for tp, found in gaps.items():
            await self._gate.look((tp.topic, tp.partition), found)
        return after

    async def _expected(self, tp: Any) -> int:
        """The next offset of a partition: after the last decided, else the committed, else the lowest."""
        if tp in self._next:
            return self._next[tp]
        committed = committed_offset(self._app, tp)
        return await self._gate.beginning((tp.topic, tp.partition)) if committed is None else committed
