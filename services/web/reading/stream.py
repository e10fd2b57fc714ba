"""`GET /v1/stream`: all that is published, as server-sent events that a reader resumes where it was cut off.

One task reads the ledger for all streams, whoever writes to it; each stream sends what it wants of that.
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from anyio import CapacityLimiter, to_thread
from litestar import Request, get
from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Receive, Scope, Send

from ledger.database.store import Connection, DatabaseError, Store
from ledger.queries.records import End, Mark, end, mark, outbox, record_of
from schemas.accounts import matches
from schemas.event_types import OUTGOING, short_name
from services.views.event_lines import accounts_of
from services.web.access import READERS, Caller, caller_of, is_open, roles
from services.web.problems import Fault, Kind, Problem
from services.web.reading.queries import Query, read_ledger, read_query
from services.web.state import Web, web_of

log = logging.getLogger("tpp.web")

SILENCE = 15.0
"""Seconds without an event after which a comment is sent."""
PATIENCE = 30.0
"""Seconds in which a reader takes the next part, or is cut off."""
GONE = 1.0
"""Seconds in which a reader takes the end of a response, or the server ends the connection of one that does not."""
CHECK, ANSWERED = 4.0, 3.0
"""Seconds between two looks at a token, and for the answer; two that fail in a row end the stream within 15."""
POLL, RETRY = 0.1, 1.0
"""Seconds between two looks at the ledger, and after one that failed."""
RECORDS, SIZE = 200, 250_000
"""The most records that are read at a time, and the characters after which no more are."""
KEPT, KEPT_SIZE = 2_000, 16_000_000
"""The most recent records that are kept for all streams, and bytes."""
PART = 65_536
"""The most bytes that are sent at a time."""
_COMMENT = b":\n\n"
_NAMES = {short_name(type): type for type in OUTGOING}
_LAST_EVENT_ID = "last-event-id"
_BIGGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Published:
    """An event as it is published: its sequence number, its short name, the accounts that it is about, its frame."""

    sequence: int
    name: str
    accounts: frozenset[str]
    frame: bytes


class Record(NamedTuple):
    """A record with its events, and the size of their frames in bytes."""

    n: int
    events: tuple[Published, ...]
    size: int


class Wanted(NamedTuple):
    """Which events: of these short names, None for all; about an account that matches a pattern, None for all."""

    names: frozenset[str] | None
    account: str | None

    def takes(self, one: Published) -> bool:
        """Whether an event is wanted."""
        if self.names is not None and one.name not in self.names:
            return False
        return self.account is None or any(matches(self.account, account) for account in one.accounts)


class Place(NamedTuple):
    """Where a stream is: after all of record `n`, and after the sequence number."""

    n: int
    sequence: int


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
    return Published(int(sequence), name, frozenset(accounts_of(event)), frame)


class _TooSlow(Exception):
    """The reader has not taken the next part in time."""


class Stream:
    """An open stream, as the application that answers its request."""

    def __init__(self, web: Web, feed: Feed, caller: Caller, wanted: Wanted, place: Place, last: int) -> None:
        self._web, self._feed, self._caller, self._wanted = web, feed, caller, wanted
        self._place, self._last = place, last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI gives it
        """Sends events until the client leaves or does not keep up, the token ends, or the server stops."""
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        with self._feed.joined(self._last):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            writing, left = asyncio.create_task(self._write(send)), asyncio.create_task(_left(receive))
            ends = asyncio.create_task(self._token_ends()), asyncio.create_task(self._stopping())
            tasks = {writing, left, *ends}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=1.0)
        if not left.done() or left.cancelled():
            await self._finish(writing, receive, send)

    async def _finish(self, writing: asyncio.Task[None], receive: Receive, send: Send) -> None:
        """Ends the response, unless the reader does not read it: then the server ends the connection."""
        failed = writing.exception() if writing.done() and not writing.cancelled() else None
        if isinstance(failed, _TooSlow):
            log.warning("a reader of the stream did not keep up and was cut off, token %s", self._caller.id)
            await _within(GONE, _left(receive))
            return
        if failed is not None and not isinstance(failed, Rewound):
            log.error("a stream failed, token %s", self._caller.id, exc_info=failed)
        await _within(GONE, send({"type": "http.response.body", "body": b"", "more_body": False}))

    async def _write(self, send: Send) -> None:
        """Sends what is wanted in the order of publication, and comments in between."""
        loop = asyncio.get_running_loop()
        await _send(send, _COMMENT)
        sent = loop.time()
        while True:
            news = self._feed.news
            records = await self._feed.after(self._place.n)
            frames = [one.frame for record in records for one in record.events if self._takes(one)]
            for part in _parts(frames):
                await _send(send, part)
                sent = loop.time()
            if records:
                last = records[-1]
                self._place = Place(last.n, max(self._place.sequence, last.events[-1].sequence))
            else:
                await _within(sent + SILENCE - loop.time(), news.wait())
            if loop.time() - sent >= SILENCE:
                await _send(send, _COMMENT)
                sent = loop.time()
            await asyncio.sleep(0)  # nothing above waits once the client has gone

    def _takes(self, one: Published) -> bool:
        return one.sequence > self._place.sequence and self._wanted.takes(one)

    async def _token_ends(self) -> None:
        """Returns once the token is revoked or expired, or the ledger does not say twice in a row."""
        silent = 0
        while silent < 2:
            await asyncio.sleep(CHECK)
            try:
                async with asyncio.timeout(ANSWERED):
                    if not await is_open(self._web, self._caller):
                        return
                silent = 0
            except (Problem, DatabaseError, TimeoutError):
                silent += 1

    async def _stopping(self) -> None:
        await self._web.stopping.wait()


async def _left(receive: Receive) -> None:
    """Returns once the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes) -> None:
    """Sends a part; raises _TooSlow where the reader has not taken those before it in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except TimeoutError as error:
        raise _TooSlow from error


async def _within(seconds: float, done: Awaitable[Any]) -> None:
    """Waits for something, but no longer than so many seconds."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await done
    except TimeoutError:
        return


def _parts(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Frames, put together or taken apart so that no part is long."""
    held = b""
    for frame in frames:
        if held and len(held) + len(frame) > PART:
            yield held
            held = b""
        held += frame
        while len(held) > PART:
            yield held[:PART]
            held = held[PART:]
    if held:
        yield held


@get("/v1/stream", **roles(READERS))
async def stream(request: Request[Any, Any, Any]) -> ASGIApp:
    """What is published from now on, or after a sequence number."""
    query = read_query(request, ("types", "account", "after"))
    wanted = Wanted(_types(query), query.text("account"))
    given = query.number("after", 0, _BIGGEST)
    query.check()
    resumed = _last_event_id(request)
    after = given if resumed is None else resumed

    def begin(connection: Connection) -> tuple[Place, End]:
        last = end(connection)
        if after is None:
            return Place(last.n, last.sequence), last
        if after > last.sequence:
            detail = f"The sequence {after} is not reached yet; the last one is {last.sequence}."
            raise Problem(Kind.SEQUENCE_AHEAD, detail)
        return Place(max(0, record_of(connection, after) - 1), after), last

    place, last = await read_ledger(request, begin)
    return Stream(web_of(request), _feed_of(request), caller_of(request), wanted, place, last.n)


def _types(query: Query) -> frozenset[str] | None:
    """The short names of types that `types` names, separated by commas."""
    text = query.text("types")
    if text is None:
        return None
    names = text.split(",")
    for name in dict.fromkeys(names):
        if name not in _NAMES:
            query.fault("types", "invalid", f"types: {name!r} is not one of {', '.join(sorted(_NAMES))}.")
    return frozenset(names)


def _last_event_id(request: ASGIConnection[Any, Any, Any, Any]) -> int | None:
    """The sequence number that the header `Last-Event-ID` gives; None without one."""
    given = [value for value in request.headers.getall(_LAST_EVENT_ID, []) if value]
    if not given:
        return None
    read = Query(dict.fromkeys([_LAST_EVENT_ID], ",".join(given)))
    found = read.number(_LAST_EVENT_ID, 0, _BIGGEST)
    if found is None:
        detail = f"The header Last-Event-ID must be the `id` of an event, not {','.join(given)!r}."
        raise Problem(Kind.REQUEST_INVALID, detail, [Fault(f"/{_LAST_EVENT_ID}", "invalid", detail)])
    return found


def _feed_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Feed:
    """The feed of the application that a connection belongs to."""
    state = connection.app.state
    found = state.get("feed")
    if not isinstance(found, Feed):
        found = state["feed"] = Feed(web_of(connection).store)
    return found


ROUTES = (stream,)
