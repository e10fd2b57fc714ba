"""`GET /console/live`: what has changed on a page, as HTML, while somebody looks at it.

Server-sent events. Unnamed: elements that take the place of those with the same id; the `id` of the event is the
sequence number up to which they are new. `beat`: nothing has happened. `much`: too much has happened to be told.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from typing import Any

from anyio import CapacityLimiter, to_thread
from litestar import get
from litestar.types import ASGIApp, Receive, Scope, Send

from ledger.database.store import Connection
from ledger.queries.console.duties import overdue_count
from ledger.queries.console.remembered import remembered
from ledger.queries.records import End, last_recorded
from ledger.queries.work_list import held_count
from services.views.console.live import PARTS, Parts
from services.views.console.look.render import Touched, fragment
from services.web.access import READERS, Caller, caller_of
from services.web.console.frame import Incoming, today_of
from services.web.pages.sessions import signed_in
from services.web.problems import Kind, Problem
from services.web.reading.feed import Feed, Published, Record, feed_of
from services.web.reading.queries import read_ledger, read_query
from services.web.reading.sending import (
    BIGGEST,
    SILENCE,
    Place,
    Sending,
    last_event_id,
    place_after,
    send_part,
    within,
)
from services.web.state import Web, web_of

REST = 1.0
"""Seconds between two readings of the ledger for the streams."""
MOST_STREAMS = 20
"""How many streams a session may have open at once."""
MOST_BEHIND, MOST_TOUCHED = 2_000, 200
"""The most records that are caught up with, and the most shipments or accounts of which parts are made at once."""
_LATE = 0.02
"""How much later than its turn a stream may begin, as a share of REST, and still have the next one."""
BETWEEN = "<!---->"
"""Stands between two elements: each is parsed by itself, since a row is one only where nothing else is beside it."""
_BEAT = b"event: beat\ndata: 1\n\n"
_LINES = re.compile("\r\n|\r|\n")
_READS = CapacityLimiter(2)
"""How many threads read the ledger for the streams at once: they hold up no page."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The page that a stream is of: what makes its parts, and what it is about, such as a shipment's id."""

    name: str
    about: str
    parts: Parts


@dataclass(frozen=True, slots=True)
class _News:
    """What the frame says anew, by the names that its macros have for it."""

    live: bool
    recorded: int | None
    held: int
    overdue: int


class PageStream(Sending):
    """An open stream of what changes on a page. `opened` counts those of each session."""

    def __init__(
        self, web: Web, feed: Feed, caller: Caller, shown: Shown, place: Place, last: End, opened: Counter[str]
    ) -> None:
        super().__init__(web, feed, caller, place, last.n)
        self._shown, self._opened = shown, opened
        self._missed = last.n - place.n > MOST_BEHIND
        if self._missed:
            self._place = Place(last.n, last.sequence)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As of any stream; it is counted while it is open."""
        session = str(self._caller.session)
        self._opened[session] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._opened[session] -= 1
            if not self._opened[session]:
                del self._opened[session]

    async def _write(self, send: Send) -> None:
        """Sends the newest state of what was touched, at most once in REST seconds, and beats in between."""
        loop = asyncio.get_running_loop()
        await send_part(send, _BEAT)
        sent = loop.time()
        while True:
            news = self._feed.news
            touched = touched_by(await self._news())
            if touched is not None or self._missed:
                begun = loop.time()
                await send_part(send, await self._message(touched))
                sent = loop.time()
                await asyncio.sleep(next_turn(begun, sent) - sent)
            else:
                await within(sent + SILENCE - loop.time(), news.wait())
            if loop.time() - sent >= SILENCE:
                await send_part(send, _BEAT)
                sent = loop.time()
            await asyncio.sleep(0)  # nothing above waits once the client has gone

    async def _news(self) -> Sequence[Published]:
        """What was published since the last message; if that is too much, it is skipped and noted as missed."""
        found: list[Published] = []
        read = 0
        while records := await self._feed.after(self._place.n):
            found += [one for record in records for one in record.events if one.sequence > self._place.sequence]
            self._place = _end_of(records, self._place)
            read += len(records)
            if read > MOST_BEHIND:
                found, read, self._missed = found[-1:], 0, True
        return found

    async def _message(self, touched: Touched | None) -> bytes:
        """The parts that may have changed, or that too many have."""
        much = self._missed or (touched is not None and max(map(len, touched[:2])) > MOST_TOUCHED)
        self._missed = False
        parts = await to_thread.run_sync(self._parts, None if much else touched, limiter=_READS, abandon_on_cancel=True)
        message = _event(parts, self._place.sequence)
        return message + b"event: much\ndata: 1\n\n" if much else message

    def _parts(self, touched: Touched | None) -> list[str]:
        """The parts of the frame and of the page; the streams of a list share what one of them has read and made."""
        web, shown, least = self._web, self._shown, self._place.n
        with web.store.read() as connection:
            today = today_of(web, connection)
            made = [*remembered(connection, _frame, today, least=least)]
            if touched is not None and shown.about:
                made += shown.parts(connection, web.book, today, shown.about, touched)
            elif touched is not None:
                made += remembered(connection, shown.parts, web.book, today, "", touched, least=least)
        return made


def next_turn(begun: float, sent: float) -> float:
    """When a stream reads again that began to read, and has sent what it read: REST seconds later, or somewhat more.

    It is a multiple of REST, so that all streams read together, and what the first one reads serves the others.
    """
    return max(ceil((begun + REST - _LATE * REST) / REST), ceil(sent / REST)) * REST


def touched_by(events: Iterable[Published]) -> Touched | None:
    """What events are about; None if there are none."""
    given = list(events)
    if not given:
        return None
    shipments = frozenset[str]().union(*(one.shipments for one in given))
    accounts = frozenset[str]().union(*(one.accounts for one in given))
    return Touched(shipments, accounts, any(one.obligations for one in given))


def _end_of(records: Sequence[Record], place: Place) -> Place:
    last = records[-1]
    return Place(last.n, max(place.sequence, last.events[-1].sequence))


def _frame(connection: Connection, today: date) -> list[str]:
    """The parts that the frame of every page has: counts, and when the last event was."""
    news = _News(
        True, last_recorded(connection), held_count(connection), overdue_count(connection, today)
    )  # fmt: skip
    counts = (fragment("parts", "count", news, page) for page in ("holds", "obligations"))
    return [*counts, fragment("parts", "news", news)]


def _event(parts: Iterable[str], sequence: int) -> bytes:
    """An unnamed server-sent event of so many elements; what is between them is in no text of a page."""
    lines = _LINES.split(BETWEEN.join(parts))
    return f"id: {sequence}\n{''.join(f'data: {line}{chr(10)}' for line in lines)}\n".encode()


@get("/console/live", **signed_in(READERS))
async def live(request: Incoming) -> ASGIApp:
    """What changes on a page after a sequence number, or from now on."""
    query = read_query(request, ("page", "after"))
    given = query.number("after", 0, BIGGEST)
    query.check()
    name, _, about = (query.text("page") or "").partition(":")
    if (parts := PARTS.get(name)) is None:
        raise Problem(Kind.NOT_FOUND, f"There is no page {name} that is live.")
    opened, caller = _opened(request), caller_of(request)
    if opened[str(caller.session)] >= MOST_STREAMS:
        detail = f"{MOST_STREAMS} pages of this session are live already."
        raise Problem(Kind.RATE_EXCEEDED, detail, headers={"Retry-After": "60"})
    resumed = last_event_id(request)
    after = given if resumed is None else resumed

    def begin(connection: Connection) -> tuple[Place, End]:
        return place_after(connection, after)

    place, last = await read_ledger(request, begin)
    return PageStream(web_of(request), feed_of(request), caller, Shown(name, about, parts), place, last, opened)


def _opened(request: Incoming) -> Counter[str]:
    """How many streams are open, by session, of the application that a request belongs to."""
    state = request.app.state
    if "page_streams" not in state:
        state["page_streams"] = Counter()
    found: Counter[str] = state["page_streams"]
    return found


ROUTES: tuple[Any, ...] = (live,)
