"""SIGTERM and SIGINT: what was taken is answered, streams end, and the exit code is 0 whatever hangs."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from server_raw import HOST, Raw, small
from waiting import PATIENCE, wait_until
from web_run import Served, served

CONTRACT = 10.0
"""Seconds within which the server ends."""


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def server(ledger: str) -> Iterator[Served]:
    with small(ledger) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_ends_with_0(ledger: str, number: signal.Signals) -> None:
    with served(ledger) as running, closing(Raw(running)) as idle, closing(Raw(running)) as silent:
        assert idle.request("GET", "/health/live").status == 200
        running.process.send_signal(number)
        assert running.process.wait(PATIENCE) == 0
        assert idle.rest() == silent.rest() == b""
    assert [line for line in running.lines if "listening on" not in line and "no token exists" not in line] == []


def test_what_was_taken_is_answered(server: Served) -> None:
    with closing(Raw(server)) as taken, closing(Raw(server)) as arriving, closing(Raw(server)) as idle:
        assert idle.request("GET", "/health/live").status == 200
        taken.send(b"GET /test/waits HTTP/1.1\r\n" + HOST + b"\r\n")
        arriving.send(b"POST /test/body HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\na")
        wait_until(lambda: "waiting\n" in server.lines)
        server.process.send_signal(signal.SIGTERM)
        assert idle.rest() == b""
        answers = arriving.send(b"bc").answer(), taken.answer()
        assert [(one.status, one.headers["connection"]) for one in answers] == [(200, "close")] * 2
        assert answers[1].body == b"answered"
        assert server.process.wait(PATIENCE) == 0


def test_nothing_new_is_taken(server: Served) -> None:
    with closing(Raw(server)) as taken:
        taken.send(b"GET /test/waits HTTP/1.1\r\n" + HOST + b"\r\n" + b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(lambda: "waiting\n" in server.lines)
        server.process.send_signal(signal.SIGTERM)
        assert taken.answer().body == b"answered"
        assert taken.rest() == b""  # the second one is not answered
        with pytest.raises(ConnectionRefusedError):
            Raw(server)
        assert server.process.wait(PATIENCE) == 0


def test_50_streams_end(server: Served) -> None:
    with ExitStack() as opened:
        streams = [opened.enter_context(closing(Raw(server))) for _ in range(50)]
        for stream in streams:
            assert stream.request("GET", "/test/stream").status == 200
        for stream in streams:
            assert b": begun" in stream.take(len(b"9\r\n: begun\n\n"))
        server.process.send_signal(signal.SIGTERM)
        assert all(stream.rest().endswith(b": ended\n\n\r\n0\r\n\r\n") for stream in streams)
        assert server.process.wait(PATIENCE) == 0


def test_what_hangs_is_left_behind(server: Served) -> None:
    """A thread that waits for ever, a stream that ignores the stop, a response that nobody reads, half of a request."""
    asked = {
        "hangs": b"GET /test/hangs HTTP/1.1\r\n" + HOST + b"\r\n",
        "stream": b"GET /test/endless HTTP/1.1\r\n" + HOST + b"\r\n",
        "unread": b"GET /test/large?size=50000000 HTTP/1.1\r\n" + HOST + b"\r\n",
        "body": b"POST /test/body HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\na",
        "head": b"GET / HT",
    }
    with ExitStack() as opened:
        for data in asked.values():
            opened.enter_context(closing(Raw(server))).send(data)
        wait_until(lambda: "hanging\n" in server.lines)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        # The clock of the test is that of the machine: it says nothing where the machine gives the server no time.
        assert time.monotonic() - start < CONTRACT * 3


def test_a_hanging_thread_ends_with_the_limit(ledger: str) -> None:
    with small(ledger, grace=0.2, stop=0.6) as running, closing(Raw(running)) as raw:
        raw.send(b"GET /test/hangs HTTP/1.1\r\n" + HOST + b"\r\n")
        wait_until(lambda: "hanging\n" in running.lines)
        assert running.stop() == 0
        assert raw.rest() == b""
    assert any("ended after 0.6 seconds although something still ran" in line for line in running.lines)
    assert not any("Traceback" in line for line in running.lines)
