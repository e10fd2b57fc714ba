"""The application: every route, and what becomes of an error."""

import logging
from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from services.web.health import ROUTES as HEALTH
from services.web.oidc import ROUTES as OIDC
from services.web.problems import MEDIA_TYPE, Kind, Problem
from services.web.signin import ROUTES as SIGN_IN
from services.web.state import REQUEST_ID, Web

log = logging.getLogger("tpp.web")

ROUTES: tuple[Sequence[Any], ...] = (HEALTH, SIGN_IN, OIDC)
"""The routes, by the file in which they are."""

_KINDS = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED, 413: Kind.BODY_TOO_LARGE}


def application(web: Web) -> Litestar:
    """The application whose routes share `web`."""
    return Litestar(
        route_handlers=[route for routes in ROUTES for route in routes],
        exception_handlers={Problem: _problem, HTTPException: _http, Exception: _failed},
        openapi_config=None,
        state=State({"web": web}),
        logging_config=None,
    )


def response(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    """The response to a request that is refused."""
    request_id = str(request.scope["state"].get(REQUEST_ID, ""))
    return Response(
        problem.body(request_id), status_code=problem.kind.status, media_type=MEDIA_TYPE, headers=problem.headers
    )


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if not isinstance(error, Problem):
        raise error
    return response(request, error)


def _http(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What Litestar itself refuses."""
    status = getattr(error, "status_code", 500)
    kind = _KINDS.get(status, Kind.REQUEST_INVALID if status < 500 else Kind.INTERNAL)
    where = request.scope["path"]
    detail = {
        Kind.NOT_FOUND: f"There is no route {where}.",
        Kind.METHOD_NOT_ALLOWED: f"{request.method} is not allowed on {where}.",
    }.get(kind, f"{kind.title}.")
    return response(request, Problem(kind, detail, headers=getattr(error, "headers", None)))


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return response(request, Problem(Kind.INTERNAL, "The program failed on this request; its log says why."))
