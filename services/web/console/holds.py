"""Holds: the list, one hold, and what a reviewer sends about it."""

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Response, get, post

from ledger.database.store import Connection, Store
from ledger.queries.held.proposals import Standing, standing
from ledger.queries.records import answered_event
from ledger.registers.records import Key
from schemas import event_types as types
from services.views.console.hold import hold_page
from services.views.console.hold_forms import KINDS, Acting
from services.views.console.holds import holds_page, wanted_of
from services.views.console.look.render import path_part
from services.views.console.look.words import say
from services.web.access import READERS, caller_of
from services.web.console.acts import Mend, NotSent, Sent, fields_of, key_of, refused, send
from services.web.console.frame import Incoming, Missing, Values, address, show, today_of
from services.web.pages.sessions import asked, redirect, signed_in
from services.web.permissions import MAY_SEND
from services.web.state import web_of

_RECHECKERS, _REVIEWERS = MAY_SEND[types.RECHECK_REQUESTED], MAY_SEND[types.REVIEW_DECIDED]
_ALL = "holds"


class _NotHeld(Exception):
    """The shipment is there and is not held."""


@get("/console/holds", **signed_in(READERS))
async def show_holds(request: Incoming) -> Response[str]:
    """What is held, the oldest first, by what would end it."""
    return await _list(request)


async def _list(request: Incoming) -> Response[str]:
    web, wanted = web_of(request), wanted_of(dict(request.query_params))
    may = caller_of(request).role in _RECHECKERS

    def build(connection: Connection) -> Values:
        page = holds_page(connection, web.book, today_of(web, connection), wanted)
        at = {
            name: None if page[name] is None else address("/console/holds", **page[name]) for name in ("first", "next")
        }
        return {**page, **at, "may_recheck": may}

    status = 400 if wanted.errors else 200
    return await show(request, "holds", build, at="holds", live="holds", status=status, errors=wanted.errors)


@post("/console/holds", **signed_in(_RECHECKERS))
async def recheck_holds(request: Incoming) -> Response[Any]:
    """Screens every held shipment again, or those that wait for room on the account that the form names."""
    try:
        fields = await fields_of(request)
        account = fields.get("account")
        asked_for: Mapping[str, Any] = {"account": account} if account else {"all": True}
        event = Sent(types.RECHECK_REQUESTED, account or _ALL, asked_for)
        return await send(request, fields, event, address("/console/holds", account=account))
    except Mend as error:
        return await refused(request, NotSent(say("frame.refused.title"), str(error), 422), at="holds")
    except NotSent as error:
        return await refused(request, error, at="holds")


@get("/console/holds/{shipment:str}", **signed_in(READERS))
async def show_hold(request: Incoming) -> Response[Any]:
    """One hold; of a shipment that is not held, its own page."""
    return await _one(request, {})


async def _one(request: Incoming, given: Mapping[str, str], errors: Sequence[tuple[str, str]] = ()) -> Response[Any]:
    """The page of a hold; `given` are the fields of a form with `errors`."""
    web, shipment, caller = web_of(request), str(request.path_params["shipment"]), caller_of(request)
    kept = {name: given.get(name, "") for name in ("form_of", "reason", "kind", "reference")}

    there = None if "\0" in shipment else await asked(_standing, web.store, shipment)
    if there is not None and not there.is_held:
        return _elsewhere(request, shipment)

    def build(connection: Connection) -> Values:
        if there is None:
            raise Missing(say("hold.missing", id=shipment), [("/console/holds", say("hold.to_holds"))])
        if not standing(connection, [shipment])[shipment].is_held:
            raise _NotHeld
        today, may = today_of(web, connection), caller.role in _REVIEWERS
        page = hold_page(connection, web.book, today, shipment, caller.name, may_act=may)
        return {**page, "given": kept, "kinds": KINDS}

    live = f"hold:{shipment}@{there.held}" if there else None
    try:
        return await show(request, "hold", build, at="holds", live=live, status=422 if errors else 200, errors=errors)
    except _NotHeld:
        return _elsewhere(request, shipment)


def _standing(store: Store, shipment: str) -> Standing | None:
    with store.read() as connection:
        return standing(connection, [shipment]).get(shipment)


def _elsewhere(request: Incoming, shipment: str) -> Response[str]:
    """Leads to the page of a shipment that is not held, with the answer to what was just sent."""
    return redirect(address(f"/console/shipments/{path_part(shipment)}", answer=request.query_params.get("answer")))


@post("/console/holds/{shipment:str}", **signed_in(_REVIEWERS))
async def act_on_hold(request: Incoming) -> Response[Any]:
    """Rechecks a hold, proposes, confirms or sends back; or releases or denies it where one reviewer may."""
    fields: Mapping[str, str] = {}
    shipment = str(request.path_params["shipment"])
    try:
        fields = await fields_of(request)
        acting = Acting(shipment, caller_of(request).name, fields)
        event, *more = await asked(_events, web_of(request).store, acting, key_of(request, fields))
        return await send(request, fields, event, f"/console/holds/{path_part(shipment)}", acting.field_of, *more)
    except Mend as error:
        return await _one(request, fields, error.errors)
    except NotSent as error:
        return await refused(request, error, at="holds")


def _events(store: Store, acting: Acting, key: Key) -> list[Sent]:
    """The events of a form; raises Mend where something is missing, or where the page has shown another hold."""
    with store.read() as connection:
        found = acting.events(connection)
        anew = bool(found) and acting.is_of_another_hold(connection) and answered_event(connection, key) is None
    if anew:
        raise Mend([("act", say("hold.anew"))])
    if acting.errors:
        raise Mend(acting.errors)
    if not found:
        raise NotSent(say("frame.refused.title"), acting.refusal, 400)
    return [Sent(*one) for one in found]


ROUTES: tuple[Any, ...] = (show_holds, recheck_holds, show_hold, act_on_hold)
