"""Who calls, and what a role may do (docs/contract/http.md, Tokens, roles)."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from anyio import to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ledger.doors.tokens import Token, digest_of, find_token, list_tokens
from services.web.problems import Kind, Problem
from services.web.state import Web, web_of

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


async def calendar_caller(connection: ASGIConnection[Any, Any, Any, Any], secret: str | None) -> Caller:
    """The caller of a token that stands in the address, None without one.

    Raises Problem if it may not be used, or has another role than `calendar`.
    """
    if not secret:
        raise _refused(Kind.TOKEN_MISSING, "Give a token of the role calendar as `?token=TOKEN`.")
    caller = await _authenticate(connection, secret)
    if caller.role is not Role.CALENDAR:
        raise Problem(Kind.ROLE_FORBIDDEN, "Only a token of the role calendar may stand in an address.")
    return caller


async def is_open(web: Web, caller: Caller) -> bool:
    """Whether the caller's token is still neither revoked nor expired."""
    token = await to_thread.run_sync(_find_by_id, web.store, caller.id)
    return token is not None and _ended(token, web.now()) is None


async def _guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Authenticates by `Authorization: Bearer`; raises Problem without a token that opens this route."""
    caller = await _authenticate(connection, _bearer(connection))
    allowed = handler.opt["roles"]
    if caller.role not in allowed:
        raise Problem(Kind.ROLE_FORBIDDEN, f"The role {caller.role} may not use {connection.scope['path']}.")
    connection.scope["state"][CALLER] = caller


def _bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _refused(Kind.TOKEN_MISSING, "Send a token as `Authorization: Bearer TOKEN`.")
    return secret.strip()


async def _authenticate(connection: ASGIConnection[Any, Any, Any, Any], secret: str) -> Caller:
    web = web_of(connection)
    token = await to_thread.run_sync(_find, web.store, digest_of(secret))
    if token is None:
        raise _refused(Kind.TOKEN_UNKNOWN, "No such token exists.")
    if (ended := _ended(token, web.now())) is not None:
        raise _refused(*ended)
    return Caller(token.id, token.name, Role(token.role), token.sources)


def _ended(token: Token, now: int) -> tuple[Kind, str] | None:
    """Why a token opens nothing any more; None while it does."""
    if token.revoked is not None:
        return Kind.TOKEN_REVOKED, f"The token {token.id} was revoked."
    if token.expires is not None and token.expires <= now:
        return Kind.TOKEN_EXPIRED, f"The token {token.id} has expired."
    return None


def _find(store: Any, digest: str) -> Token | None:
    with store.read() as connection:
        return find_token(connection, digest)


def _find_by_id(store: Any, id: str) -> Token | None:
    with store.read() as connection:
        return next((token for token in list_tokens(connection) if token.id == id), None)


def _refused(kind: Kind, detail: str) -> Problem:
    return Problem(kind, detail, headers={"WWW-Authenticate": "Bearer"})
