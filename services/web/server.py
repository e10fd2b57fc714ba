"""Runs the HTTP interface until it is told to stop."""

import logging
import socket
import sys
from functools import partial

import uvicorn

from ledger.database.store import knock
from services.failure import Failure
from services.resources import book, engine_on, opened, wall_clock
from services.settings import Settings
from services.telemetry.health import DATABASE, Health, served
from services.telemetry.ledger_metrics import LedgerCollector, read_figures
from services.telemetry.metrics import WebMetrics
from services.telemetry.observers import observer
from services.web.app import application
from services.web.metrics import TOKEN_KINDS, Measured
from services.web.state import Web

log = logging.getLogger("tpp.web")


def run(settings: Settings, ledger_url: str | None, rulebook: str | None, listen: str | None) -> int:
    """Serves until SIGTERM or SIGINT; returns 0. Raises Failure if the address is invalid or taken."""
    bound = _bound(listen or settings.listen)
    law = book(rulebook)
    health = Health("serve")
    with opened(ledger_url) as store, served(health, settings.metrics, {DATABASE: partial(knock, store)}):
        counted = WebMetrics(health)
        counted.expect([kind.slug for kind in TOKEN_KINDS])
        health.registry.register(LedgerCollector(lambda: read_figures(store, wall_clock())))
        engine = engine_on(store, law, observer(health))
        app = application(Web(store, law, engine, settings, wall_clock, health, counted))
        health.blocked(None)
        config = uvicorn.Config(Measured(app, counted), http="h11", log_config=None, access_log=False)
        sys.stderr.write(f"listening on http://{_shown(bound)}\n")
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
