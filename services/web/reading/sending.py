"""How a stream is sent: until the client leaves or does not keep up, the caller's rights end, or the server stops."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Any, NamedTuple

from litestar.connection import ASGIConnection
from litestar.types import Receive, Scope, Send

from ledger.database.store import Connection, DatabaseError
from ledger.queries.records import End, end, record_of
from services.web.access import Caller, is_open
from services.web.problems import Fault, Kind, Problem
from services.web.reading.feed import Feed, Rewound
from services.web.reading.queries import Query
from services.web.state import Web

log = logging.getLogger("tpp.web")

SILENCE = 15.0
"""Seconds without an event after which a sign of life is sent."""
PATIENCE = 30.0
"""Seconds in which a reader takes the next part, or is cut off."""
GONE = 1.0
"""Seconds in which a reader takes the end of a response, or the server ends the connection of one that does not."""
CHECK, ANSWERED = 4.0, 3.0
"""Seconds between two looks at a token, and for the answer; two that fail in a row end the stream within 15."""
BIGGEST = 2**63 - 1
"""The largest sequence number."""
COMMENT = b":\n\n"
_LAST_EVENT_ID = "last-event-id"


class Place(NamedTuple):
    """Where a stream is: after all of record `n`, and after the sequence number."""

    n: int
    sequence: int


class _TooSlow(Exception):
    """The reader has not taken the next part in time."""


class Sending(ABC):
    """An open stream, as the application that answers its request.

    `place` is where it begins, `last` the last record that there was then.
    """

    def __init__(self, web: Web, feed: Feed, caller: Caller, place: Place, last: int) -> None:
        self._web, self._feed, self._caller = web, feed, caller
        self._place, self._last = place, last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI gives it
        """Sends events until the client leaves or does not keep up, the token ends, or the server stops."""
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        with self._feed.joined(self._last):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            writing, away = asyncio.create_task(self._write(send)), asyncio.create_task(_left(receive))
            ends = asyncio.create_task(self._token_ends()), asyncio.create_task(self._stopping())
            tasks = {writing, away, *ends}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=1.0)
        if not away.done() or away.cancelled():
            await self._finish(writing, receive, send)

    async def _finish(self, writing: asyncio.Task[None], receive: Receive, send: Send) -> None:
        """Ends the response, unless the reader does not read it: then the server ends the connection."""
        failed = writing.exception() if writing.done() and not writing.cancelled() else None
        if isinstance(failed, _TooSlow):
            log.warning("a reader of the stream did not keep up and was cut off, token %s", self._caller.id)
            await within(GONE, _left(receive))
            return
        if failed is not None and not isinstance(failed, Rewound):
            log.error("a stream failed, token %s", self._caller.id, exc_info=failed)
        await within(GONE, send({"type": "http.response.body", "body": b"", "more_body": False}))

    @abstractmethod
    async def _write(self, send: Send) -> None:
        """Sends what there is, and what comes, without end."""

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


async def send_part(send: Send, body: bytes) -> None:
    """Sends a part; raises _TooSlow where the reader has not taken those before it in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except TimeoutError as error:
        raise _TooSlow from error


async def within(seconds: float, done: Awaitable[Any]) -> None:
    """Waits for something, but no longer than so many seconds."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await done
    except TimeoutError:
        return


def place_after(connection: Connection, after: int | None) -> tuple[Place, End]:
    """The place after a sequence number, and the ledger's end; None for the end itself.

    Raises Problem where the ledger has not got there.
    """
    last = end(connection)
    if after is None:
        return Place(last.n, last.sequence), last
    if after > last.sequence:
        detail = f"The sequence {after} is not reached yet; the last one is {last.sequence}."
        raise Problem(Kind.SEQUENCE_AHEAD, detail)
    return Place(max(0, record_of(connection, after) - 1), after), last


def last_event_id(request: ASGIConnection[Any, Any, Any, Any]) -> int | None:
    """The sequence number that the header `Last-Event-ID` gives; None without one."""
    given = [value for value in request.headers.getall(_LAST_EVENT_ID, []) if value]
    if not given:
        return None
    read = Query(dict.fromkeys([_LAST_EVENT_ID], ",".join(given)))
    found = read.number(_LAST_EVENT_ID, 0, BIGGEST)
    if found is None:
        detail = f"The header Last-Event-ID must be the `id` of an event, not {','.join(given)!r}."
        raise Problem(Kind.REQUEST_INVALID, detail, [Fault(f"/{_LAST_EVENT_ID}", "invalid", detail)])
    return found
