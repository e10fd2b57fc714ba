"""Ask: may it go? The answer that an event would get, against the balances of now."""

from typing import Any

from litestar import Response, get

from ledger.database.store import Connection
from services.web.console.frame import Incoming, Values, show
from services.web.pages.sessions import signed_in
from services.web.permissions import CHECKERS


async def ask_page(request: Incoming) -> Response[str]:
    """The form in which a shipment is asked for."""

    def build(_: Connection) -> Values:
        return {}

    return await show(request, "ask", build, at="ask")


@get("/console/ask", **signed_in(CHECKERS))
async def show_ask(request: Incoming) -> Response[str]:
    """As `ask_page`."""
    return await ask_page(request)


ROUTES: tuple[Any, ...] = (show_ask,)
