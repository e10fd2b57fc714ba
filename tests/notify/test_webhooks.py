"""One POST: how it is signed, how long it may take, what counts as taken, and where it may go."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from notify_run import KEY, SECRET, Hook, status
from standardwebhooks import Webhook as Standard

from services.notify import webhooks
from services.notify.addresses import check_public
from services.notify.urls import target_of
from services.notify.webhooks import Outcome, Webhook
from services.resources import wall_clock

EVENT = orjson.dumps({"id": "evt-1", "data": {"account": "lpp/CON-1/2025", "name": "Bücher"}})
BRIEF = 0.6


def webhook(url: str, *, private: bool = True, seconds: float = 10.0, at: tuple[str, ...] | None = None) -> Webhook:
    """A webhook; `at`: the addresses that its name resolves to."""
    target = target_of(url)
    assert target is not None
    if at is None:
        return Webhook(target, KEY, allow_private=private, seconds=seconds)
    return Webhook(target, KEY, allow_private=private, seconds=seconds, resolver=lambda _, __: at)


def test_a_signature_is_that_of_standard_webhooks(hook: Hook) -> None:
    assert webhook(hook.url).send("evt-1", EVENT, wall_clock()).taken
    (got,) = hook.got
    assert Standard(SECRET).verify(got.body, got.headers) == orjson.loads(EVENT)
    assert got.headers["webhook-id"] == "evt-1"
    assert got.body == EVENT
    with pytest.raises(Exception, match="No matching signature"):
        Standard(SECRET).verify(got.body + b" ", got.headers)


def test_the_time_that_is_signed_is_that_of_the_try(hook: Hook) -> None:
    later = 1_748_856_612
    assert webhook(hook.url).send("evt-1", EVENT, later * 1_000_000 + 999_999).taken
    (got,) = hook.got
    assert got.headers["webhook-timestamp"] == str(later)
    signed = Standard(SECRET).sign("evt-1", datetime.fromtimestamp(later, UTC), EVENT.decode())
    assert got.headers["webhook-signature"] == signed


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_every_2xx_is_taken(hook: Hook, code: int) -> None:
    hook.answer = status(code)
    assert webhook(hook.url).send("evt-1", EVENT, 0) == Outcome(True, f"answered {code}")


@pytest.mark.parametrize("code", [300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 429, 500, 503])
def test_nothing_else_is_taken_and_no_redirect_is_followed(hook: Hook, other: Hook, code: int) -> None:
    hook.answer = status(code, Location=other.url)
    assert webhook(hook.url).send("evt-1", EVENT, 0) == Outcome(False, f"answered {code}")
    assert other.got == []


def test_410_says_that_nothing_is_wanted_any_more(hook: Hook) -> None:
    hook.answer = status(410)
    assert webhook(hook.url).send("evt-1", EVENT, 0) == Outcome(False, "answered 410", gone=True)


@contextmanager
def drips(text: bytes) -> Iterator[int]:
    """A port at which a text comes a byte at a time, again and again and never whole; nothing at all if it is empty."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    for byte in text:
                        connection.sendall(bytes([byte]))
                    while not ended.wait(0.02):
                        if text:
                            connection.sendall(b"x")
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    "text",
    [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"],
    ids=["nothing", "status", "headers", "body"],
)
def test_the_whole_answer_has_one_time_however_it_drips(text: bytes) -> None:
    with drips(text) as port:
        outcome = webhook(f"http://127.0.0.1:{port}/", seconds=BRIEF).send("evt-1", EVENT, 0)
        assert outcome == Outcome(False, f"no answer within {BRIEF} seconds")


def test_a_name_that_is_not_resolved_in_time_is_a_try_that_failed() -> None:
    ended = threading.Event()

    def never(_: str, __: int) -> list[str]:
        ended.wait()
        return []

    target = target_of("https://hooks.example/")
    assert target is not None
    outcome = Webhook(target, KEY, allow_private=False, resolver=never, seconds=BRIEF).send("evt-1", EVENT, 0)
    ended.set()
    assert outcome == Outcome(False, "the address of hooks.example did not come in time")


def test_an_answer_is_not_read_beyond_its_bound(hook: Hook) -> None:
    """One that never ends is over once it is long enough: its status stands."""
    sent: list[int] = []
    ended = threading.Event()

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while not ended.is_set():
                request.wfile.write(b"x" * 8_192)
                sent.append(8_192)
        except OSError:
            ended.set()

    hook.answer = endless
    assert webhook(hook.url).send("evt-1", EVENT, 0).taken
    assert ended.wait(60), "the connection is closed"
    assert sum(sent) < 64 * 1024 * 1024


def test_an_answer_that_is_no_http_or_breaks_off_is_not_taken(hook: Hook) -> None:
    def breaks(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxx")
        request.close_connection = True

    hook.answer = breaks
    assert webhook(hook.url).send("evt-1", EVENT, 0) == Outcome(False, "its answer was cut off or is not HTTP")

    def no_http(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"hello\r\n\r\n")

    hook.answer = no_http
    assert not webhook(hook.url).send("evt-1", EVENT, 0).taken


def test_nobody_there_is_a_try_that_failed_and_the_url_is_not_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = webhook(f"http://user:pass@127.0.0.1:{port}/secret-path?token=x").send("evt-1", EVENT, 0)
    assert outcome == Outcome(False, "no connection")


def test_a_url_keeps_its_name_path_query_and_password(hook: Hook) -> None:
    url = f"http://user:pass@hooks.example:{hook.port}/a/b?c=d"
    assert webhook(url, at=("127.0.0.1",)).send("evt-1", EVENT, 0).taken
    (got,) = hook.got
    assert got.path == "/a/b?c=d"
    assert got.headers["host"] == f"hooks.example:{hook.port}"
    assert got.headers["authorization"] == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize(
    "at",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0",
        "fec0::1", "ff02::1", "100::1", "4000::1", "no address",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(hook: Hook, at: str) -> None:
    """Also where it is one of several: not one of them is connected to."""
    url = f"https://hooks.example:{hook.port}/"
    for addresses in ((at,), ("93.184.215.14", at)):
        outcome = webhook(url, private=False, at=addresses).send("evt-1", EVENT, 0)
        assert outcome.why == (
            f"hooks.example, which is at {at}, is not a public address; set allow_private = true to send there"
        )
    assert hook.got == []


@pytest.mark.parametrize(
    "at", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_a_public_address_is_not_refused(at: str) -> None:
    check_public("hooks.example", [at])


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433"])
def test_a_name_of_loopback_is_refused_when_it_is_connected_to(hook: Hook, host: str) -> None:
    """By what the system's resolver makes of it."""
    outcome = webhook(f"https://{host}:{hook.port}/", private=False).send("evt-1", EVENT, 0)
    assert not outcome.taken
    assert "is not a public address" in outcome.why or "has no address" in outcome.why
    assert hook.got == []


def test_a_name_is_asked_for_once_and_what_was_checked_is_connected_to(hook: Hook) -> None:
    """A name that has another address the next time it is asked for gets nobody anywhere."""
    asked: list[str] = []

    def rebinds(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    target = target_of(f"http://hooks.example:{hook.port}/")
    assert target is not None
    assert Webhook(target, KEY, allow_private=True, resolver=rebinds).send("evt-1", EVENT, 0).taken
    assert asked == ["hooks.example"]


def test_the_next_address_is_tried_where_nobody_listens(hook: Hook) -> None:
    outcome = webhook(f"http://hooks.example:{hook.port}/", at=("127.0.0.2", "127.0.0.1")).send("evt-1", EVENT, 0)
    assert outcome.taken


def test_proxies_of_the_environment_are_not_used(hook: Hook, other: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
    assert webhook(hook.url).send("evt-1", EVENT, 0).taken
    assert (len(hook.got), other.got) == (1, [])


@pytest.fixture
def secured(hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hook, list[str | None]]]:
    """The receiver with TLS, as `hooks.example`, and the names that clients ask it for."""
    certificate, names = _certificate(tmp_path), list[str | None]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = note
    hook.server.socket = context.wrap_socket(hook.server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhooks.trusted.cache_clear()
    yield hook, names
    webhooks.trusted.cache_clear()


def _certificate(folder: Path) -> Path:
    """A certificate of `hooks.example` that stands for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM
    file = folder / "hooks.pem"
    file.write_bytes(
        key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(form)
    )
    return file


def test_tls_is_verified_by_the_name_though_the_address_is_connected_to(
    secured: tuple[Hook, list[str | None]],
) -> None:
    hook, names = secured
    assert webhook(f"https://hooks.example:{hook.port}/", at=("127.0.0.1",)).send("evt-1", EVENT, 0).taken
    assert names == ["hooks.example"]
    assert hook.got[0].headers["host"] == f"hooks.example:{hook.port}"


def test_a_certificate_of_another_or_of_nobody_is_not_trusted(
    secured: tuple[Hook, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, _ = secured
    outcome = webhook(f"https://other.example:{hook.port}/", at=("127.0.0.1",)).send("evt-1", EVENT, 0)
    assert outcome.why.startswith("its certificate is not valid: ")
    monkeypatch.delenv("SSL_CERT_FILE")
    webhooks.trusted.cache_clear()
    outcome = webhook(f"https://hooks.example:{hook.port}/", at=("127.0.0.1",)).send("evt-1", EVENT, 0)
    assert outcome.why.startswith("its certificate is not valid: ")
    assert hook.got == []
