"""What a client may ask of `tpp serve`: sizes, times, connections; hostile ones, while others are answered."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from server_raw import HOST, Raw, memory, once, small
from soak import much
from waiting import wait_until
from web_run import Served

MIB = 1024 * 1024
POST = b"POST /test/body HTTP/1.1\r\n" + HOST
ESTABLISHED = 1  # TCP_ESTABLISHED of linux/tcp_states.h
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The limits of the contract."""
    folder = tmp_path_factory.mktemp("limits")
    with small(f"sqlite:///{folder / 'ledger.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Times of a second or two."""
    folder = tmp_path_factory.mktemp("quick")
    with small(f"sqlite:///{folder / 'ledger.db'}", arrive=1.5, idle=1.5, stall=1.5, linger=1) as running:
        yield running


@pytest.fixture
def raw(server: Served) -> Iterator[Raw]:
    with closing(Raw(server)) as made:
        yield made


def test_a_body_of_8_mib_is_taken_and_one_more_byte_is_not(raw: Raw) -> None:
    assert raw.request("POST", "/test/body", body=b"[" * 8 * MIB).json == {"size": 8 * MIB}
    answer = raw.request("POST", "/test/body", body=b"[" * (8 * MIB + 1))
    assert (answer.status, answer.kind) == (413, "body-too-large")
    assert raw.rest() == b""


def test_bodies_together_find_no_more_room_than_there_is_and_small_ones_always(tmp_path) -> None:
    with small(f"sqlite:///{tmp_path / 'ledger.db'}", bodies=3 * MIB) as server:
        with _held(server, 2 * MIB) as holder, closing(Raw(server)) as other:
            assert other.request("POST", "/test/body", body=b"[" * 65_536).json == {"size": 65_536}
            assert other.request("POST", "/test/body", body=b"[" * MIB).json == {"size": MIB}
            assert holder.send(b"[").answer().json == {"size": 2 * MIB}
            assert holder.request("POST", "/test/body", body=b"[" * 3 * MIB).json == {"size": 3 * MIB}
        with _held(server, 2 * MIB) as holder:
            holder.socket.close()
            wait_until(lambda: not _finds_no_room(server, 3 * MIB))


@contextmanager
def _held(server: Served, size: int) -> Iterator[Raw]:
    """A connection on which all but one byte of a body has been received, so that another such body finds no room."""
    while True:
        with closing(Raw(server)) as holder:
            holder.send(POST + b"Content-Length: %d\r\n\r\n" % size + b"[" * (size - 1))
            if _finds_no_room(server, size):
                yield holder
                return


def _finds_no_room(server: Served, size: int) -> bool:
    with closing(Raw(server)) as raw:
        answer = raw.request("POST", "/test/body", body=b"[" * size)
    if answer.status == 200:
        return False
    assert (answer.status, answer.kind, answer.headers["retry-after"]) == (503, "ledger-busy", "2")
    return True


@pytest.mark.parametrize("length", [8 * MIB + 1, 10**12, 10**19])
def test_a_length_that_is_too_large_is_refused_before_the_body(raw: Raw, length: int) -> None:
    raw.send(POST + b"Content-Length: %d\r\n\r\n" % length)
    assert raw.answer().kind == "body-too-large"
    assert raw.rest() == b""


def test_a_chunked_body_is_counted(raw: Raw) -> None:
    raw.send(POST + CHUNKED)
    for _ in range(8):
        raw.send(b"100000\r\n" + b"[" * MIB + b"\r\n")
    raw.send(b"1\r\n[\r\n")
    answer = raw.answer()
    assert (answer.status, answer.kind) == (413, "body-too-large")
    assert raw.rest() == b""


def test_a_chunked_body_of_8_mib_is_taken(raw: Raw) -> None:
    raw.send(POST + CHUNKED + (b"10000\r\n" + b"[" * 65_536 + b"\r\n") * 128 + b"0\r\n\r\n")
    assert raw.answer().json == {"size": 8 * MIB}


def test_the_extensions_of_chunks_count(raw: Raw) -> None:
    raw.send(POST + CHUNKED + (b"1;" + b"x" * 10_000 + b"\r\n[\r\n") * 1_800)
    assert raw.answer().kind == "body-too-large"


def test_trailers_count(server: Served) -> None:
    answer = once(server, POST + CHUNKED + b"0\r\n" + b"X: y\r\n" * 102 + b"\r\n")
    assert (answer.status, answer.kind) == (431, "headers-too-large")
    assert once(server, POST + CHUNKED + b"0\r\nX: " + b"y" * 100_000).status == 431
    assert once(server, POST + CHUNKED + b"1;" + b"y" * 100_000).status == 431


def test_who_may_not_comes_before_how_much(raw: Raw) -> None:
    answer = raw.request("POST", "/test/guarded", body=b"[" * (8 * MIB + 1))
    assert (answer.status, answer.kind) == (401, "token-missing")
    assert raw.rest() == b""


@pytest.mark.parametrize("path", ["/nowhere", "/health/live"])
def test_no_route_comes_before_how_much(server: Served, path: str) -> None:
    with closing(Raw(server)) as raw:
        assert raw.request("POST", path, "Content-Length: 1000000000000").status in (404, 405)
        assert raw.rest() == b""


def test_a_small_body_that_nobody_reads_keeps_the_connection(raw: Raw) -> None:
    for _ in range(3):
        assert raw.request("POST", "/test/guarded", body=b"[" * 60_000).status == 401
        assert raw.request("GET", "/health/live", body=b"[" * 60_000).status == 200


def test_who_waits_for_100_is_told_to_go_on_or_why_not(server: Served) -> None:
    with closing(Raw(server)) as raw:
        raw.send(POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert raw.answer().status == 100
        assert raw.send(b"abc").answer().json == {"size": 3}
        raw.send(POST.replace(b"body", b"guarded") + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        refused = raw.answer()
        assert (refused.status, refused.headers["connection"]) == (401, "close")
        assert raw.rest() == b""
    for length, status in ((9 * MIB, 413), (3, 404)):
        path = b"body" if status == 413 else b"nothing"
        data = POST.replace(b"body", path) + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length
        assert once(server, data).status == status


def test_16_kib_of_headers_are_taken_and_one_more_byte_is_not(server: Served) -> None:
    start, end = b"GET /health/live HTTP/1.1\r\n" + HOST + b"X: ", b"\r\n\r\n"
    room = 16 * 1024 - len(start) - len(end)
    with closing(Raw(server)) as raw:
        raw.send(start + b"x" * room + end)
        assert raw.answer().status == 200
    assert once(server, start + b"x" * (room + 1) + end).kind == "headers-too-large"
    assert once(server, b"GET /" + b"x" * 16 * 1024 + b" HTTP/1.1\r\n" + HOST + b"\r\n").status == 431


def test_100_headers_are_taken_and_one_more_is_not(server: Served) -> None:
    start = b"GET /health/live HTTP/1.1\r\n" + HOST
    with closing(Raw(server)) as raw:
        assert raw.send(start + b"X: y\r\n" * 99 + b"\r\n").answer().status == 200
    assert once(server, start + b"X: y\r\n" * 100 + b"\r\n").kind == "headers-too-large"
    assert once(server, start + b"Content-Length: 0\r\n" * 100 + b"\r\n").kind == "headers-too-large"


@pytest.mark.parametrize("size", [64 * 1024, 20 * MIB])
def test_headers_of_many_bytes_are_refused_and_not_kept(server: Served, size: int) -> None:
    once(server, b"GET / HTTP/1.1\r\n\r\n")
    before = memory(server)
    for _ in range(3):
        with closing(Raw(server)) as raw:
            raw.send(b"GET /health/live HTTP/1.1\r\n" + HOST + b"X: " + b"x" * size + b"\r\n\r\n")
            assert raw.answer().kind == "headers-too-large"
    assert memory(server) - before < 4 * MIB


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n" + HOST + b"X:" + b" " * 15_000 + b"\0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X:" + b" " * 64_000 + b"\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Request-Id: x" + b" " * 64_000 + b"y\r\n\r\n",
        POST + CHUNKED + b"0\r\nX:" + b" " * 15_000 + b"\0\r\n\r\n",
        POST + CHUNKED + b"1;" + b" " * 64_000 + b"\nx\r\n",
        POST + CHUNKED + b"1" + b" " * 64_000 + b"x\r\n",
    ],
    ids=["header", "long header", "id", "trailer", "extension", "size"],
)
def test_what_would_take_long_to_understand_takes_no_time(server: Served, data: bytes) -> None:
    """A pattern that tries every way of parting blanks needs half a minute of computing for one of these."""
    before = _computed(server)
    for _ in range(5):
        assert once(server, data).status in (400, 431)
    assert _computed(server) - before < 2


def test_headers_that_do_not_come_end_the_connection_without_an_answer(quick: Served) -> None:
    for data in (b"", b"GET", b"GET / HTTP/1.1\r\n" + HOST):
        with closing(Raw(quick)) as raw:
            assert raw.send(data).rest() == b""


def test_headers_that_trickle_end_the_connection_without_an_answer(quick: Served) -> None:
    with closing(Raw(quick)) as raw, _trickling(raw, b"GET / HTTP/1.1\r\nX: "):
        assert raw.rest() == b""


def test_a_body_that_does_not_come_is_a_408(quick: Served) -> None:
    for start in (b"Content-Length: 100\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n", CHUNKED, b"Content-Length: 9\r\n\r\n"):
        with closing(Raw(quick)) as raw:
            answer = raw.send(POST + b"X-Request-Id: slow\r\n" + start).answer()
            assert (answer.status, answer.kind) == (408, "request-timeout")
            assert answer.headers["x-request-id"] == "slow"
            assert raw.rest() == b""


def test_a_body_that_trickles_is_a_408(quick: Served) -> None:
    with closing(Raw(quick)) as raw, _trickling(raw, POST + b"Content-Length: 1000000\r\n\r\n"):
        assert raw.answer().kind == "request-timeout"


def test_the_time_of_a_request_begins_with_its_first_byte(quick: Served) -> None:
    """Headers and body have one time together, and each request on a connection has its own."""
    with closing(Raw(quick)) as raw:
        for _ in range(3):
            time.sleep(0.7)
            raw.send(POST + b"Content-Length: 3\r\n\r\n")
            time.sleep(0.4)
            assert raw.send(b"abc").answer().status == 200


def test_the_time_in_which_the_server_does_not_read_is_not_the_clients(quick: Served) -> None:
    with closing(Raw(quick)) as raw:
        raw.send(b"POST /test/late?seconds=4 HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (8 * MIB))
        raw.send(b"[" * 8 * MIB)
        assert raw.answer().json == {"size": 8 * MIB}


def test_a_connection_without_requests_ends(quick: Served) -> None:
    with closing(Raw(quick)) as raw:
        assert raw.request("GET", "/health/live").status == 200
        assert raw.rest() == b""


def test_the_rest_of_a_body_that_nobody_reads_ends_the_connection(quick: Served) -> None:
    with closing(Raw(quick)) as raw:
        assert raw.request("GET", "/health/live", "Content-Length: 5").status == 200
        assert raw.rest() == b""


def test_a_response_that_nobody_reads_is_cut_off(quick: Served) -> None:
    for path in ("/test/large?size=50000000", "/test/endless"):
        with ExitStack() as opened:
            readers = [opened.enter_context(closing(_Reader(quick, path))) for _ in range(3)]
            before = memory(quick)
            for reader in readers:
                assert reader.is_cut()
            wait_until(lambda before=before: memory(quick) < before + 200 * MIB)


def test_a_response_that_is_read_slowly_comes_whole(quick: Served) -> None:
    with closing(Raw(quick)) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        raw.send(b"GET /test/large?size=20000000 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        end, read = time.monotonic() + 4, 0
        while time.monotonic() < end:
            read += len(raw.socket.recv(100_000))
            time.sleep(0.02)
        assert read + len(raw.rest()) > 20_000_000


def test_beyond_the_connections_is_a_503(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with small(url, {"TPP_CONNECTIONS": "20"}) as running, ExitStack() as opened:
        every = [opened.enter_context(closing(Raw(running))) for _ in range(20)]
        assert all(raw.request("GET", "/health/live").status == 200 for raw in every)
        for _ in range(50):
            with closing(Raw(running)) as raw:
                answer = raw.request("GET", "/health/live", "X-Request-Id: beyond")
                assert (answer.status, answer.kind) == (503, "connections-exceeded")
                assert answer.headers["x-request-id"] == "beyond"
        with closing(Raw(running)) as raw:
            assert raw.answer().kind == "connections-exceeded"  # though nothing was asked
        assert all(raw.request("GET", "/health/live").status == 200 for raw in every)
        every.pop().close()
        wait_until(lambda: _status(running) == 200)


def test_those_who_are_refused_take_no_place(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with small(url, {"TPP_CONNECTIONS": "3"}, refusals=2, linger=60) as running, ExitStack() as opened:
        every = [opened.enter_context(closing(Raw(running))) for _ in range(3)]
        assert all(raw.request("GET", "/health/live").status == 200 for raw in every)
        beyond = [opened.enter_context(closing(Raw(running))) for _ in range(2)]
        assert [raw.request("GET", "/health/live").status for raw in beyond] == [503] * 2
        with closing(Raw(running)) as crowded:
            assert crowded.rest() == b""
        every.pop().close()
        wait_until(lambda: _serves(running))


def test_many_more_connections_than_are_taken_end_nothing(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with small(url, {"TPP_CONNECTIONS": "20"}) as running, ExitStack() as opened:
        first = opened.enter_context(closing(Raw(running)))
        assert first.request("GET", "/health/live").status == 200
        for _ in range(300):
            opened.enter_context(closing(Raw(running)))
        assert first.request("GET", "/health/live").status == 200


def test_900_connections_that_trickle_leave_others_their_answers(tmp_path) -> None:
    """A byte a second each, of headers and of bodies; the healthy are answered and memory does not grow with time."""
    starts = (b"GET / HTTP/1.1\r\nX: ", POST + b"Content-Length: 1000000\r\n\r\n", POST + CHUNKED + b"fffff\r\n")
    with small(f"sqlite:///{tmp_path / 'ledger.db'}") as running, ExitStack() as opened:
        slow = [opened.enter_context(closing(Raw(running))) for _ in range(900)]
        for number, raw in enumerate(slow):
            raw.send(starts[number % 3])
        with httpx.Client(base_url=running.url, timeout=60) as client:
            before = None
            for _ in range(much(4, 28)):
                for raw in slow:
                    raw.send(b"x")
                for path in ("/health/live", "/health/ready", "/nowhere"):
                    assert client.get(path).status_code in (200, 404)
                before = before or memory(running)
                time.sleep(1)
            assert memory(running) - before < 8 * MIB


@pytest.mark.soak
def test_30_seconds_are_the_time_of_a_request(server: Served) -> None:
    if much(0, 1):
        start = time.monotonic()
        with closing(Raw(server)) as raw, _trickling(raw, POST + b"Content-Length: 1000000\r\n\r\n"):
            assert raw.answer().kind == "request-timeout"
        assert time.monotonic() - start >= 30


def _computed(server: Served) -> float:
    """The seconds for which the server's process has computed."""
    numbers = Path(f"/proc/{server.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def _serves(server: Served) -> bool:
    with closing(Raw(server)) as raw:
        return b" 200 OK" in raw.send(b"GET /health/live HTTP/1.0\r\n\r\n").rest()


def _status(server: Served) -> int:
    with closing(Raw(server)) as raw:
        return raw.request("GET", "/health/live").status


@contextmanager
def _trickling(raw: Raw, start: bytes) -> Iterator[None]:
    """Sends a byte ten times a second until the end of the block."""
    ended = threading.Event()

    def trickle(sent: Callable[[bytes], object] = raw.send) -> None:
        sent(start)
        while not ended.wait(0.1):
            sent(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Reader:
    """A client with a small buffer that asks and then reads nothing."""

    def __init__(self, server: Served, path: str) -> None:
        url = urlsplit(server.url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.socket.connect((url.hostname, url.port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")

    def is_cut(self) -> bool:
        """Waits until the server has ended the connection."""
        wait_until(lambda: self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED)
        return True

    def close(self) -> None:
        self.socket.close()
