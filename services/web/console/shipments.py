"""A shipment: what happened to it, and what is owed; a publisher sees its own alone."""

from typing import Any

from litestar import Response, get

from ledger.database.store import Connection
from ledger.queries.shipment_list import StandingShipment, find_shipment
from services.views.console.look.words import say
from services.views.console.shipment import Sees, anything, events_jsonl, shipment_memo, shipment_page
from services.views.page import page as memo_page
from services.web.access import READERS, Caller, Role, caller_of
from services.web.console.frame import Incoming, Missing, Values, notice, show, today_of
from services.web.pages.sessions import asked, signed_in
from services.web.permissions import may_use
from services.web.state import web_of

_DIGITS = 18
"""The most digits of a record's number."""
_SEERS = READERS | {Role.PUBLISHER}


@get("/console/shipments/{shipment:str}", **signed_in(_SEERS))
async def show_shipment(request: Incoming) -> Response[str]:
    """Its life, what counts on which account, what is owed, its parties."""
    web, caller, shipment = web_of(request), caller_of(request), _named(request)
    given = request.query_params.get("before")
    if given is not None and not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        return await notice(request, say("shipment.broken_title"), say("shipment.broken", before=given), 400)
    before = None if given is None else int(given)

    def build(connection: Connection) -> Values:
        one = seen_shipment(connection, caller, shipment)
        if one is None:
            raise Missing(say("shipment.missing", id=shipment))
        today = today_of(web, connection)
        found = shipment_page(connection, web.book, today, one, sees(caller), before)
        return {**found, "links": caller.role in READERS}

    return await show(request, "shipment", build, at="", live=f"shipment:{shipment}" if before is None else None)


@get("/console/shipments/{shipment:str}/events.jsonl", **signed_in(_SEERS))
async def show_events(request: Incoming) -> Response[Any]:
    """Every record that concerns it, one a line, as `tpp explain --format json` has them."""
    web, caller, shipment = web_of(request), caller_of(request), _named(request)

    def made() -> bytes | None:
        with web.store.read() as connection:
            one = seen_shipment(connection, caller, shipment)
            return None if one is None else b"".join(events_jsonl(connection, one.id, sees(caller)))

    return await _file(request, await asked(made), "jsonl", "application/x-ndjson")


@get("/console/shipments/{shipment:str}/memo.html", **signed_in(_SEERS))
async def show_memo(request: Incoming) -> Response[Any]:
    """Its memo as a file for printing."""
    web, caller, shipment = web_of(request), caller_of(request), _named(request)

    def made() -> bytes | None:
        with web.store.read() as connection:
            one = seen_shipment(connection, caller, shipment)
            return None if one is None else memo_page(shipment_memo(connection, web.book, one), ()).encode()

    return await _file(request, await asked(made), "html", "text/html")


def seen_shipment(connection: Connection, caller: Caller, shipment: str) -> StandingShipment | None:
    """A shipment that the caller may see; None if it does not exist, or is another publisher's."""
    one = None if "\0" in shipment else find_shipment(connection, shipment)
    return None if one is None or not (caller.role is not Role.PUBLISHER or may_use(caller, one.source)) else one


def sees(caller: Caller) -> Sees:
    """Of which sources the caller may see what events say: a publisher of its own."""
    return anything if caller.role is not Role.PUBLISHER else lambda source: may_use(caller, source)


def _named(request: Incoming) -> str:
    return str(request.path_params["shipment"])


async def _file(request: Incoming, content: bytes | None, ending: str, type: str) -> Response[Any]:
    shipment = _named(request)
    if content is None:
        return await notice(request, say("frame.missing.title"), say("shipment.missing", id=shipment), 404)
    name = f'attachment; filename="{shipment.replace(":", "_")}.{ending}"'
    return Response(content, media_type=type, headers={"Content-Disposition": name, "Referrer-Policy": "no-referrer"})


ROUTES: tuple[Any, ...] = (show_shipment, show_events, show_memo)
"""The routes of shipments."""
