"""`/metrics`, and what counts the requests for it."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from litestar import Request, Response, get

from services.telemetry.metrics import WebMetrics
from services.web.access import READERS, roles
from services.web.reading.queries import read_query
from services.web.state import web_of

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""

_WRITERS = CapacityLimiter(2)
"""How many threads write metrics at once; each may wait for the figures of the ledger."""


@get("/metrics", **roles(READERS))
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The metrics of this process and of the ledger's state, as Prometheus reads them."""
    read_query(request, ()).check()
    text, kind = await to_thread.run_sync(web_of(request).health.exposition, limiter=_WRITERS)
    return Response(text, headers={"Content-Type": kind})


class Measured:
    """An ASGI application whose requests are counted and timed."""

    def __init__(self, app: Application, counted: WebMetrics) -> None:
        self._app = app
        self._counted = counted

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hands a request on; notes its status and how long it took, of a stream of events to its beginning."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, streams, told = time.perf_counter(), 0, False, False

        async def noting(message: Any) -> None:
            nonlocal status, streams, told
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
            await send(message)
            ends = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not told and (streams or ends):
                told = True
                self._counted.answered(scope["method"], status, time.perf_counter() - began)

        await self._app(scope, receive, noting)


ROUTES = (metrics,)
