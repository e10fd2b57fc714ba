"""Whether the process answers, and whether the ledger does."""

from typing import Any

from anyio import move_on_after, to_thread
from litestar import Request, Response, get

from ledger.database.store import knock
from services.web.state import web_of

READY_SECONDS = 2.0


@get("/health/live")
async def live() -> dict[str, str]:
    """Answers while the process does."""
    return {"status": "live"}


@get("/health/ready")
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """200 where the ledger answers within 2 seconds, else 503."""
    decider = web_of(request).decider
    if decider is not None and decider.failed is not None:
        return Response({"status": "unready", "why": decider.failed}, status_code=503)
    with move_on_after(READY_SECONDS):
        try:
            await to_thread.run_sync(knock, web_of(request).store, abandon_on_cancel=True)
        except Exception:  # noqa: BLE001  however it fails, the ledger does not answer
            return Response({"status": "unready", "why": "the ledger's database fails"}, status_code=503)
        return Response({"status": "ready"})
    return Response({"status": "unready", "why": "the ledger does not answer within 2 seconds"}, status_code=503)


ROUTES = (live, ready)
