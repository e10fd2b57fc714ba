"""The loop of one agent: prepares its stream in batches, decides what is prepared, and then commits the offsets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError
from services.engine.message import Message, ReadMessage
from services.kafka.faust_app import Noted, assigned_to, commit, committed_offset
from services.kafka.messages import record
from services.kafka.offsets import Place
from services.kafka.queues import BoundedInBytes, size_of
from services.stream.gate import Gate, log_failure
from services.stream.rewind import Note, digest

BATCH, BATCH_BYTES = 2000, 4 << 20
"""The messages, and their bytes, after which a batch ends, whichever comes first."""

_END = object()


class Taken(NamedTuple):
    """A message as Faust delivered it, and as it was read and prepared."""

    message: Any
    read: ReadMessage


class _Waiting(BoundedInBytes, asyncio.Queue[Any]):
    """What waits to be taken further."""

    most_bytes = BATCH_BYTES


async def batches(source: AsyncIterator[Any], size: int) -> AsyncIterator[list[Any]]:
    """What a source gives in lists of what is available, bounded in number and in bytes; nothing is lost.

    A separate task takes from the source while a list is processed. It is not cancelled while the source gives more,
    which would lose what it was about to give.
    """
    waiting = _Waiting(size)
    taking = asyncio.ensure_future(_take(source, waiting))
    try:
        while not taking.done() or not waiting.empty():
            batch = [await waiting.get()]
            taken = size_of(batch[0])
            while len(batch) < size and taken < BATCH_BYTES and not waiting.empty():
                batch.append(waiting.get_nowait())
                taken += size_of(batch[-1])
            if found := [one for one in batch if one is not _END]:
                yield found
        await taking
    finally:
        taking.cancel()


async def _take(source: AsyncIterator[Any], waiting: asyncio.Queue[Any]) -> None:
    """Puts what a source gives into a queue, and a marker at its end, or if it fails."""
    try:
        async for one in source:
            await waiting.put(one)
    finally:
        await waiting.put(_END)


class Reader:
    """The loop of one agent: decides a batch, then commits its offsets, without a gap."""

    def __init__(self, app: Any, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._generation: int | None = None
        self._next: dict[Place, int] = {}
        """The offset after the last decided one, by partition of this generation."""

    async def read(self, stream: Any) -> None:
        """Decides the stream's messages until it ends; logs and raises if the ledger or its database fails.

        What comes while a batch is decided is prepared meanwhile.
        """
        self._gate.go_on()
        async for taken in batches(self._prepared(stream), BATCH):
            try:
                await self._take(taken)
            except (DatabaseError, LedgerError, LedgerCorrupt) as error:
                log_failure(error)
                raise

    async def _prepared(self, stream: Any) -> AsyncIterator[Taken]:
        async for events in batches(stream.noack().events(), BATCH):
            messages = [event.message for event in events]
            for one in zip(messages, await self._gate.prepare(list(map(record, messages))), strict=True):
                yield Taken(*one)

    async def _take(self, taken: list[Taken]) -> None:
        generation = self._app.consumer_generation_id
        if generation != self._generation:
            self._generation = generation
            self._next.clear()
        taken = [one for one in taken if one.message.generation_id == generation]
        messages = [one.message for one in taken]
        after = await self._contiguous(messages)
        if not messages:
            return
        last = {one.message.tp: one.read.message for one in taken}
        await self._gate.decide([one.read for one in taken], [message.timestamp for message in messages])
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
