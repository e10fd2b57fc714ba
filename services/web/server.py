"""Runs the HTTP interface until it is told to stop."""

import asyncio
import ipaddress
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import uvicorn

from ledger.database.store import DatabaseError, knock
from ledger.proof.leaves import seal
from services.failure import Failure
from services.resources import book, engine_on, opened, wall_clock
from services.settings import Settings
from services.telemetry.health import DATABASE, Health, served
from services.telemetry.ledger_metrics import LedgerCollector, read_figures
from services.telemetry.logs import is_json
from services.telemetry.observers import observer
from services.web.app import application
from services.web.connection.edge import Edge, host_name
from services.web.connection.parser import Limits
from services.web.connection.protocol import HttpProtocol, Shared
from services.web.events import deciding
from services.web.metrics import Measured
from services.web.pages.oidc import provider_of
from services.web.pages.sessions import first_link
from services.web.state import Web

log = logging.getLogger("tpp.web")

CHECK_TICKS = 5
"""Every how many ticks of uvicorn, of a tenth of a second each, the connections are checked."""

BACKLOG, OTHER_FILES = 2048, 200
"""How many connections the system may keep for the server, and how many files there are besides connections."""

_GIVEN_UP = "ended after %g seconds although something still ran"


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of the server's certificate, with its chain, and of its key; both in PEM."""

    cert: str
    key: str


def run(
    settings: Settings,
    ledger_url: str | None,
    rulebook: str | None,
    listen: str | None,
    tls: Tls | None = None,
    limits: Limits | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT; returns 0.

    Raises Failure if the address is invalid, taken or not allowed without TLS, or the files of `tls` or the settings
    of the identity provider cannot be used.
    """
    provider_of(settings)
    limits = replace(limits or Limits(), connections=settings.connections)
    context = None if tls is None else _context(tls)
    host, port = _address(listen or settings.listen)
    open_to_all = context is not None or settings.insecure
    if not open_to_all:
        _check_loopback(host)
    hosts = _hosts(settings, host)
    _allow_files(limits.connections + limits.refusals + OTHER_FILES)
    law = book(rulebook)
    health = Health("serve")
    with (
        _bound(host, port) as bound,
        opened(ledger_url) as store,
        served(health, settings.metrics, {DATABASE: partial(knock, store)}),
    ):
        if not open_to_all:
            _check_loopback(bound.getsockname()[0])  # whatever localhost stands for here
        health.registry.register(LedgerCollector(lambda: read_figures(store, wall_clock())))
        web = Web(store, law, engine_on(store, law, observer(health)), settings, wall_clock, health=health)
        shared = Shared(limits, web.stopping, context)
        app = Measured(Edge(application(web), hosts, limits), web.counted)
        server = _Server(app, shared, bound)
        with deciding(web), _stopped_by_signals(server, limits.stop):
            address = f"http{'s' if context else ''}://{_shown(bound)}"
            _say(f"listening on {address}")
            if link := first_link(web, address):
                _say(f"no token exists yet; sign in as an administrator, once, within 15 minutes: {link}")
            health.blocked(None)
            server.run()
        with suppress(DatabaseError):
            seal(store)
    return 0


def _say(text: str) -> None:
    """Tells whoever starts the server, on standard error: a line of text or, where logs are JSON, a record."""
    if is_json():
        log.info(text)
    else:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def check_settings(settings: Settings) -> None:
    """Raises Failure if `run`, without a certificate and an address of its own, would refuse the settings."""
    provider_of(settings)
    host, _ = _address(settings.listen)
    if not settings.insecure:
        _check_loopback(host)
    _hosts(settings, host)


class _Server(uvicorn.Server):
    """uvicorn's server with connections of ours, which ends in time and leaves the signals to `run`."""

    def __init__(self, app: Measured, shared: Shared, bound: socket.socket) -> None:
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=HttpProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        super().__init__(config)
        self._shared, self._bound = shared, bound

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  there is one
        """Begins to listen."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise RuntimeError("the application did not start; the log says why")
        loop = asyncio.get_running_loop()
        self.servers = [await loop.create_server(self._connection, sock=self._bound, backlog=BACKLOG)]
        self.started = True

    def _connection(self) -> HttpProtocol:
        return HttpProtocol(self.config, self.server_state, self.lifespan.state, self._shared)

    def _connections(self) -> list[HttpProtocol]:
        every = (*self.server_state.connections, *self._shared.refused)
        return [one for one in every if isinstance(one, HttpProtocol)]

    async def on_tick(self, counter: int) -> bool:
        """Checks the connections; whether the server is to stop."""
        if counter % CHECK_TICKS == 0:
            self._check()
        return await super().on_tick(counter)

    def _check(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in self._connections():
            try:
                connection.check(now)
            except Exception:  # one connection must not end the others
                log.exception("a connection failed")
                connection.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  there is one
        """Takes nothing new, lets what was taken be answered for a while, and ends."""
        loop = asyncio.get_running_loop()
        self._shared.stopping.set()
        for server in self.servers:
            server.close()
        for connection in self._connections():
            connection.shutdown()
        end = loop.time() + self._shared.limits.grace
        while loop.time() < end and any(connection.busy for connection in self._connections()):
            await asyncio.sleep(0.02)
            self._check()
        for connection in self._connections():
            connection.abort()
        await asyncio.sleep(0)
        tasks = set(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


@contextmanager
def _stopped_by_signals(server: uvicorn.Server, most: float) -> Iterator[None]:
    """Stops the server on SIGTERM and SIGINT, and ends the process `most` seconds later, whatever hangs then."""
    asked: SimpleQueue[None] = SimpleQueue()

    def end() -> None:
        asked.get()
        time.sleep(most)
        # Where standard error takes nothing any more, the process ends without the warning.
        warned = threading.Thread(target=log.warning, args=(_GIVEN_UP, most), daemon=True)
        warned.start()
        warned.join(0.5)
        os._exit(0)

    def stop(*_: object) -> None:
        server.should_exit = True
        asked.put(None)

    threading.Thread(target=end, daemon=True, name="tpp-stop").start()
    handlers = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    if not server.should_exit:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _address(listen: str) -> tuple[str, int]:
    """The host, without brackets, and the port of `HOST:PORT`."""
    host, _, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    right = port.isascii() and port.isdecimal() and int(port) <= 65535 and (bracketed or ":" not in host)
    if not (right and host.strip("[]")):
        raise Failure(f"{listen!r} is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return host.strip("[]"), int(port)


def _check_loopback(host: str) -> None:
    """Raises Failure if other machines can reach the address."""
    try:
        loopback = host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise Failure(
            f"{host} can be reached from other machines: give --tls-cert and --tls-key, "
            "or set TPP_INSECURE=1 if a proxy in front of tpp serve does TLS"
        )


def _hosts(settings: Settings, host: str) -> set[str]:
    """The names under which the server may be called."""
    if not settings.hosts:
        return {f"[{host}]".lower() if ":" in host else host.lower(), "localhost", "127.0.0.1", "[::1]"}
    found = set()
    for name in settings.hosts:
        bare = host_name(f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name)
        if bare is None:
            raise Failure(f"TPP_HOSTS: {name!r} is not the name of a host")
        found.add(bare)
    return found


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the address and does not listen yet."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    bound = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
        bound.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        if bound is not None:
            bound.close()
        why = error.strerror if isinstance(error, OSError) else "the name is not valid"
        raise Failure(f"cannot listen on {shown}: {why}") from error
    return bound


def _shown(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 or newer with the certificate and the key. Raises Failure if they cannot be used."""
    for option, name in (("--tls-cert", tls.cert), ("--tls-key", tls.key)):
        try:
            with Path(name).open("rb"):
                pass
        except OSError as error:
            raise Failure(f"cannot read {option} {name}: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.cert, tls.key, password=_no_password)
    except _Encrypted as error:
        raise Failure(
            f"--tls-key {tls.key} is encrypted; store it without a password, readable to tpp alone"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None)
        if reason == "KEY_VALUES_MISMATCH":
            raise Failure(f"--tls-key {tls.key} is not the key of --tls-cert {tls.cert}") from error
        raise Failure(
            f"--tls-cert {tls.cert} and --tls-key {tls.key} are not a certificate and a key in PEM"
        ) from error
    return context


class _Encrypted(Exception):
    """The key asks for a password."""


def _no_password() -> str:
    raise _Encrypted


def _allow_files(needed: int) -> None:
    """Raises the limit of open files to what the connections need, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("only %d files may be open; for all of TPP_CONNECTIONS it takes %d (ulimit -n)", allowed, needed)
