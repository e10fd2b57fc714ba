"""The first page of who is signed in: what their role is there for."""

from typing import Any

from litestar import Response, get

from services.web.access import READERS, caller_of
from services.web.console.ask import ask_page
from services.web.console.frame import ALL, Incoming
from services.web.console.quotas import quotas_page
from services.web.pages.sessions import signed_in


@get("/console", **signed_in(ALL))
async def home(request: Incoming) -> Response[str]:
    """The quotas; for a publisher, who may not read them, the question whether a shipment may go."""
    return await (quotas_page if caller_of(request).role in READERS else ask_page)(request)


ROUTES: tuple[Any, ...] = (home,)
