"""What every response of `tpp serve` has, and what is refused before a route is sought."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest
from databases import Databases
from server_raw import COMMON, HOST, Raw, once, small
from waiting import wait_until
from web_run import Served

MADE = re.compile(r"[A-Za-z0-9._~-]{16,128}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("responses")
    with small(f"sqlite:///{folder / 'ledger.db'}", {"TPP_HOSTS": "Quota.Example,localhost,::1"}) as running:
        yield running


@pytest.fixture
def raw(server: Served) -> Iterator[Raw]:
    made = Raw(server)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/health/live", 200, None),
        ("GET", "/nowhere", 404, "not-found"),
        ("POST", "/health/live", 405, "method-not-allowed"),
        ("GET", "/test/fails", 500, "internal"),
        ("GET", "/test/damaged", 500, "ledger-damaged"),
        ("POST", "/test/guarded", 401, "token-missing"),
        ("GET", "/test/large?size=many", 400, "request-invalid"),
    ],
)
def test_every_response_has_the_headers_of_all(raw: Raw, method: str, path: str, status: int, kind: str | None) -> None:
    answer = raw.request(method, path, "X-Request-Id: from.the_client~1-2")
    assert answer.status == status
    assert answer.headers["x-request-id"] == "from.the_client~1-2"
    assert COMMON.items() <= answer.headers.items()
    assert "server" not in answer.headers
    assert "date" in answer.headers
    assert kind is None or answer.kind == kind


@pytest.mark.parametrize(
    "given",
    [[], [""], ["a b"], ["x" * 129], ["a/b"], ["ä"], ["one", "two"], ["one", "one"]],
    ids=["none", "empty", "blank", "long", "slash", "not ASCII", "two", "twice"],
)
def test_a_request_id_that_is_not_valid_is_replaced(raw: Raw, given: list[str]) -> None:
    ids = [raw.request("GET", "/nowhere", *(f"X-Request-Id: {one}" for one in given)) for _ in range(2)]
    first, second = (one.headers["x-request-id"] for one in ids)
    assert MADE.fullmatch(first)
    assert first not in given
    assert first != second
    assert ids[0].json["instance"] == first


def test_the_longest_request_id_is_kept(raw: Raw) -> None:
    assert raw.request("GET", "/health/live", "X-Request-Id: " + "x" * 128).headers["x-request-id"] == "x" * 128


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "QUERY", "get", "POST"])
def test_a_method_that_a_route_has_not_is_refused(raw: Raw, method: str) -> None:
    answer = raw.request(method, "/health/live")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET"
    assert method == "HEAD" or answer.kind == "method-not-allowed"
    assert raw.request("GET", "/health/live").status == 200  # the connection is still in step


def test_an_unknown_route_comes_before_a_method(raw: Raw) -> None:
    assert [raw.request(method, "/nowhere").status for method in ("GET", "OPTIONS", "HEAD", "POST")] == [404] * 4


@pytest.mark.parametrize(
    "path",
    [
        "//health/live", "/health//live", "/health/live/", "/health/live//", "/./health/live", "/health/./live",
        "/test/../health/live", "/test/%2e%2e/health/live", "/health/%2e/live", "/health%2Flive", "/health%2flive",
        "/%2Fhealth/live", "/health/live%00", "/health/live%2F", "/health/live%FF", "/health/%C0%AElive",
        "/health/live%", "/health/live%zz", "/Health/Live", "/health\\live", "/health/live;a=b", "/health/live#a", "*",
        "/test/segment/", "/test/segment/a%2Fb", "/test/segment/%00", "/test/segment/%FF", "/test/segment/%ED%A0%80",
        "/v1/accounts/", "/v1/accounts//", "/v1//accounts/lpp", "//v1/accounts/lpp", "/v1/accounts%2Flpp",
        "/v1/accounts/lpp//A", "/v1/accounts/lpp%2F%2FA", "/v1/accounts/lpp/", "/v1/accounts/lpp%2F",
        "/v1/accounts/%00", "/v1/accounts/lpp%00", "/v1/accounts/lpp/%FF", "/v1/../v1/accounts/lpp",
    ],
)  # fmt: skip
def test_a_path_that_is_not_exactly_a_route_is_none(raw: Raw, path: str) -> None:
    answer = raw.request("GET", path)
    assert (answer.status, answer.kind) == (404, "not-found")


@pytest.mark.parametrize("path", ["/", "/?", "/health", "/v1"])
def test_a_path_above_a_route_is_none(raw: Raw, path: str) -> None:
    assert raw.request("GET", path).status == 404


def test_a_path_with_escapes_that_change_nothing_is_the_route(raw: Raw) -> None:
    assert raw.request("GET", "/health/l%69ve").status == 200
    assert raw.request("GET", "/test/segment/" + quote("Zürich 東京")).body.decode() == "Zürich 東京"


def test_the_value_of_an_account_keeps_its_slashes(raw: Raw) -> None:
    plain, encoded = (raw.request("GET", f"/v1/accounts/{path}") for path in ("lpp/A/2025", "lpp%2FA/2025"))
    assert plain.json == {"path": "/lpp/A/2025", "raw": "/v1/accounts/lpp/A/2025", "scope": "/v1/accounts/lpp/A/2025"}
    assert encoded.json == plain.json | {"raw": "/v1/accounts/lpp%2FA/2025"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "quota.example", "QUOTA.example:443", "[::1]", "[::1]:8080", "localhost:"]
)
def test_a_known_host_is_served(raw: Raw, host: str) -> None:
    assert raw.request("GET", "/test/segment", host=f"Host: {host}\r\n".encode()).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "", "localhost.evil.example", "localhost:80@evil.example", "user@localhost",
     "localhost:80:80", "localhost.", "::1", "[::1", "localhost/evil", "quota.example, localhost", "ä"],
)  # fmt: skip
def test_another_host_is_refused_but_for_the_health(raw: Raw, host: str) -> None:
    line = f"Host: {host}\r\n".encode("latin-1")
    answer = raw.request("GET", "/test/segment", host=line)
    assert (answer.status, answer.kind) == (421, "host-unknown")
    assert raw.request("GET", "/nowhere", host=line).status == 421
    if re.fullmatch(r"[\w.:\[\]-]*", host, re.ASCII):
        assert raw.request("GET", "/health/live", host=line).status == 200


def test_the_host_of_an_absolute_target_counts(raw: Raw) -> None:
    assert raw.request("GET", "http://localhost:1/health/live", host=b"Host: evil.example\r\n").status == 200
    assert raw.request("GET", "http://localhost/test/segment?a=b", host=b"Host: evil.example\r\n").status == 200
    assert raw.request("GET", "http://evil.example/test/segment").status == 421
    assert raw.request("GET", "http://localhost").status == 404


def test_http_1_0_is_answered_and_closed(server: Served) -> None:
    assert once(server, b"GET /health/live HTTP/1.0\r\n\r\n").json == {"status": "live"}
    assert once(server, b"GET /test/segment HTTP/1.0\r\nHost: localhost\r\n\r\n").status == 200
    assert once(server, b"GET /test/segment HTTP/1.0\r\n\r\n").status == 421


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\n\n",
        b"GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno header\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.9\r\nHost: localhost\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: -3\r\n\r\nabc",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\nabc",
        b"POST /test/body HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nno trailer\r\n\r\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\n\n",
        b"POST /test/body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused_and_closed(server: Served, data: bytes) -> None:
    answer = once(server, data)
    assert (answer.status, answer.kind) == (400, "request-invalid")
    assert "bytearray" not in answer.json["detail"]


def test_an_empty_line_before_a_request_is_passed_over(server: Served) -> None:
    one = b"GET /test/segment/%d HTTP/1.1\r\n" + HOST + b"\r\n"
    post = b"POST /test/body HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    with closing(Raw(server)) as raw:
        raw.send(b"\r\n" + one % 1 + b"\r\n" + one % 2 + post + b"\r\n" + post)
        assert [raw.answer().body for _ in range(4)] == [b"1", b"2", b'{"size":3}', b'{"size":3}']
        raw.send(b"\r").send(b"\n" + one % 3)
        assert raw.answer().body == b"3"
        raw.send(b"\r\n\r\n" + one % 4)
        assert raw.answer().kind == "request-invalid"
        assert raw.rest() == b""


def test_what_is_no_http_keeps_its_request_id(server: Served) -> None:
    answer = once(server, b"GET / HTTP/1.1\r\nx-request-ID:  mine \r\n\r\n")
    assert (answer.status, answer.headers["x-request-id"]) == (400, "mine")
    answer = once(server, b"GET / HTTP/1.1\r\n" + HOST + b"X-Request-Id: mine\r\nX: " + b"x" * 17_000)
    assert (answer.status, answer.headers["x-request-id"]) == (431, "mine")


def test_a_chunk_that_breaks_after_the_headers_is_refused_under_their_id(raw: Raw) -> None:
    raw.send(
        b"POST /test/body HTTP/1.1\r\n" + HOST + b"X-Request-Id: mine\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    raw.send(b"broken\r\n")
    answer = raw.answer()
    assert (answer.status, answer.kind, answer.headers["x-request-id"]) == (400, "request-invalid", "mine")
    assert raw.rest() == b""


def test_a_chunked_body_is_read(raw: Raw) -> None:
    raw.send(b"POST /test/body HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: Chunked\r\n\r\n")
    raw.send(b"3;name=value\r\nabc\r\n2 \r\nde\r\n0\r\nTrailer: x\r\n\r\n")
    assert raw.answer().json == {"size": 5}
    assert raw.request("GET", "/health/live").status == 200


def test_a_chunked_body_is_read_however_it_is_cut(raw: Raw) -> None:
    whole = b"POST /test/body HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for place in range(len(whole) - 12, len(whole)):
        raw.send(whole[:place])
        raw.send(whole[place:])
        assert raw.answer().json == {"size": 3}
    raw.send(whole * 3)
    assert [raw.answer().status for _ in range(3)] == [200] * 3
    first = whole.replace(b"/test/body", b"/test/late?seconds=0.5")
    raw.send(first + whole * 50).send(b"GET /health/live HTTP/1.1\r\n").send(HOST + b"\r\n")
    assert [raw.answer().status for _ in range(52)] == [200] * 52


def test_pipelined_requests_are_answered_in_order(raw: Raw) -> None:
    one = b"GET /test/segment/%d HTTP/1.1\r\n" + HOST + b"\r\n"
    raw.send(b"".join(one % number for number in range(200)))
    assert [raw.answer().body for _ in range(200)] == [b"%d" % number for number in range(200)]


def test_a_client_that_closes_its_side_is_answered(raw: Raw) -> None:
    raw.send(b"POST /test/late?seconds=0.2 HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc")
    raw.socket.shutdown(socket.SHUT_WR)
    assert raw.answer().json == {"size": 3}
    assert raw.rest() == b""


@pytest.mark.parametrize("data", [b"GET / HT", b"POST /test/body HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nab"])
def test_half_a_request_is_refused(server: Served, data: bytes) -> None:
    raw = Raw(server).send(data)
    raw.socket.shutdown(socket.SHUT_WR)
    assert raw.answer().kind == "request-invalid"
    assert raw.rest() == b""
    raw.close()


def test_an_upgrade_is_answered_as_plain_http(raw: Raw) -> None:
    for upgrade in ("websocket", "h2c"):
        answer = raw.request("GET", "/health/live", "Connection: Upgrade", f"Upgrade: {upgrade}")
        assert answer.status == 200
    assert raw.request("CONNECT", "localhost:443").status == 404


def test_a_failure_is_logged_with_its_request_id(server: Served, raw: Raw) -> None:
    raw.request("GET", "/test/fails", "X-Request-Id: find-me")
    wait_until(lambda: any("ERROR" in line and "find-me" in line for line in list(server.lines)))
    wait_until(lambda: _logged_after(server, "find-me", "ZeroDivisionError: the test asks for it"))
    assert _logged_after(server, "find-me", "Traceback")


def _logged_after(server: Served, first: str, then: str) -> bool:
    """Whether a line with one text follows one with another."""
    lines = list(server.lines)
    at = next(number for number, line in enumerate(lines) if first in line)
    return any(then in line for line in lines[at:])


def test_a_failure_in_a_stream_ends_its_connection(server: Served, raw: Raw) -> None:
    answer = raw.request("GET", "/test/broken-stream", "X-Request-Id: in-the-stream")
    assert answer.status == 200
    assert not raw.rest().endswith(b"0\r\n\r\n")
    wait_until(lambda: any("in-the-stream" in line for line in list(server.lines)))


def test_a_database_that_does_not_answer_is_a_503(databases: Databases) -> None:
    if databases.kind == "sqlite":
        pytest.skip("a file is there or not")
    url = databases.ledger()
    with small(url) as running:
        raw = Raw(running)
        assert raw.request("GET", "/test/ledger").status == 200
        databases.drop(url)
        answer = raw.request("GET", "/test/ledger")
        assert (answer.status, answer.kind) == (503, "ledger-unavailable")
        assert raw.request("GET", "/health/ready").status == 503
        assert raw.request("GET", "/health/live").status == 200
        raw.close()


def test_a_ledger_without_its_tables_is_damaged(databases: Databases) -> None:
    from ledger.database.store import Store

    url = databases.ledger()
    with small(url) as running:
        store = Store(url)
        with store.begin() as connection:
            connection.exec_driver_sql("DROP TABLE head")
        store.close()
        raw = Raw(running)
        answer = raw.request("GET", "/test/ledger")
        assert (answer.status, answer.kind) == (500, "ledger-damaged")
        assert raw.request("GET", "/health/ready").status == 503
        raw.close()
    databases.drop(url)
