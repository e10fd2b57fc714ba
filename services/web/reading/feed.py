"""What is published, read from the ledger once for all streams, whoever writes to it."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from anyio import CapacityLimiter, to_thread
from litestar.connection import ASGIConnection

from ledger.database.store import DatabaseError, Store
from ledger.queries.records import Mark, mark, outbox
from schemas.event_types import EVENT_RECORDED, OBLIGATION_DUE, short_name
from services.views.event_lines import accounts_of
from services.web.state import web_of

log = logging.getLogger("tpp.web")

POLL, RETRY = 0.1, 1.0
"""Seconds between two looks at the ledger, and after one that failed."""
RECORDS, SIZE = 200, 250_000
"""The most records that are read at a time, and the characters after which no more are."""
KEPT, KEPT_SIZE = 2_000, 16_000_000
"""The most recent records that are kept for all streams, and bytes."""


@dataclass(frozen=True, slots=True)
class Published:
    """An event as it is published: its sequence number, its short name, its frame, and what it is about.

    That is accounts, shipments, and whether an obligation may have changed.
    """

    sequence: int
    name: str
    accounts: frozenset[str]
    shipments: frozenset[str]
    obligations: bool
    frame: bytes


class Record(NamedTuple):
    """A record with its events, and the size of their frames in bytes."""

    n: int
    events: tuple[Published, ...]
    size: int


class Rewound(Exception):
    """The ledger was restored, or has lost records: what it gives now does not follow from what was sent."""


class Feed:
    """The most recent records, read once for all streams, as long as there are any."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: list[Record] = []
        self._n = self._size = self._readers = 0
        self._task: asyncio.Task[None] | None = None
        self._polling, self._reading = CapacityLimiter(1), CapacityLimiter(2)
        self.news = asyncio.Event()
        """Set, and replaced, when there are more records."""

    @contextmanager
    def joined(self, last: int) -> Iterator[None]:
        """Reads the ledger for one more stream; `last` is the last record that it had when the stream began."""
        self._readers += 1
        if self._task is None:
            self._recent, self._size, self._n, self.news = [], 0, last, asyncio.Event()
            self._task = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._task.cancel()
                self._task = None

    async def after(self, n: int) -> Sequence[Record]:
        """Records after a number, in order; none if there is none so far. Raises what reading the ledger raises."""
        if self._task is not None and self._task.done():
            self._task.result()
        if n >= self._n:
            return ()
        first = self._recent[0].n if self._recent else self._n + 1
        if n + 1 >= first:
            return self._recent[n + 1 - first : n + 1 - first + RECORDS]
        return await to_thread.run_sync(self._read, n, limiter=self._reading, abandon_on_cancel=True)

    async def _poll(self) -> None:
        try:
            await self._read_on()
        except Exception as error:
            if isinstance(error, Rewound):
                log.warning("%s; its streams end", error)
            self.news.set()  # `after` then raises the same
            raise

    async def _read_on(self) -> None:
        """Reads what is committed, again and again; a database that does not answer is asked again."""
        known: Mark | None = None
        while True:
            try:
                known, found = await to_thread.run_sync(
                    self._next, self._n, known, limiter=self._polling, abandon_on_cancel=True
                )
            except DatabaseError as error:
                log.warning("the stream cannot read the ledger: %s", error.orig)
                await asyncio.sleep(RETRY)
                continue
            if not found:
                await asyncio.sleep(POLL)
                continue
            self._keep(found)
            news, self.news = self.news, asyncio.Event()
            news.set()

    def _keep(self, found: Sequence[Record]) -> None:
        self._recent += found
        self._n = found[-1].n
        self._size += sum(one.size for one in found)
        spare = dropped = 0
        while len(self._recent) - spare > KEPT or (self._size - dropped > KEPT_SIZE and len(self._recent) - spare > 1):
            dropped += self._recent[spare].size
            spare += 1
        self._size -= dropped
        del self._recent[:spare]

    def _next(self, n: int, known: Mark | None) -> tuple[Mark, list[Record]]:
        """The records after a number, and the mark of the last one that was then read.

        Raises Rewound if the record of this number has not the mark that it is known by.
        """
        with self._store.read() as connection:
            now = mark(connection, n)
            if (n and now.recorded is None) or now != (known or now):
                raise Rewound(f"the ledger was restored or has lost records since record {n} was read")
            found = outbox(connection, n, RECORDS, SIZE)
        last = Mark(now.epoch, found[-1].n, found[-1].recorded) if found else now
        return last, [_record(one.n, one.answers) for one in found]

    def _read(self, n: int) -> list[Record]:
        with self._store.read() as connection:
            found = outbox(connection, n, RECORDS, SIZE)
        return [_record(one.n, one.answers) for one in found]


def _record(n: int, answers: Iterable[str]) -> Record:
    events = tuple(map(_published, answers))
    return Record(n, events, sum(len(one.frame) for one in events))


def _published(text: str) -> Published:
    event = orjson.loads(text)
    name, sequence = short_name(event["type"]), event["sequence"]
    frame = f"id: {sequence}\nevent: {name}\ndata: {text}\n\n".encode()
    data = event["data"]
    found = (data.get("shipment_id"), *(data.get("held") or ()), *(data.get("skipped") or ()))
    shipments = frozenset(one for one in found if isinstance(one, str))
    owes = event["type"] in (OBLIGATION_DUE, EVENT_RECORDED) or bool(data.get("obligations"))
    return Published(int(sequence), name, frozenset(accounts_of(event)), shipments, owes, frame)


def feed_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Feed:
    """The feed of the application that a connection belongs to."""
    state = connection.app.state
    found = state.get("feed")
    if not isinstance(found, Feed):
        found = state["feed"] = Feed(web_of(connection).store)
    return found
