"""The outermost wrapper of the application: what every response has, and what is refused before any route is sought."""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from litestar.types import ASGIApp, Message, Receive, Send

from services.web.connection.parser import CHUNK, Limits
from services.web.problems import MEDIA_TYPE, Kind, Problem
from services.web.state import REQUEST_ID, shown_path

log = logging.getLogger("tpp.web")

CLOSES = "tpp_closes"
"""Under which the state of a request has a function that says whether its connection ends with the response."""

RETRY_AFTER = "2"
"""In how many seconds a request may find room."""

ANY_HOST, ACCOUNTS = b"/health/", (b"/v1/accounts/", b"/console/accounts/")
"""What is served under any name, and the routes whose last part may have encoded slashes."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\]]+)(?::[0-9]*)?")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE | re.DOTALL)
_OURS = {b"x-request-id", b"cache-control", b"x-content-type-options"}

Headers = Iterable[tuple[bytes, bytes]]


def host_name(host: str) -> str | None:
    """The name in a Host header, without port and case; None if it is not one.

    >>> host_name("Localhost:8080"), host_name("[::1]:8080"), host_name("a@b")
    ('localhost', '[::1]', None)
    """
    found = _HOST.fullmatch(host)
    return found and found[1].lower()


def request_id(headers: Headers) -> str:
    """The X-Request-Id of a request; a new one where the request has none, two, or one that is not valid."""
    given = [value for name, value in headers if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return secrets.token_hex(16)


def identified(scope: Any) -> str:
    """The X-Request-Id of the request of an ASGI scope, whose state has it from now on."""
    state = scope["state"]
    found = state.get(REQUEST_ID)
    if found is None:
        found = state[REQUEST_ID] = request_id(scope["headers"])
    return str(found)


def common_headers(identity: str) -> list[tuple[bytes, bytes]]:
    """The headers that every response has."""
    return [
        (b"x-request-id", identity.encode("ascii")),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]


def problem_headers(problem: Problem, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of a problem's own response."""
    more = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers.items()]
    return [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body)), *more]


class Edge:
    """The application with its wrapper. `hosts`: the names under which it may be called.

    The application reads a body by `receive`, which raises Problem where the limits allow no more of it.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], limits: Limits) -> None:
        self._app, self._hosts = app, frozenset(hosts)
        self._bodies = _Bodies(limits.body, limits.bodies)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answers a request; passes on what concerns the life of the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = identified(scope)
        begun = False
        closes: Callable[[], bool] | None = scope["state"].get(CLOSES)

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = [one for one in message["headers"] if one[0] not in _OURS]
                headers += common_headers(identity)
                if closes is not None and closes():
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            await send(message)

        counted = _Counted(scope, receive, self._bodies)
        try:
            routed = self._routed(scope)
            await self._app(routed, counted, answer)
        except Problem as problem:
            await _answered(problem, identity, answer)
        except asyncio.CancelledError:  # only by the server, which ends
            log.warning("%s %s was given up: the server ends (request %s)", *_named(scope))
        except Exception as error:
            log.exception("%s %s failed (request %s)", *_named(scope), exc_info=error)
            if begun:
                raise
            failed = Problem(Kind.INTERNAL, "The program failed on this request; its log says why.")
            await _answered(failed, identity, answer)
        finally:
            counted.forget()

    def _routed(self, scope: Any) -> Any:
        """The scope by which a route is sought. Raises Problem for another host, and a path that cannot be a route."""
        raw: bytes = scope["raw_path"]
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if absolute := _ABSOLUTE.fullmatch(raw):
            hosts, raw = [absolute[1]], absolute[2] or b"/"
            scope = scope | {"raw_path": raw, "path": unquote_to_bytes(raw).decode("utf-8", "replace")}
        if not raw.startswith(ANY_HOST):
            host = hosts[0].decode("latin-1") if hosts else ""
            if host_name(host) not in self._hosts:
                raise Problem(Kind.HOST_UNKNOWN, f"The host {host!r} is not served here; see TPP_HOSTS.")
        _check_path(raw, scope["path"])
        # Litestar answers OPTIONS by itself; in lower case it is a method that no route has.
        return scope | {"method": "options"} if scope["method"] == "OPTIONS" else scope


def _named(scope: Any) -> tuple[str, str, str]:
    """A request as a log may have it: its method, its path, its id."""
    return scope["method"], shown_path(scope), identified(scope)


def _check_path(raw: bytes, path: str) -> None:
    """Raises Problem for a path that Litestar would take for another one, and one that is not UTF-8."""
    folded = "//" in path or not path.startswith("/") or (path.endswith("/") and path not in ("/", "/console/"))
    if not folded and b"%" not in raw:
        return
    if not (folded or _BROKEN_ESCAPE.search(raw)):
        plain = unquote_to_bytes(raw)
        prefix = raw.startswith(ACCOUNTS)
        if b"\0" not in plain and (prefix or plain.count(b"/") == raw.count(b"/")) and _utf8(plain):
            return
    raise Problem(Kind.NOT_FOUND, f"There is no route {raw.decode('latin-1')}.")


def _utf8(plain: bytes) -> bool:
    try:
        plain.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Bodies:
    """The bodies that are held at once. `most`: bytes of one. `together`: of all, of each what is beyond CHUNK.

    A small body, such as that of an event, is taken however many large ones are held.
    """

    def __init__(self, most: int, together: int) -> None:
        self.most, self.together = most, together
        self.held = 0


class _Counted:
    """`receive` of a request; raises Problem for a body that is, or by its length will be, too large, or finds no room.

    What has been received counts until `forget` is called.
    """

    def __init__(self, scope: Any, receive: Receive, bodies: _Bodies) -> None:
        self._receive, self._bodies = receive, bodies
        self._declared = int(next((value for name, value in scope["headers"] if name == b"content-length"), b"0"))
        self._size = self._held = 0

    async def __call__(self) -> Any:
        """The next message of ASGI."""
        if self._declared > self._bodies.most:
            raise self._too_large()
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message["body"])
            if self._size > self._bodies.most:
                raise self._too_large()
            self._hold(max(self._size - CHUNK, 0))
        return message

    def forget(self) -> None:
        """Makes room for others: the body is not held any more."""
        self._bodies.held -= self._held
        self._held = 0

    def _hold(self, size: int) -> None:
        held = self._bodies.held + size - self._held
        if held > self._bodies.together:
            detail = f"Nothing was decided: requests of {self._bodies.together:,} bytes are being received or answered."
            raise Problem(Kind.LEDGER_BUSY, detail, headers={"Retry-After": RETRY_AFTER})
        self._bodies.held, self._held = held, size

    def _too_large(self) -> Problem:
        return Problem(Kind.BODY_TOO_LARGE, f"The body is larger than {self._bodies.most:,} bytes.")


async def _answered(problem: Problem, identity: str, answer: Send) -> None:
    body = problem.body(identity)
    await answer(
        {
            "type": "http.response.start",
            "status": problem.kind.status,
            "headers": problem_headers(problem, body),
        }
    )
    await answer({"type": "http.response.body", "body": body, "more_body": False})
