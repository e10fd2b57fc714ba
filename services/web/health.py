"""Whether the process answers, and whether the ledger does."""

import asyncio
from typing import Any

from anyio import CapacityLimiter, to_thread
from litestar import Request, Response, get

from ledger.database.store import knock
from services.web.reading.queries import read_query
from services.web.state import Web, web_of

READY_SECONDS = 2.0


@get("/health/live")
async def live(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Answers while the process does."""
    read_query(request, ()).check()
    return {"status": "live"}


@get("/health/ready")
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """200 where the ledger answers within 2 seconds, else 503. All who ask at a time wait for one answer of it."""
    read_query(request, ()).check()
    web = web_of(request)
    if web.decider is not None and web.decider.failed is not None:
        return _unready(web.decider.failed)
    if web.knock is None or web.knock.done():
        web.knock = asyncio.create_task(_knock(web))
    asked = web.knock
    await asyncio.wait({asked}, timeout=READY_SECONDS)
    if not asked.done():
        return _unready(f"the ledger does not answer within {READY_SECONDS:g} seconds")
    return Response({"status": "ready"}) if asked.result() else _unready("the ledger's database fails")


async def _knock(web: Web) -> bool:
    """Whether the ledger answers. It has a thread of its own, however many requests wait at the ledger."""
    try:
        await to_thread.run_sync(knock, web.store, abandon_on_cancel=True, limiter=CapacityLimiter(1))
    except Exception:  # noqa: BLE001  however it fails, the ledger does not answer
        return False
    return True


def _unready(why: str) -> Response[dict[str, str]]:
    return Response({"status": "unready", "why": why}, status_code=503)


ROUTES = (live, ready)
