"""The loop of one agent: prepares its stream in batches, decides what is prepared, and has the offsets committed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError
from services.engine.message import Message, ReadMessage
from services.kafka.faust_app import Noted, committed_offset
from services.kafka.messages import record
from services.kafka.offsets import Place
from services.kafka.queues import size_of
from services.stream.commits import Commits
from services.stream.gate import Gate, log_failure
from services.stream.rewind import Note, digest

BATCH, BATCH_BYTES = 2000, 4 << 20
"""The messages, and their bytes, after which a batch ends, whichever comes first."""
FETCH_SECONDS = 0.002
"""How long the first message of a fetch waits for the others: a turn for it alone would take as long as one for all."""


class Taken(NamedTuple):
    """A message as Faust delivered it, and as it was read and prepared."""

    message: Any
    read: ReadMessage


class _Waiting:
    """What was taken from a source, at most `size` and BATCH_BYTES (and one more).

    A list and two signals, since a queue takes 3 µs an event.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: list[Any] = []
        self._bytes = 0
        self._ended = False
        self._changed, self._emptied = asyncio.Event(), asyncio.Event()

    async def fill(self, source: AsyncIterator[Any]) -> None:
        """Takes what a source gives until it ends or fails; waits while there is no room."""
        try:
            async for one in source:
                self._taken.append(one)
                self._bytes += size_of(one)
                self._changed.set()
                while len(self._taken) >= self._size or self._bytes >= BATCH_BYTES:
                    self._emptied.clear()
                    await self._emptied.wait()
        finally:
            self._ended = True
            self._changed.set()

    async def take(self, wait: float) -> list[Any]:
        """All that waits, at least one; none after the last. If nothing waits yet, the first one waits for others."""
        if not self._taken and not self._ended:
            self._changed.clear()
            await self._changed.wait()
            await asyncio.sleep(wait)
        taken, self._taken, self._bytes = self._taken, [], 0
        self._emptied.set()
        return taken


async def batches(source: AsyncIterator[Any], size: int, wait: float = 0) -> AsyncIterator[list[Any]]:
    """What a source gives in lists of what is available, bounded in number and in bytes; nothing is lost.

    `wait`: how many seconds the first of a list waits for others.
    A separate task takes from the source while a list is processed. It is not cancelled while the source gives more,
    which would lose what it was about to give.
    """
    waiting = _Waiting(size)
    taking = asyncio.ensure_future(waiting.fill(source))
    try:
        while some := await waiting.take(wait):
            yield some
        await taking
    finally:
        taking.cancel()


class Reader:
    """The loop of one agent: decides a batch, then has its offsets committed, without a gap."""

    def __init__(self, app: Any, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._commits = Commits(app)
        self._generation: int | None = None
        self._next: dict[Place, int] = {}
        """The offset after the last decided one, by partition of this generation."""

    async def read(self, stream: Any) -> None:
        """Decides the stream's messages until it ends; logs and raises if the ledger or its database fails.

        What comes while a batch is decided is prepared meanwhile.
        """
        self._gate.go_on()
        try:
            async for taken in batches(self._prepared(stream), BATCH):
                await self._take(taken)
        except (DatabaseError, LedgerError, LedgerCorrupt) as error:
            log_failure(error)
            raise
        finally:
            await self._commits.end()

    async def _prepared(self, stream: Any) -> AsyncIterator[Taken]:
        async for events in batches(stream.noack().events(), BATCH, FETCH_SECONDS):
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
        noted = {tp: Noted(offset, self._note(tp, last[tp])) for tp, offset in after.items()}
        self._commits.note(generation, noted)

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
