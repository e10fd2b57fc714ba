"""Who calls, and what a role may do (docs/contract/http.md, Tokens, roles)."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from anyio import to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ledger.doors.tokens import Token, digest_of, find_token
from services.web.problems import Kind, Problem
from services.web.state import web_of

CALLER = "tpp_caller"
"""Under which the state of a request has its Caller."""


class Role(StrEnum):
    """The roles of tokens."""

    PUBLISHER = "publisher"
    MONITOR = "monitor"
    REVIEWER = "reviewer"
    FINANCE = "finance"
    ADMIN = "admin"
    CALENDAR = "calendar"


READERS = frozenset({Role.MONITOR, Role.REVIEWER, Role.FINANCE, Role.ADMIN})
"""Who may read accounts, holds, obligations and the stream."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the token's id, the person or system, the role, the patterns of sources."""

    id: str
    name: str
    role: Role
    sources: tuple[str, ...]


def roles(allowed: Collection[Role]) -> dict[str, Any]:
    """The options of a route for which a token of one of these roles is needed.

    `@get("/v1/holds", **roles(READERS))`; the handler then finds its caller by `caller_of`.
    """
    return {"guards": [_guard], "opt": {"roles": frozenset(allowed)}}


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """The caller of a route that has `roles`."""
    found = connection.scope["state"].get(CALLER)
    if not isinstance(found, Caller):
        raise TypeError("the route has no roles")
    return found


async def _guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Authenticates by `Authorization: Bearer`; raises Problem without a token that opens this route."""
    caller = await _authenticate(connection)
    allowed = handler.opt["roles"]
    if caller.role not in allowed:
        raise Problem(Kind.ROLE_FORBIDDEN, f"The role {caller.role} may not use {connection.scope['path']}.")
    connection.scope["state"][CALLER] = caller


async def _authenticate(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _refused(Kind.TOKEN_MISSING, "Send a token as `Authorization: Bearer TOKEN`.")
    web = web_of(connection)
    token = await to_thread.run_sync(_find, web.store, digest_of(secret.strip()))
    if token is None:
        raise _refused(Kind.TOKEN_UNKNOWN, "No such token exists.")
    now = web.now()
    if token.revoked is not None and token.revoked <= now:
        raise _refused(Kind.TOKEN_REVOKED, f"The token {token.id} was revoked.")
    if token.expires is not None and token.expires <= now:
        raise _refused(Kind.TOKEN_EXPIRED, f"The token {token.id} has expired.")
    return Caller(token.id, token.name, Role(token.role), token.sources)


def _find(store: Any, digest: str) -> Token | None:
    with store.read() as connection:
        return find_token(connection, digest)


def _refused(kind: Kind, detail: str) -> Problem:
    return Problem(kind, detail, headers={"WWW-Authenticate": "Bearer"})
