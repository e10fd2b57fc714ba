"""Speaks to a server byte by byte, as no client library would."""

import json
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from waiting import PATIENCE
from web_run import Served, served

COMMON = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
HOST = b"Host: localhost\r\n"


@contextmanager
def small(
    ledger: str, env: Mapping[str, str] | None = None, words: Sequence[str] = (), **limits: float
) -> Iterator[Served]:
    """A server with small limits, and with the routes of server_app."""
    program = (sys.executable, Path(__file__).with_name("server_app.py"))
    with served(ledger, "--limits", json.dumps(limits), *words, program=program, env=env) as running:
        yield running


@dataclass
class Answer:
    """A response: its status, its headers by name in lower case, its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The kind of problem, once everything that each problem has is there."""
        told = self.json
        assert self.headers["content-type"] == "application/problem+json"
        assert told["status"] == self.status
        assert told["title"]
        assert told["detail"].endswith((".", "?"))
        assert told["instance"] == self.headers["x-request-id"]
        assert COMMON.items() <= self.headers.items()
        return str(told["type"]).removeprefix("/problems/")


class Raw:
    """A connection to a server."""

    def __init__(self, server: Served, tls: ssl.SSLContext | None = None) -> None:
        url = urlsplit(server.url)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=PATIENCE)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.kept = b""

    def send(self, data: bytes) -> "Raw":
        """Sends bytes, whether or not anybody takes them."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def request(self, method: str, path: str, *headers: str, body: bytes = b"", host: bytes = HOST) -> Answer:
        """Sends a request and reads its answer."""
        lines = "".join(f"{header}\r\n" for header in headers).encode("latin-1")
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        self.send(f"{method} {path} HTTP/1.1\r\n".encode() + host + lines + length + b"\r\n" + body)
        return self.answer(bodiless=method == "HEAD")

    def answer(self, *, bodiless: bool = False) -> Answer:
        """Reads one answer."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:-2]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        status = int(head[0].split()[1])
        if status == 100 or bodiless:
            return Answer(status, headers, b"")
        if "content-length" in headers:
            return Answer(status, headers, self.take(int(headers["content-length"])))
        return Answer(status, headers, b"")

    def _until(self, end: bytes) -> bytes:
        while end not in self.kept:
            more = self.socket.recv(65_536)
            assert more, f"the connection ended after {self.kept!r}"
            self.kept += more
        found, _, self.kept = self.kept.partition(end)
        return found + end

    def take(self, size: int) -> bytes:
        """Reads so many bytes."""
        while len(self.kept) < size:
            more = self.socket.recv(65_536)
            assert more, f"the connection ended after {self.kept!r}"
            self.kept += more
        found, self.kept = self.kept[:size], self.kept[size:]
        return found

    def rest(self) -> bytes:
        """What comes until the server has ended the connection."""
        found = self.kept
        try:
            while more := self.socket.recv(65_536):
                found += more
        except ConnectionResetError:
            pass
        return found

    def close(self) -> None:
        self.socket.close()


def once(server: Served, data: bytes) -> Answer:
    """The answer to bytes, after which the server ends the connection."""
    raw = Raw(server).send(data)
    try:
        found = raw.answer()
        assert found.headers["connection"].lower() == "close"
        assert raw.rest() == b""
    finally:
        raw.close()
    return found


def memory(server: Served) -> int:
    """The resident memory of the server's process, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
