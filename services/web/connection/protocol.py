"""A connection: uvicorn's protocol, with bounds on what a client may send, leave unsent and leave unread."""

import asyncio
import re
import socket
import ssl
import struct
from asyncio import sslproto
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from services.web.connection.edge import CLOSES, common_headers, identified, problem_headers, request_id
from services.web.connection.parser import CHUNK, Limits, Parser
from services.web.problems import Kind, Problem

sslproto.SSLProtocol.max_size = CHUNK  # every connection has a buffer of its own, of 256 KiB by default


@dataclass(slots=True)
class Shared:
    """What the connections share. `refused` are those beyond the limit; `stopping` is set once nothing new is taken."""

    limits: Limits
    stopping: asyncio.Event
    tls: ssl.SSLContext | None = None
    refused: set["_Connection"] = field(default_factory=set)
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(CHUNK)))


_RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which a socket is closed by a reset."""

_GIVEN_ID = re.compile(rb"^x-request-id:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class _Wire(asyncio.Transport):
    """A transport that sends the parts of a response together, and leaves it to the connection how to close."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, leave: Callable[[], None]
    ) -> None:
        super().__init__()
        self.under, self._loop, self._leave = transport, loop, leave
        self._parts: list[bytes] = []
        self._size = 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection under it."""
        return self.under.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Lets the client wait."""
        self.under.pause_reading()

    def resume_reading(self) -> None:
        """Takes bytes from the client again."""
        self.under.resume_reading()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self.under.is_closing()

    def get_write_buffer_size(self) -> int:
        """How many bytes have not been sent yet."""
        return self._size + self.under.get_write_buffer_size()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends bytes, at the end of this turn of the loop or when there are many."""
        if not data:
            return
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(bytes(data))
        self._size += len(data)
        if self._size >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Sends what has been written."""
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
            if not self.under.is_closing():
                self.under.write(data)

    def close(self) -> None:
        """Ends the connection when all is sent."""
        self.flush()
        self._leave()


class _Phase(Enum):
    SECURING = auto()  # the TLS handshake
    BEYOND = auto()  # refused as soon as it says anything
    IDLE = auto()
    ARRIVING = auto()
    ANSWERING = auto()
    LEAVING = auto()  # what still comes is thrown away


class _Times:
    """The phase of a connection, and until when it may last."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self.phase, self.deadline = _Phase.SECURING, now + limits.arrive
        self._finished, self._checked = 0, now
        self._window = now, 0

    def enter(self, phase: _Phase, seconds: float, now: float) -> None:
        """Begins a phase."""
        self.phase, self.deadline = phase, now + seconds

    def follow(self, parser: Parser, now: float) -> None:
        """Begins the phase that what was read has brought; that of one request is one phase, however it comes."""
        state, limits = parser.their_state, self._limits
        if state is h11.IDLE and not parser.begun:
            phase, seconds = _Phase.IDLE, limits.idle
        elif state is h11.IDLE or state is h11.SEND_BODY:
            phase, seconds = _Phase.ARRIVING, limits.arrive
        else:
            phase, seconds = _Phase.ANSWERING, inf
        if phase is not self.phase or parser.finished != self._finished:
            self._finished = parser.finished
            self.enter(phase, seconds, now)

    def unread(self, size: int, now: float) -> None:
        """Begins to watch how a reader takes the bytes that wait for it."""
        self._window = now, size

    def over(self, now: float, size: int, *, waits: bool, written: bool) -> bool:
        """Whether the phase has lasted too long, or `size` bytes of a response wait and its reader takes no more.

        `waits`: whether it is us who let the client wait. `written`: whether the program writes no more meanwhile.
        """
        passed, self._checked = now - self._checked, now
        if waits and self.phase is _Phase.ARRIVING:
            self.deadline += passed
        if not (size and (written or self.phase in (_Phase.IDLE, _Phase.LEAVING))):
            self._window = now, size
        else:
            if self.phase is not _Phase.ARRIVING:
                self.deadline += passed
            since, before = self._window
            if now - since >= self._limits.stall:
                self._window = now, size
                return before - size < self._limits.head
        return now >= self.deadline


class _Connection(H11Protocol, asyncio.BufferedProtocol):
    """A connection from its opening to its end: TLS, and what is beyond the limit."""

    conn: Parser

    def __init__(self, config: Config, state: ServerState, lifespan: dict[str, Any], shared: Shared) -> None:
        super().__init__(config, state, lifespan | {CLOSES: self._closes})
        self._shared, self._limits = shared, shared.limits
        self.conn = Parser(shared.limits)
        self._times = _Times(shared.limits, self.loop.time())
        self._under: asyncio.Transport | None = None
        self._wire: _Wire | None = None
        self._securing: asyncio.Task[None] | None = None
        self._early = b""
        self._closing = self._beyond = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins, after the TLS handshake where there is one; beyond the limit, only to refuse."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"the connection has {transport!r}")
        self._under = transport
        self._beyond = len(self.connections) >= self._limits.connections
        crowded = self._beyond and len(self._shared.refused) >= self._limits.refusals
        if crowded or self._shared.stopping.is_set():
            transport.abort()
            return
        (self._shared.refused if self._beyond else self.connections).add(self)
        if self._shared.tls is None:
            self._begin(transport)
        else:
            self._securing = self.loop.create_task(self._secure(transport, self._shared.tls))

    async def _secure(self, under: asyncio.Transport, tls: ssl.SSLContext) -> None:
        limits = self._limits
        try:
            secured = await self.loop.start_tls(
                under,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=limits.arrive,
                ssl_shutdown_timeout=limits.linger,
            )
        except (OSError, ssl.SSLError):
            secured = None
        if secured is None or secured.is_closing():
            self._forget()
            return
        self._begin(secured)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def _begin(self, transport: asyncio.Transport) -> None:
        self._under = transport
        self._wire = _Wire(transport, self.loop, self._leave)
        super().connection_made(self._wire)
        if self._beyond:
            self.connections.discard(self)
            self._times.enter(_Phase.BEYOND, 1.0, self.loop.time())
        else:
            self._times.enter(_Phase.IDLE, self._limits.arrive, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets whatever still answers know that nobody reads it."""
        self._times.enter(_Phase.LEAVING, inf, 0.0)
        self._forget()
        if self._wire is not None:
            super().connection_lost(exc)

    def _forget(self) -> None:
        self.connections.discard(self)
        self._shared.refused.discard(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  every read is of one size
        """Where bytes are put, for all connections the same."""
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Takes bytes from the client."""
        self.data_received(bytes(self._shared.buffer[:nbytes]))

    def pause_writing(self) -> None:
        """Lets the program wait until the client has read more."""
        super().pause_writing()
        if self._wire is not None:
            self._times.unread(self._wire.get_write_buffer_size(), self.loop.time())

    def _leave(self, *, refused: bool = False) -> None:
        """Closes the connection when all is sent; reads on for a while where the client may still be sending."""
        wire, under = self._wire, self._under
        if self._times.phase is _Phase.LEAVING or wire is None or under is None:
            return
        self._times.enter(_Phase.LEAVING, self._limits.linger, self.loop.time())
        wire.flush()
        if not (refused or self.conn.their_state is h11.SEND_BODY):
            under.close()
            return
        self.flow.resume_reading()
        if under.can_write_eof() and not under.is_closing():
            under.write_eof()

    def abort(self) -> None:
        """Ends the connection now; with a reset if its client has not read all, for which the system would wait."""
        self._times.enter(_Phase.LEAVING, inf, 0.0)
        if self.cycle:
            self.cycle.disconnected = True
        if self._under is None:
            return
        if self._wire is not None and self._wire.get_write_buffer_size():
            connected = self._under.get_extra_info("socket")
            with suppress(OSError):  # it is closed already
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._under.abort()

    def _closes(self) -> bool:
        """Whether the connection ends with the response that begins now."""
        conn = self.conn
        more = conn.their_state is h11.SEND_BODY and (conn.left is None or conn.left > CHUNK)
        return self._closing or more or conn.they_are_waiting_for_100_continue


class HttpProtocol(_Connection):
    """A connection that is refused what is not HTTP, and that `check` ends when it takes too long."""

    def data_received(self, data: bytes) -> None:
        """Takes bytes from the client; those that nothing will come of are not kept."""
        phase = self._times.phase
        if phase is _Phase.SECURING:
            self._early += data
        elif phase is _Phase.BEYOND:
            self.conn.receive_data(data)
            self.refuse(_beyond(self._limits))
        elif phase is not _Phase.LEAVING:
            super().data_received(data)
            self._follow()

    def _ended(self) -> bool:
        """Answers a client that has closed its side after a whole request; refuses half of one."""
        phase = self._times.phase
        if phase is _Phase.ARRIVING:
            self.refuse(Problem(Kind.REQUEST_INVALID, "The request ends before it is whole."))
        elif self._wire is not None:
            self._wire.flush()
        self._closing = True
        return phase is _Phase.ANSWERING and not self.cycle.response_started and self._shared.tls is None

    eof_received: Any = _ended  # which uvicorn says returns nothing

    def on_response_complete(self) -> None:
        """Goes on to the next request."""
        self.server_state.total_requests += 1
        if self._times.phase is _Phase.LEAVING:
            return
        self.flow.resume_reading()
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.DONE:
            self.conn.start_next_cycle()
            self.handle_events()
        self._follow()

    def _follow(self) -> None:
        if self._times.phase is not _Phase.LEAVING:
            self._times.follow(self.conn, self.loop.time())

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  we have words of our own
        """Refuses what is not HTTP."""
        self.refuse(self.conn.problem)

    def refuse(self, problem: Problem) -> None:
        """Ends the connection, with this answer if none has begun."""
        wire, cycle = self._wire, self.cycle
        if wire is None:
            return
        answering = self._answering
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not (answering and cycle.response_started):
            identity = identified(self.scope) if answering else _given_id(self.conn.head)
            bodiless = answering and self.scope["method"] == "HEAD"
            wire.write(_whole(problem, identity, self.server_state.default_headers, bodiless=bodiless))
        if answering:
            cycle.disconnected = True
            cycle.message_event.set()
        self._leave(refused=True)

    def check(self, now: float) -> None:
        """Ends what takes too long; called again and again."""
        size = 0 if self._wire is None else self._wire.get_write_buffer_size()
        paused = self._wire is not None and self.flow.read_paused
        written = self._wire is not None and self.flow.write_paused
        if not self._times.over(now, size, waits=paused, written=written):
            return
        if self._times.phase is _Phase.BEYOND:
            self.refuse(_beyond(self._limits))
        elif self._times.phase is _Phase.ARRIVING and self.conn.their_state is h11.SEND_BODY:
            seconds = f"{self._limits.arrive:g}"
            self.refuse(Problem(Kind.REQUEST_TIMEOUT, f"The request did not arrive within {seconds} seconds."))
        else:
            self.abort()

    def shutdown(self) -> None:
        """Takes nothing new: ends the connection when what was taken is answered."""
        self._closing = True
        if self._times.phase is _Phase.SECURING:
            self.abort()
        elif self._answering:
            self.cycle.keep_alive = False
        else:
            self._leave()

    @property
    def _answering(self) -> bool:
        return bool(self.cycle) and not (self.cycle.response_complete or self.cycle.disconnected)

    @property
    def busy(self) -> bool:
        """Whether a request is being answered, or its answer is not sent yet."""
        return self._wire is not None and (self._answering or self._wire.get_write_buffer_size() > 0)

    def _unsupported_upgrade_warning(self) -> None:
        """Says nothing: a request to upgrade is answered as it stands."""


def _beyond(limits: Limits) -> Problem:
    return Problem(
        Kind.CONNECTIONS_EXCEEDED, f"More than {limits.connections:,} connections are open; try again later."
    )


def _given_id(head: bytes) -> str:
    """The X-Request-Id in a head that could not be read, or a new one."""
    return request_id((b"x-request-id", value.strip(b" \t")) for value in _GIVEN_ID.findall(head))


def _whole(problem: Problem, identity: str, headers: list[tuple[bytes, bytes]], *, bodiless: bool) -> bytes:
    """A response that ends its connection, as bytes."""
    status, body = problem.kind.status, problem.body(identity)
    every = [*headers, *problem_headers(problem, body), *common_headers(identity), (b"connection", b"close")]
    lines = [b"HTTP/1.1 %d %s" % (status, STATUS_PHRASES[status]), *(b"%s: %s" % one for one in every), b"", b""]
    return b"\r\n".join(lines) + (b"" if bodiless else body)
