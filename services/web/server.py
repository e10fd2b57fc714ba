"""Runs the HTTP interface until it is told to stop."""

import logging
import socket
import sys
from contextlib import ExitStack

import uvicorn

from services.failure import Failure
from services.resources import book, engine_on, opened, wall_clock
from services.settings import Settings
from services.web.app import application
from services.web.events import deciding
from services.web.state import Web

log = logging.getLogger("tpp.web")


def run(settings: Settings, ledger_url: str | None, rulebook: str | None, listen: str | None) -> int:
    """Serves until SIGTERM or SIGINT; returns 0. Raises Failure if the address is invalid or taken."""
    bound = _bound(listen or settings.listen)
    law = book(rulebook)
    with opened(ledger_url) as store, ExitStack() as running:
        web = Web(store, law, engine_on(store, law), settings, wall_clock)
        running.enter_context(deciding(web))
        app = application(web)
        config = uvicorn.Config(app, http="h11", log_config=None, access_log=False)
        sys.stderr.write(f"listening on http://{_shown(bound)}\n")
        sys.stderr.flush()
        uvicorn.Server(config).run(sockets=[bound])
    return 0


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise Failure(f"{listen!r} is not HOST:PORT")
    try:
        bound = socket.create_server((host.strip("[]"), int(port)), reuse_port=False)
    except OSError as error:
        raise Failure(f"cannot listen on {listen}: {error.strerror}") from error
    # What is accepted inherits it: asyncio sets it on sockets alone that name their protocol, and without it the body
    # of a response waits some 40 ms for the client to confirm the headers.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def _shown(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"{host}:{port}"
