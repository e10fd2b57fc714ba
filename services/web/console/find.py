"""The search of every page, and the page of a party."""

from typing import Any

from litestar import Response, get

from ledger.database.store import Connection
from services.views.console.find import find, party_page
from services.views.console.look.words import say
from services.web.access import READERS, Role, caller_of
from services.web.console.frame import ALL, Incoming, Missing, Values, address, notice, show, today_of
from services.web.pages.sessions import asked, redirect, signed_in
from services.web.permissions import may_use
from services.web.state import web_of

_LONGEST = 512
"""The most characters that are looked for."""
_DIGITS = 18
"""The most digits of a place in a list."""


@get("/console/search", **signed_in(ALL))
async def show_search(request: Incoming) -> Response[str]:
    """To the page of what alone has the identifier; else what may be meant. A publisher finds its own shipments."""
    web, caller = web_of(request), caller_of(request)
    text = request.query_params.get("q", "").replace("\0", "").strip()[:_LONGEST].strip()
    own = caller.role is Role.PUBLISHER
    mine = (lambda source: may_use(caller, source)) if own else None

    def question() -> str | dict[str, Any]:
        with web.store.read() as connection:
            return find(connection, text, mine)

    found: str | dict[str, Any] = await asked(question) if text else {"groups": []}
    if isinstance(found, str):
        return redirect(found)
    values = found | {"text": text, "own": own}
    return await show(request, "search", lambda _: values, at="")


@get("/console/parties/{party:str}", **signed_in(READERS))
async def show_party(request: Incoming) -> Response[str]:
    """What the ledger knows of a party."""
    web, party = web_of(request), str(request.path_params["party"])
    given = request.query_params.get("before")
    if given is not None and not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        return await notice(request, say("party.broken_title"), say("party.broken", before=given), 400)

    def build(connection: Connection) -> Values:
        before = None if given is None else int(given)
        found = None if "\0" in party else party_page(connection, today_of(web, connection), party, before)
        if found is None:
            links = [(address("/console/search", q=party), say("party.search"))]
            raise Missing(say("party.missing", id=party), links)
        return found

    return await show(request, "party", build, at="")


ROUTES: tuple[Any, ...] = (show_search, show_party)
"""The routes of the search and of parties."""
