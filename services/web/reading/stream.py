"""`GET /v1/stream`: all that is published, as server-sent events that a reader resumes where it was cut off."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from litestar import Request, get
from litestar.types import ASGIApp, Send

from ledger.database.store import Connection
from ledger.queries.records import End
from schemas.accounts import matches
from schemas.event_types import OUTGOING, short_name
from services.web.access import READERS, Caller, caller_of, roles
from services.web.reading.feed import Feed, Published, feed_of
from services.web.reading.queries import Query, read_ledger, read_query
from services.web.reading.sending import (
    BIGGEST,
    COMMENT,
    SILENCE,
    Place,
    Sending,
    last_event_id,
    place_after,
    send_part,
    within,
)
from services.web.state import Web, web_of

PART = 65_536
"""The most bytes that are sent at a time."""
_NAMES = {short_name(type): type for type in OUTGOING}


class Wanted(NamedTuple):
    """Which events: of these short names, None for all; about an account that matches a pattern, None for all."""

    names: frozenset[str] | None
    account: str | None

    def takes(self, one: Published) -> bool:
        """Whether an event is wanted."""
        if self.names is not None and one.name not in self.names:
            return False
        return self.account is None or any(matches(self.account, account) for account in one.accounts)


class Stream(Sending):
    """An open stream of events as they are published."""

    def __init__(self, web: Web, feed: Feed, caller: Caller, wanted: Wanted, place: Place, last: int) -> None:
        super().__init__(web, feed, caller, place, last)
        self._wanted = wanted

    async def _write(self, send: Send) -> None:
        """Sends what is wanted in the order of publication, and comments in between."""
        loop = asyncio.get_running_loop()
        await send_part(send, COMMENT)
        sent = loop.time()
        while True:
            news = self._feed.news
            records = await self._feed.after(self._place.n)
            frames = [one.frame for record in records for one in record.events if self._takes(one)]
            for part in _parts(frames):
                await send_part(send, part)
                sent = loop.time()
            if records:
                last = records[-1]
                self._place = Place(last.n, max(self._place.sequence, last.events[-1].sequence))
            else:
                await within(sent + SILENCE - loop.time(), news.wait())
            if loop.time() - sent >= SILENCE:
                await send_part(send, COMMENT)
                sent = loop.time()
            await asyncio.sleep(0)  # nothing above waits once the client has gone

    def _takes(self, one: Published) -> bool:
        return one.sequence > self._place.sequence and self._wanted.takes(one)


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
    given = query.number("after", 0, BIGGEST)
    query.check()
    resumed = last_event_id(request)
    after = given if resumed is None else resumed

    def begin(connection: Connection) -> tuple[Place, End]:
        return place_after(connection, after)

    place, last = await read_ledger(request, begin)
    return Stream(web_of(request), feed_of(request), caller_of(request), wanted, place, last.n)


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


ROUTES = (stream,)
