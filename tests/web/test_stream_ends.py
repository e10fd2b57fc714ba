"""How a stream ends and what it says meanwhile, with a reader that takes what the test lets it take."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from reading_run import request, screen
from stream_reader import published
from waiting import PATIENCE

from ledger.database.store import Store
from ledger.doors.tokens import Token, add_token
from services.resources import book, engine_on, settings, wall_clock
from services.web.access import Caller, Role
from services.web.reading import feed as feed_module
from services.web.reading import sending, stream
from services.web.reading.feed import Feed
from services.web.reading.sending import Place
from services.web.reading.stream import Stream, Wanted
from services.web.state import Web

SCOPE: Any = {"type": "http"}
CALLER = Caller("T", "somebody", Role.MONITOR, ())


class Reader:
    """The other end of a connection; `takes`: whether it takes what is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.takes, self.gone, self.more = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.takes.set()

    async def send(self, message: Any) -> None:
        """Takes a message, or lets it wait."""
        await self.takes.wait()
        self.sent.append(message)
        self.more.set()
        await asyncio.sleep(0)

    async def receive(self) -> Any:
        """Says that the client has gone, once it has."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def text(self) -> bytes:
        """All that was sent of the body."""
        return b"".join(one.get("body", b"") for one in self.sent)

    async def until(self, part: bytes) -> None:
        """Returns once a text was sent."""
        async with asyncio.timeout(PATIENCE):
            while part not in self.text:
                self.more.clear()
                await self.more.wait()


class SlowReader(Reader):
    """Takes each message only after the loop has gone round often."""

    async def send(self, message: Any) -> None:
        """Takes a message late."""
        for _ in range(100):
            await asyncio.sleep(0)
        await super().send(message)


@contextmanager
def opened(ledger: str) -> Iterator[tuple[Web, Stream, Reader]]:
    """A stream from the first event on, and its reader; both belong to the loop that runs."""
    store = Store(ledger)
    try:
        add_token(store, Token("T", "somebody", "monitor", (), 0), "digest")
        web = Web(store, book(None), engine_on(store, book(None)), settings(), wall_clock)
        made = Stream(web, Feed(store), CALLER, Wanted(None, None), Place(0, 0), 0)
        yield web, made, Reader()
    finally:
        store.close()


def test_the_server_stops_and_the_response_is_whole(ledger_url: str) -> None:
    screen(ledger_url, [request("SHP-1")])

    async def run() -> None:
        with opened(ledger_url) as (web, made, reader):
            answering = asyncio.create_task(made(SCOPE, reader.receive, reader.send))
            await reader.until(published(ledger_url)[0].encode())
            web.stopping.set()
            await asyncio.wait_for(answering, PATIENCE)
            assert reader.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    asyncio.run(run())


def test_a_client_that_goes_ends_it(ledger_url: str) -> None:
    async def run() -> None:
        with opened(ledger_url) as (_, made, reader):
            answering = asyncio.create_task(made(SCOPE, reader.receive, reader.send))
            await reader.until(b":\n\n")
            reader.gone.set()
            await asyncio.wait_for(answering, PATIENCE)
            assert reader.sent[-1]["more_body"]

    asyncio.run(run())


def test_silence_is_broken_by_comments(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE", 0.05)

    async def run() -> None:
        with opened(ledger_url) as (web, made, reader):
            answering = asyncio.create_task(made(SCOPE, reader.receive, reader.send))
            await reader.until(b":\n\n" * 4)
            reader.gone.set()
            await asyncio.wait_for(answering, PATIENCE)
            again = Reader()
            answering = asyncio.create_task(made(SCOPE, again.receive, again.send))
            await again.until(b":\n\n" * 4)
            assert not made._feed.news.is_set()  # it would wait for nothing, and take a whole core
            web.stopping.set()
            await asyncio.wait_for(answering, PATIENCE)

    asyncio.run(run())


def test_a_reader_that_does_not_keep_up_is_cut_off(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sending, "PATIENCE", 0.05)
    screen(ledger_url, [request("SHP-1")])

    async def run() -> None:
        with opened(ledger_url) as (_, made, reader), caplog.at_level(logging.WARNING, "tpp.web"):
            answering = asyncio.create_task(made(SCOPE, reader.receive, reader.send))
            await reader.until(b":\n\n")
            reader.takes.clear()
            await asyncio.wait_for(answering, PATIENCE)
            assert all(one.get("more_body", True) for one in reader.sent)
        assert "did not keep up" in caplog.text

    asyncio.run(run())


BROKEN = """INSERT INTO journal SELECT n + 1, source, 'broken', type, shipment_id, happened, recorded, position, event,
    'broken', rests_on FROM journal WHERE n = 1"""


@pytest.mark.parametrize("first", [True, False])
def test_a_ledger_that_cannot_be_read_ends_it(ledger_url: str, caplog: pytest.LogCaptureFixture, first: bool) -> None:
    screen(ledger_url, [request("SHP-1")])

    async def run() -> None:
        with opened(ledger_url) as (web, made, reader), caplog.at_level(logging.ERROR, "tpp.web"):
            if not first:
                answering = asyncio.create_task(made(SCOPE, reader.receive, reader.send))
                await reader.until(published(ledger_url)[0].encode())
            with web.store.begin() as connection:
                connection.exec_driver_sql(BROKEN)
            if first:
                answering = asyncio.create_task(made(SCOPE, reader.receive, reader.send))
            await asyncio.wait_for(answering, PATIENCE)
            assert reader.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
        assert "a stream failed" in caplog.text

    asyncio.run(run())


def test_streams_at_different_places_share_what_was_read(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reads what is kept no more, one what is kept, one what comes, one slowly; few records are kept, parts are small."""
    monkeypatch.setattr(stream, "PART", 300)
    monkeypatch.setattr(feed_module, "KEPT", 3)
    monkeypatch.setattr(feed_module, "RECORDS", 2)
    screen(ledger_url, [request(f"SHP-{n}") for n in range(10)])
    every = published(ledger_url)

    async def run() -> None:
        with opened(ledger_url) as (web, made, reader):
            feed = made._feed
            others = [Reader(), Reader(), Reader(), Reader(), SlowReader()]
            places = [Place(0, 0), Place(4, 5), Place(9, 9), Place(10, 10), Place(0, 1)]
            streams = [made, *(Stream(web, feed, CALLER, Wanted(None, None), place, 2) for place in places)]
            readers = [reader, *others]
            running = [
                asyncio.create_task(one(SCOPE, other.receive, other.send))
                for one, other in zip(streams, readers, strict=True)
            ]
            await asyncio.to_thread(screen, ledger_url, [request("LAST")])
            for other in readers:
                await other.until(published(ledger_url)[-1].encode() + b"\n\n")
            web.stopping.set()
            await asyncio.wait_for(asyncio.gather(*running), PATIENCE)
            for other, after in zip(readers, (0, 0, 5, 9, 10, 1), strict=True):
                frames = [part for part in other.text.decode().split("\n\n") if part not in (":", "")]
                assert [one.split("\ndata: ")[1] for one in frames] == [*every[after:], published(ledger_url)[-1]]

    asyncio.run(run())
