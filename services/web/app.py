"""The application: every route, and what becomes of an error."""

import logging
from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError, database_message, unreadable
from services.views.console.look.words import say
from services.views.signin import refusal_page
from services.web.access import note_refusal
from services.web.console.routes import ROUTES as CONSOLE
from services.web.events import ROUTES as EVENTS
from services.web.health import ROUTES as HEALTH
from services.web.metrics import ROUTES as METRICS
from services.web.openapi import ROUTES as OPENAPI
from services.web.pages.oidc import ROUTES as OIDC
from services.web.pages.sessions import CONSOLE as PAGES
from services.web.pages.sessions import page
from services.web.pages.signin import ROUTES as SIGN_IN
from services.web.problems import MEDIA_TYPE, Kind, Problem
from services.web.reading.accounts import ROUTES as ACCOUNTS
from services.web.reading.calendar import ROUTES as CALENDAR
from services.web.reading.listed import ROUTES as LISTED
from services.web.reading.lists import ROUTES as READING
from services.web.reading.stream import ROUTES as STREAM
from services.web.state import REQUEST_ID, Web, shown_path

log = logging.getLogger("tpp.web")

ROUTES: tuple[Sequence[Any], ...] = (
    HEALTH, METRICS, OPENAPI, EVENTS, ACCOUNTS, READING, LISTED, CALENDAR, STREAM, SIGN_IN, OIDC, CONSOLE,
)  # fmt: skip
"""The routes, by the file in which they are."""

_KINDS = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED, 413: Kind.BODY_TOO_LARGE}


def application(web: Web) -> Litestar:
    """The application whose routes share `web`."""
    return Litestar(
        route_handlers=[route for routes in ROUTES for route in routes],
        exception_handlers={
            Problem: _problem,
            HTTPException: _http,
            DatabaseError: _database,
            LedgerError: _unavailable,
            LedgerCorrupt: _damaged,
            Exception: _failed,
        },
        openapi_config=None,
        state=State({"web": web}),
        logging_config=None,
    )


def response(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    """The response to a request that is refused: to a browser on the page a page, else the problem as JSON."""
    path = request.scope["path"]
    if path.startswith(PAGES) and "text/html" in request.headers.get("accept", ""):
        title, sentence = problem.kind.title, problem.detail
        if problem.kind is Kind.NOT_FOUND:
            title, sentence = say("frame.missing.title"), say("frame.missing.page", path=path)
        return page(refusal_page(title, sentence, PAGES), problem.kind.status, **dict(problem.headers))
    request_id = str(request.scope["state"].get(REQUEST_ID, ""))
    return Response(
        problem.body(request_id), status_code=problem.kind.status, media_type=MEDIA_TYPE, headers=problem.headers
    )


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    if not isinstance(error, Problem):
        raise error
    note_refusal(request, error)
    return response(request, error)


def _http(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """What Litestar itself refuses."""
    status = getattr(error, "status_code", 500)
    kind = _KINDS.get(status, Kind.REQUEST_INVALID if status < 500 else Kind.INTERNAL)
    where = request.scope["path"]
    detail = {
        Kind.NOT_FOUND: f"There is no route {where}.",
        Kind.METHOD_NOT_ALLOWED: f"{request.method.upper()} is not allowed on {where}.",
    }.get(kind, f"{kind.title}.")
    headers = {name.lower(): value for name, value in (getattr(error, "headers", None) or {}).items()}
    if "allow" in headers:
        names = headers.pop("allow").split(", ")
        headers["Allow"] = ", ".join(name for name in names if name != "OPTIONS")
    return response(request, Problem(kind, detail, headers=headers))


def _database(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The ledger's database fails; where it finds damage, that is what is said."""
    if not isinstance(error, DatabaseError):
        raise error
    if unreadable(error):
        return _damaged(request, error)
    log.error("%s: the ledger's database failed: %s", _named(request), database_message(error))
    return response(request, Problem(Kind.LEDGER_UNAVAILABLE, "The ledger's database failed; try again later."))


def _unavailable(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("%s: %s", _named(request), error)
    return response(request, Problem(Kind.LEDGER_UNAVAILABLE, "The ledger cannot be used; the program's log says why."))


def _damaged(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("%s: the ledger is damaged", _named(request), exc_info=error)
    detail = "The ledger is damaged, and nothing was decided; `tpp audit verify` says where."
    return response(request, Problem(Kind.LEDGER_DAMAGED, detail))


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("%s failed", _named(request), exc_info=error)
    return response(request, Problem(Kind.INTERNAL, "The program failed on this request; its log says why."))


def _named(request: Request[Any, Any, Any]) -> str:
    """A request, in a line of the log."""
    return f"{request.method} {shown_path(request.scope)} (request {request.scope['state'].get(REQUEST_ID, '')})"
