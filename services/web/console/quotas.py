"""The quotas: who nears a limit, the worst first."""

from typing import Any

from litestar import Response, get

from ledger.database.store import Connection
from services.views.console.quotas import quotas
from services.web.access import READERS
from services.web.console.frame import Incoming, Values, show
from services.web.pages.sessions import signed_in


async def quotas_page(request: Incoming) -> Response[str]:
    """Accounts with the most used for their limit first."""

    def build(connection: Connection) -> Values:
        return quotas(connection)

    return await show(request, "quotas", build, at="quotas", live="quotas")


@get("/console/quotas", **signed_in(READERS))
async def show_quotas(request: Incoming) -> Response[str]:
    """As `quotas_page`."""
    return await quotas_page(request)


ROUTES: tuple[Any, ...] = (show_quotas,)
