"""Runs the HTTP interface until it is told to stop."""

import logging
import socket
import sys

import uvicorn

from services.failure import Failure
from services.resources import book, engine_on, opened, wall_clock
from services.settings import Settings
from services.web.app import application
from services.web.oidc import provider_of
from services.web.sessions import first_link
from services.web.state import Web

log = logging.getLogger("tpp.web")


def run(settings: Settings, ledger_url: str | None, rulebook: str | None, listen: str | None) -> int:
    """Serves until SIGTERM or SIGINT; returns 0. Raises Failure if the address is invalid or taken, or the identity
    provider of the settings is not one.
    """
    provider_of(settings)
    bound = _bound(listen or settings.listen)
    law = book(rulebook)
    with opened(ledger_url) as store:
        web = Web(store, law, engine_on(store, law), settings, wall_clock)
        app = application(web)
        config = uvicorn.Config(app, http="h11", log_config=None, access_log=False)
        address = f"http://{_shown(bound)}"
        sys.stderr.write(f"listening on {address}\n")
        if link := first_link(web, address):
            sys.stderr.write(f"no token exists yet; sign in as an administrator, once, within 15 minutes: {link}\n")
        sys.stderr.flush()
        uvicorn.Server(config).run(sockets=[bound])
    return 0


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise Failure(f"{listen!r} is not HOST:PORT")
    try:
        return socket.create_server((host.strip("[]"), int(port)), reuse_port=False)
    except OSError as error:
        raise Failure(f"cannot listen on {listen}: {error.strerror}") from error


def _shown(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"{host}:{port}"
