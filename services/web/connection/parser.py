"""What a client may send: sizes and times, and what is HTTP."""

import re
from dataclasses import dataclass

import h11
from h11._receivebuffer import ReceiveBuffer

from services.web.problems import Kind, Problem

CHUNK = 64 * 1024
"""How many bytes are read at a time, and how many of a body that nobody wants are read to keep a connection."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask of the server; sizes are in bytes, times in seconds.

    `body`: of a request. `bodies`: of all that are held at once, of each what is beyond `CHUNK`. `head`: of the request
    line and the headers. `headers`: how many. `arrive`: until a request is whole, from its first byte. `idle`: between
    requests, or without one. `stall`: in which a reader must take `head` bytes. `linger`: for which the server reads on
    after it has refused. `connections`: that are open. `refusals`: how many more are told that there are too many;
    those beyond are closed at once. `grace`: for what is being answered when the server stops. `stop`: until the
    process ends in any case.
    """

    body: int = 8 * 1024 * 1024
    bodies: int = 256 * 1024 * 1024
    head: int = 16 * 1024
    headers: int = 100
    arrive: float = 30.0
    idle: float = 30.0
    stall: float = 30.0
    linger: float = 5.0
    connections: int = 1_000
    refusals: int = 1_000
    grace: float = 7.0
    stop: float = 9.0


_ODD = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n)|\n[ \t]")
_SENTENCES = {
    "Missing mandatory Host": "The request has no Host header.",
    "Found multiple Host": "The request has more than one Host header.",
    "malformed chunk": "A chunk of the body does not end where its size says.",
    "illegal chunk": "A chunk of the body does not begin with its size.",
    "illegal request line": "The request line is not a method, a target and HTTP/1.1.",
    "illegal header line": "A header is not a name, a colon and a value.",
    "Only Transfer-Encoding": "The only transfer encoding served is chunked.",
}
"""What is said of the errors of h11, by their beginnings."""


class _Refused(h11.RemoteProtocolError):
    """Bytes that are not passed on to h11."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(kind, detail)


class _Lines(ReceiveBuffer):
    """The bytes that h11 has not read yet; it gets lines only if they are few, short and end with CR and LF.

    Its patterns take half a minute for 64 KiB of blanks before a NUL, and it reads lines that a proxy reads in another
    way. `head` are the bytes in which the next request begins.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self.head = b""

    def pass_over_blank(self) -> bool:
        """Passes over an empty line at the beginning; returns whether one was there."""
        return self._data.startswith(b"\r\n") and bool(self._extract(2))

    @property
    def half_blank(self) -> bool:
        """Whether there is nothing but what an empty line begins with."""
        return self._data == b"\r"

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """The lines of a head or of trailers, once all are there."""
        self.head = bytes(self._data)
        lines = super().maybe_extract_lines()
        if lines is not None:
            taken = self.head[: len(self.head) - len(self._data)]
            if len(taken) > self._limits.head or len(lines) > self._limits.headers + 1:
                raise _Refused(Kind.HEADERS_TOO_LARGE, _too_large(self._limits))
            if _ODD.search(taken):
                said = "A header has a control character, goes on in a second line, or does not end with CR and LF."
                raise _Refused(Kind.REQUEST_INVALID, said)
        return lines

    def maybe_extract_next_line(self) -> bytearray | None:
        """The line before a chunk, once it is there."""
        line = super().maybe_extract_next_line()
        if line is not None and _ODD.search(line):
            raise _Refused(Kind.REQUEST_INVALID, "A chunk of the body does not begin with its size.")
        return line


class Parser(h11.Connection):
    """A connection of h11 that also bounds heads and chunks, and refuses what a proxy may read in another way.

    `finished`: how many requests came whole. `left`: how many bytes of the body are to come; None if only its end will
    say. `problem`: what is wrong, where next_event has raised.
    """

    _receive_buffer: _Lines

    def __init__(self, limits: Limits) -> None:
        super().__init__(h11.SERVER, limits.head)
        self._receive_buffer = _Lines(limits)
        self._limits = limits
        self._raw = 0
        self._blank = False  # one empty line before a request line is passed over (RFC 9112, 2.2), and no flood of them
        self.finished = 0
        self.left: int | None = 0
        self.problem = Problem(Kind.REQUEST_INVALID, "The request is not HTTP.")

    @property
    def begun(self) -> bool:
        """Whether there are bytes that have not been read as anything yet."""
        return bool(self._receive_buffer)

    @property
    def head(self) -> bytes:
        """The bytes in which a request begins that could not be read."""
        return self._receive_buffer.head or bytes(self._receive_buffer)

    def receive_data(self, data: bytes) -> None:
        """Takes bytes from the client."""
        self._raw += len(data)
        super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """What the bytes so far say. Raises RemoteProtocolError, and then `problem` says what is wrong."""
        if self.their_state is h11.IDLE and not self._blank:
            if self._receive_buffer.half_blank:
                return h11.NEED_DATA
            self._blank = self._receive_buffer.pass_over_blank()
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data) and self.left is not None:
                self.left -= len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.finished, self.left = self.finished + 1, 0
            if self.left is None and self._raw > 2 * self._limits.body + CHUNK:
                raise _Refused(Kind.BODY_TOO_LARGE, f"The body is larger than {self._limits.body:,} bytes.")
        except h11.RemoteProtocolError as error:
            self.problem = _problem(error, self._limits)
            raise
        return event

    def _begin(self, request: h11.Request) -> None:
        framing = {name: value for name, value in request.headers if name in (b"content-length", b"transfer-encoding")}
        if request.http_version not in (b"1.0", b"1.1"):
            raise _Refused(Kind.REQUEST_INVALID, "The version of HTTP is neither 1.0 nor 1.1.")
        if len(framing) > 1:
            raise _Refused(Kind.REQUEST_INVALID, "The request has both Content-Length and Transfer-Encoding.")
        if request.http_version == b"1.0" and b"transfer-encoding" in framing:
            raise _Refused(Kind.REQUEST_INVALID, "HTTP/1.0 has no Transfer-Encoding.")
        self._receive_buffer.head, self._raw, self._blank = b"", len(self._receive_buffer), False
        self.left = None if b"transfer-encoding" in framing else int(framing.get(b"content-length", 0))


def _too_large(limits: Limits) -> str:
    return f"The request line and headers are more than {limits.head:,} bytes, or more than {limits.headers} headers."


def _problem(error: h11.RemoteProtocolError, limits: Limits) -> Problem:
    """What is wrong with bytes that are not read."""
    if isinstance(error, _Refused):
        return error.problem
    if error.error_status_hint == Kind.HEADERS_TOO_LARGE.status:
        return Problem(Kind.HEADERS_TOO_LARGE, _too_large(limits))
    said = (sentence for beginning, sentence in _SENTENCES.items() if str(error).startswith(beginning))
    return Problem(Kind.REQUEST_INVALID, next(said, "The request is not HTTP."))
