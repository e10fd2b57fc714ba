"""The routes of shipments, holds, obligations and snapshots (docs/contract/http.md, Reading)."""

from datetime import date
from typing import Any

from litestar import Request, Response, get

from ledger.database.store import Connection
from ledger.queries.shipment_list import find_shipment
from ledger.queries.snapshots import snapshots
from ledger.queries.work_list import HoldFilter, HoldPlace, ObligationPlace, holds, ledger_day, obligations
from schemas.codes import ReasonCode
from schemas.times import parse_day
from services.views.obligations import obligation_to_json
from services.views.work_list import hold_to_json, shipment_in_full
from services.web.access import READERS, Caller, Role, caller_of, roles
from services.web.permissions import may_use
from services.web.problems import Kind, Problem
from services.web.reading.queries import (
    PAGED,
    Page,
    broken_cursor,
    json_bytes,
    json_response,
    page_of,
    read_ledger,
    read_page,
    read_query,
)
from services.web.state import web_of

_SHIPMENT_READERS = READERS | {Role.PUBLISHER}
_BOOKS = frozenset({Role.FINANCE, Role.ADMIN})
_STATES = ("open", "met", "withdrawn", "all")

Asked = Request[Any, Any, Any]


@get("/v1/shipments/{shipment:str}", **roles(_SHIPMENT_READERS))
async def show_shipment(request: Asked) -> Response[bytes]:
    """A shipment as it stands, with every answer about it as published; a publisher sees only its own."""
    read_query(request, ()).check()
    caller, book, shipment = caller_of(request), web_of(request).book, str(request.path_params["shipment"])

    def found(connection: Connection) -> bytes:
        one = None if "\0" in shipment else find_shipment(connection, shipment)
        if one is None or not _may_see(caller, one.source):
            raise Problem(Kind.NOT_FOUND, f"There is no shipment {shipment!r}.")
        whole, answers = shipment_in_full(connection, book, ledger_day(connection), one)
        return b'%b,"answers":[%b]}' % (json_bytes(whole)[:-1], ",".join(answers).encode())

    return Response(await read_ledger(request, found), media_type="application/json")


def _may_see(caller: Caller, source: str) -> bool:
    return caller.role is not Role.PUBLISHER or may_use(caller, source)


@get("/v1/holds", **roles(READERS))
async def list_holds(request: Asked) -> Response[bytes]:
    """What is held and what would end each hold, the oldest first; before it what left without an approval."""
    query = read_query(request, ("code", "account", *PAGED))
    wanted = HoldFilter(query.choice("code", map(str, ReasonCode)), account=query.text("account"))
    page = read_page(query, "holds", (bool, int, str), (bool, int, int))
    after = None if page.after is None else HoldPlace(*page.after)
    if after is not None and isinstance(after.tie, int) != after.held:
        raise broken_cursor()
    book = web_of(request).book

    def found(connection: Connection) -> Any:
        today = ledger_day(connection)
        rows = holds(connection, wanted, after=after, limit=page.limit + 1)
        return [(hold_to_json(book, one, today), one.place) for one in rows]

    return json_response(page_of("holds", page, await read_ledger(request, found)))


@get("/v1/obligations", **roles(READERS))
async def list_obligations(request: Asked) -> Response[bytes]:
    """What must be filed, to whom and by when: what is overdue first, records to keep last."""
    query = read_query(request, ("due_by", "state", *PAGED))
    due_by, state = query.day("due_by"), query.choice("state", _STATES) or "open"
    page = read_page(query, "obligations", (int, str, str, str), plain={"state": "open"})
    after = None if page.after is None else ObligationPlace(*page.after)
    first = None if after is None else _day_of(page)
    book = web_of(request).book

    def found(connection: Connection) -> tuple[Any, str]:
        today = ledger_day(connection)
        ranked = first or today or date.min
        rows = obligations(
            connection, today, due_by, None if state == "all" else state, after, page.limit + 1, ranked=ranked
        )
        return [(obligation_to_json(book, one), one.place) for one in rows], ranked.isoformat()

    rows, ranked = await read_ledger(request, found)
    return json_response(page_of("obligations", page, rows, ranked))


def _day_of(page: Page) -> date:
    """The ledger's day at the first page, by which the pages after it keep the order."""
    try:
        return parse_day(page.given)
    except ValueError as error:
        raise broken_cursor() from error


@get("/v1/snapshots", **roles(_BOOKS))
async def list_snapshots(request: Asked) -> Response[bytes]:
    """The snapshots, in the order of closing."""
    page = read_page(read_query(request, PAGED), "snapshots", (int,))
    after = 0 if page.after is None else page.after[0]

    def found(connection: Connection) -> Any:
        rows = [one for one in snapshots(connection) if one.n > after]
        return [(one.to_json(), (one.n,)) for one in rows[: page.limit + 1]]

    return json_response(page_of("snapshots", page, await read_ledger(request, found)))


ROUTES = (show_shipment, list_holds, list_obligations, list_snapshots)
