"""The stream of a page: what it sends, how it is resumed, when it ends, and what bounds it."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self
from unittest.mock import patch

import httpx
import pytest
from reading_run import dispatch, request, screen
from test_stream_ends import Reader
from waiting import PATIENCE, wait_until
from web_inside import Inside, inside

from ledger.database.store import Store
from ledger.doors.sessions import end_session
from ledger.queries.records import end
from services.resources import book, engine_on, settings, wall_clock
from services.views.console.live import PARTS, Touched
from services.web.access import Caller, Role
from services.web.console import live
from services.web.console.live import PageStream, Shown
from services.web.pages.sessions import new_link
from services.web.reading import sending
from services.web.reading.feed import Feed
from services.web.reading.sending import Place
from services.web.state import Web


def listing(_, __, ___, about: str, touched: Touched) -> list[str]:
    """A page that shows what was touched."""
    kinds = {"shipments": sorted(touched.shipments), "accounts": sorted(touched.accounts)}
    rows = [f'<li id="{kind}-{one}">{about}\n{one}</li>' for kind, every in kinds.items() for one in every]
    return [*rows, f'<p id="owed">{touched.obligations}</p>']


class Signed:
    """A browser in which somebody is signed in."""

    def __init__(self, running: Inside, role: str = "reviewer") -> None:
        self.client = httpx.Client(base_url=running.url, timeout=PATIENCE)
        link = new_link(running.web.store, Role(role), "r.osei", running.url, running.now)
        assert self.client.post(link).status_code == 303

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @contextmanager
    def stream(self, page: str = "listing", headers: dict[str, str] | None = None, **query: int) -> Iterator["Events"]:
        """An open stream of a page."""
        address = httpx.QueryParams({"page": page, **query})
        with self.client.stream("GET", f"/console/live?{address}", headers=headers) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"] == "text/event-stream"
            yield Events(answer)

    def refused(self, **query: object) -> tuple[int, str]:
        """The status and the kind of problem with which a stream is refused."""
        answer = self.client.get("/console/live", params=query)
        return answer.status_code, answer.json()["type"].removeprefix("/problems/")


class Events:
    """Server-sent events as a browser reads them: each its name, its id and its data."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        name, id, data = "", "", []
        for line in self._lines:
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "id":
                id = value
            elif key == "data":
                data.append(value)
            elif not line:
                yield name, id, "\n".join(data)
                name, id, data = "", "", []

    def message(self) -> tuple[int, str]:
        """The next unnamed event: its sequence number and its HTML."""
        return next((int(id), data) for name, id, data in self if not name)

    def until(self, text: str) -> tuple[int, str]:
        """The unnamed event that has a text."""
        while text not in (found := self.message())[1]:
            pass
        return found


@pytest.fixture
def running(ledger_url: str) -> Iterator[Inside]:
    """A server with a page of the test's own."""
    with patch.dict(PARTS, {"listing": listing}), patch.object(live, "REST", 0.02), inside(ledger_url, ()) as made:
        yield made


@pytest.fixture
def browser(running: Inside) -> Iterator[Signed]:
    """A browser of a reviewer."""
    with Signed(running) as signed:
        yield signed


def test_what_an_event_touches_and_the_frame_come_as_html(ledger_url: str, browser: Signed) -> None:
    with browser.stream("listing:ABOUT:THIS", after=0) as events:
        screen(ledger_url, [request("SHP-1", papers=[])])
        sequence, html = events.until("SHP-1")
        assert sequence == 1
        assert '<li id="shipments-SHP-1">ABOUT:THIS\nSHP-1</li>' in html
        assert '<span class="count" id="count-holds">1</span>' in html
        assert 'id="count-obligations"' in html
        assert re.search(r'<p class="live" id="live">.*last event \d\d:\d\d:\d\d UTC', html, re.DOTALL)
        screen(ledger_url, [request("SHP-2", 4)])
        sequence, html = events.until("SHP-2")
        assert 'id="accounts-lpp/CON-1/2025"' in html and '<p id="owed">True</p>' in html
        assert "SHP-1" not in html
        assert sequence == 2


def test_many_events_are_one_message(ledger_url: str, browser: Signed) -> None:
    screen(ledger_url, [request(f"SHP-{n}") for n in range(30)])
    with browser.stream(after=0) as events:
        sequence, html = events.message()
        assert sequence >= 30 and html.count('<li id="shipments-') == 30


def test_a_stream_is_resumed_after_its_last_event(ledger_url: str, browser: Signed) -> None:
    screen(ledger_url, [request("SHP-1"), request("SHP-2")])
    with browser.stream(after=1) as events:
        assert "SHP-1" not in events.message()[1]
    with browser.stream(after=1, headers={"Last-Event-ID": "0"}) as events:
        assert "SHP-1" in events.message()[1]
    with browser.stream() as events:
        screen(ledger_url, [request("SHP-3")])
        assert "SHP-2" not in events.message()[1]


def test_what_is_refused(browser: Signed, running: Inside) -> None:
    assert browser.refused(page="nowhere") == (404, "not-found")
    assert browser.refused() == (404, "not-found")
    assert browser.refused(page="listing", after=1) == (400, "sequence-ahead")
    assert browser.refused(page="listing", after="x") == (400, "query-invalid")
    assert browser.refused(page="listing", other="x") == (400, "query-invalid")
    answer = httpx.get(f"{running.url}/console/live?page=listing")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/console/live%3Fpage%3Dlisting")
    with Signed(running, "publisher") as publisher:
        assert publisher.client.get("/console/live?page=listing").status_code == 403


def test_a_session_has_a_bounded_number_of_streams(browser: Signed, running: Inside) -> None:
    with patch.object(live, "MOST_STREAMS", 3), Signed(running) as other, ExitStack() as stack:
        every = [stack.enter_context(browser.stream()) for _ in range(3)]
        assert [next(iter(events))[0] for events in every] == ["beat"] * 3
        assert browser.refused(page="listing") == (429, "rate-exceeded")
        with other.stream() as events:
            assert next(iter(events))[0] == "beat"
    wait_until(lambda: not running.app.state["page_streams"])
    with browser.stream() as events:
        assert next(iter(events))[0] == "beat"


def test_silence_is_broken_by_beats(browser: Signed) -> None:
    with patch.object(live, "SILENCE", 0.05), browser.stream() as events:
        beats = iter(events)
        assert [next(beats) for _ in range(4)] == [("beat", "", "1")] * 4


def test_it_ends_with_the_session(browser: Signed, running: Inside) -> None:
    with patch.object(sending, "CHECK", 0.05), browser.stream() as events:
        with running.web.store.read() as connection:
            digest = connection.exec_driver_sql("SELECT hash FROM session").scalar_one()
        end_session(running.web.store, digest)
        assert {name for name, _, _ in events} == {"beat"}


def test_it_ends_with_the_server(browser: Signed, running: Inside) -> None:
    with browser.stream() as events:
        names = iter(events)
        assert next(names)[0] == "beat"
        running.web.stopping.set()
        assert list(names) == []


def test_too_much_is_not_told_one_by_one(ledger_url: str, browser: Signed) -> None:
    screen(ledger_url, [request(f"SHP-{n}") for n in range(5)])
    with patch.object(live, "MOST_TOUCHED", 3), browser.stream(after=0) as events:
        told = iter(events)
        assert next(told)[0] == "beat"
        name, id, html = next(told)
        assert (name, "shipments-" in html, 'id="count-holds"' in html) == ("", False, True)
        assert next(told)[0] == "much" and int(id) >= 5
        screen(ledger_url, [dispatch("SHP-1")])
        assert "shipments-SHP-1" in next(told)[2]


def test_what_lies_far_behind_is_not_read(ledger_url: str, browser: Signed) -> None:
    screen(ledger_url, [request(f"SHP-{n}") for n in range(5)])
    with patch.object(live, "MOST_BEHIND", 3), browser.stream(after=0) as events:
        told = [next(iter(events)) for _ in range(3)]
        assert [name for name, _, _ in told] == ["beat", "", "much"]
        assert "SHP-" not in told[1][2]


@contextmanager
def opened(ledger: str) -> Iterator[tuple[PageStream, list[float]]]:
    """A stream that belongs to the loop that runs, and when its page was asked for its parts."""
    store, asked = Store(ledger), []
    try:
        web = Web(store, book(None), engine_on(store, book(None)), settings(), wall_clock)
        with store.read() as connection:
            last = end(connection)

        def parts(*_: object) -> list[str]:
            asked.append(time.monotonic())
            return ['<p id="parts"></p>']

        caller = Caller("T", "somebody", Role.MONITOR, ())
        yield PageStream(web, Feed(store), caller, Shown("p", "", parts), Place(0, 0), last, Counter()), asked
    finally:
        store.close()


def test_one_stream_reads_the_ledger_once_a_second_however_much_comes(ledger_url: str) -> None:
    async def run() -> None:
        began = time.monotonic()
        with opened(ledger_url) as (stream, asked), patch.object(live, "REST", 0.5), patch.object(sending, "CHECK", 60):
            reader = Reader()
            answering = asyncio.create_task(stream({"type": "http"}, reader.receive, reader.send))
            await reader.until(b"beat")
            for n in range(4):
                await asyncio.to_thread(screen, ledger_url, [request(f"SHP-{n}")])
            await reader.until(b"id: 4\n")
            reader.gone.set()
            await asyncio.wait_for(answering, PATIENCE)
            assert len(asked) > 1
            assert all(when >= began + number * 0.5 for number, when in enumerate(asked))

    asyncio.run(run())


def test_a_reader_that_does_not_keep_up_is_cut_off(ledger_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        with opened(ledger_url) as (stream, _), patch.object(sending, "PATIENCE", 0.05):
            reader = Reader()
            reader.takes.clear()
            answering = asyncio.create_task(stream({"type": "http"}, reader.receive, _stuck(reader)))
            await asyncio.wait_for(answering, PATIENCE)
        assert "did not keep up" in caplog.text

    asyncio.run(run())


def _stuck(reader: Reader):
    """A connection that takes the head of the response, and nothing else."""

    async def send(message) -> None:
        if message["type"] != "http.response.start":
            await reader.takes.wait()

    return send
