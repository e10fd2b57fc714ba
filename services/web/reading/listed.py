"""The routes of restricted-party lists (docs/contract/http.md, Reading)."""

import re
from typing import Any

from litestar import Request, Response, get

from ledger.database.store import Connection
from ledger.queries.names.lists import lists_in_force
from rulebook.parties.matching import Asked
from schemas.models.values import ADDRESS_MOST, LEI, TEXT_MOST
from services.lists.countries import country_of
from services.lists.searching import FIRST, MOST, Search, status
from services.web.access import Role, roles
from services.web.problems import Kind, Problem
from services.web.reading.queries import (
    PAGED,
    Query,
    in_thread,
    json_response,
    page_of,
    read_ledger,
    read_page,
    read_query,
)
from services.web.state import web_of

_SCREENERS = frozenset({Role.MONITOR, Role.REVIEWER, Role.ADMIN})
_SEARCHED = ("name", "country", "address", "lei", "limit")


@get("/v1/lists", **roles(_SCREENERS))
async def list_lists(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The lists in force, by name."""
    page = read_page(read_query(request, PAGED), "lists", (str,))
    after = "" if page.after is None else page.after[0]

    def found(connection: Connection) -> Any:
        rows = [one for one in status(connection) if one["name"] > after]
        return [(one, (one["name"],)) for one in rows[: page.limit + 1]]

    return json_response(page_of("lists", page, await read_ledger(request, found)))


@get("/v1/lists/search", **roles(_SCREENERS))
async def search_lists(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The entries of every list in force that a name resembles, best first; writes nothing."""
    query = read_query(request, _SEARCHED)
    asked, limit = _asked(query), query.number("limit", 1, MOST) or FIRST
    query.check()
    loaded = await read_ledger(request, lists_in_force)
    if not loaded:
        raise Problem(Kind.NOT_FOUND, "No list is loaded.")
    indexes = web_of(request).engine.indexes
    return json_response(await in_thread(lambda: Search(loaded, indexes).resembling(asked, limit)))


def _asked(query: Query) -> Asked:
    """The party that is looked up; what is wrong with it is in the query's faults."""
    name = " ".join((query.text("name") or "").split())
    if not name:
        query.fault("name", "missing", "name: the name of a party is required.")
    address, country, lei = (query.text(one) for one in ("address", "country", "lei"))
    for field, text, most in (("name", name, TEXT_MOST), ("address", address or "", ADDRESS_MOST)):
        if len(text) > most:
            query.fault(field, "invalid", f"{field}: {len(text):,} characters; at most {most:,} are allowed.")
    if country is not None and (len(country) != 2 or country_of(country) != country):
        query.fault("country", "invalid", f"country: {country!r} is not an ISO 3166-1 alpha-2 code such as CN.")
    if lei is not None and not re.fullmatch(LEI, lei):
        query.fault("lei", "invalid", f"lei: {lei!r} is not a Legal Entity Identifier (ISO 17442).")
    return Asked(name, country, address, lei)


ROUTES = (list_lists, search_lists)
