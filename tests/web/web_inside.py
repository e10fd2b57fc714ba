"""Serves the application with routes of a test's own, in a thread of the test's process, on a real port."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn
from litestar import Litestar
from waiting import PATIENCE, wait_until

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.engine import Engine
from services.resources import software
from services.settings import Settings
from services.web import app
from services.web.state import Web
from services.web.tokens import new_token

NOW = 1_748_856_600_000_000
"""2025-06-02T09:30:00Z, in microseconds."""


@dataclass
class Inside:
    """A running application: its address, its clock, which a test may set, and what its routes share."""

    url: str
    now: int = NOW
    web: Web = field(init=False)
    app: Litestar = field(init=False)

    def token(self, role: str, name: str = "somebody", *sources: str, expires: int | None = None) -> str:
        """A new token."""
        return new_token(self.web.store, role, name, sources, expires, self.now)

    def get(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """The response to a request with a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"{self.url}{path}", timeout=PATIENCE, **({"headers": headers} | more))


@contextmanager
def inside(ledger: str, routes: Sequence[Any], **settings: Any) -> Iterator[Inside]:
    """The application on a ledger with these routes beside its own, until the end of the block."""
    store, book = Store(ledger), rulebook.load("ai-diffusion", {})
    with socket.create_server(("127.0.0.1", 0)) as bound:
        running = Inside(f"http://127.0.0.1:{bound.getsockname()[1]}")
        engine = Engine(Ledger(store), book, lambda: running.now, software())
        plain = Settings(_env_file=None, **({"rate": 0} | settings))
        running.web = Web(store, book, engine, plain, lambda: running.now)
        with patch.object(app, "ROUTES", (*app.ROUTES, routes)):
            running.app = app.application(running.web)
        server = uvicorn.Server(uvicorn.Config(running.app, http="h11", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield running
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            store.close()
