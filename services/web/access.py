"""Who calls, and what a role may do (docs/contract/http.md, Tokens, roles)."""

import asyncio
import logging
import math
import re
from collections.abc import Awaitable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from anyio import to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ledger.database.store import Store
from ledger.doors.sessions import Session, find_session
from ledger.doors.tokens import Token
from services.web.problems import REFUSED, Kind, Problem
from services.web.state import Web, shown_path, web_of
from services.web.tokens import id_in, reason

log = logging.getLogger("tpp.web")

CALLER = "tpp_caller"
"""Under which the state of a request has its Caller."""
_NAMED = "tpp_token_id"
"""Under which the state of a request has the id that its token names, known or not."""
_BEARER = re.compile(r"bearer +([^\s]+)", re.IGNORECASE)

Found = TypeVar("Found")


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
    """Who calls: the token's id, the person or system, the role, the patterns of sources.

    `session`: the digest of the session of the page in which somebody is signed in; None for a token by itself.
    """

    id: str
    name: str
    role: Role
    sources: tuple[str, ...]
    session: str | None = field(default=None, repr=False)


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

    Raises Problem if it may not be used, is too busy, or has another role than `calendar`.
    """
    if not secret:
        raise _refused(Kind.TOKEN_MISSING, "Give a token of the role calendar as `?token=TOKEN`.")
    caller = await _authenticate(connection, secret)
    _count(connection, caller)
    if caller.role is not Role.CALENDAR:
        raise Problem(Kind.ROLE_FORBIDDEN, "Only a token of the role calendar may stand in an address.")
    return caller


async def is_open(web: Web, caller: Caller) -> bool:
    """Whether the caller's token is still neither revoked nor expired, or the caller's session is still open.

    Raises Problem if the ledger does not answer.
    """
    if caller.session is not None:
        return await _asked(to_thread.run_sync(_session, web.store, caller.session, web.now())) is not None
    token = await _asked(web.tokens.find_by_id(caller.id))
    return token is not None and _ended(token, web.now()) is None


def note_refusal(connection: ASGIConnection[Any, Any, Any, Any], problem: Problem) -> None:
    """Counts and logs a request that was refused for want of a right, with the token's id; no other problem."""
    if problem.kind not in REFUSED:
        return
    web_of(connection).counted.refused(problem.kind.slug)
    scope = connection.scope
    token = scope["state"].get(_NAMED, "none")
    log.warning("refused %s %s: %s, token %s", scope.get("method"), shown_path(scope), problem.kind.slug, token)


async def _guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Authenticates by `Authorization: Bearer`; raises Problem without a token that opens this route now."""
    caller = await _authenticate(connection, _bearer(connection))
    _count(connection, caller)
    if caller.role not in handler.opt["roles"]:
        raise Problem(Kind.ROLE_FORBIDDEN, f"The role {caller.role} may not use {connection.scope['path']}.")


def _bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The token of the one header that there may be."""
    given = [value for name, value in connection.scope["headers"] if name == b"authorization"]
    found = _BEARER.fullmatch(given[0].decode("latin-1").strip()) if len(given) == 1 else None
    if found is None:
        what = "more than one Authorization header" if len(given) > 1 else "no token"
        raise _refused(Kind.TOKEN_MISSING, f"The request has {what}; send `Authorization: Bearer TOKEN` once.")
    return found[1]


async def _authenticate(connection: ASGIConnection[Any, Any, Any, Any], secret: str) -> Caller:
    web, state = web_of(connection), connection.scope["state"]
    state[_NAMED] = id_in(secret) or "malformed"
    token = await _asked(web.tokens.find(secret))
    if token is None:
        raise _refused(Kind.TOKEN_UNKNOWN, "No such token exists.")
    now = web.now()
    if (ended := _ended(token, now)) is not None:
        raise _refused(*ended)
    web.tokens.note(token, now)
    caller = Caller(token.id, token.name, Role(token.role), token.sources)
    state[CALLER] = caller
    return caller


def _ended(token: Token, now: int) -> tuple[Kind, str] | None:
    """Why a token opens nothing any more; None while it does."""
    if token.revoked is not None:
        return Kind.TOKEN_REVOKED, f"The token {token.id} was revoked."
    if token.expires is not None and token.expires <= now:
        return Kind.TOKEN_EXPIRED, f"The token {token.id} has expired."
    return None


def _count(connection: ASGIConnection[Any, Any, Any, Any], caller: Caller) -> None:
    """Counts a request; raises Problem where its token makes too many."""
    web = web_of(connection)
    wait = web.rate.take(caller.id, asyncio.get_running_loop().time())
    if wait > 0:
        sentence = f"The token {caller.id} may make {web.settings.rate} requests a second."
        raise Problem(Kind.RATE_EXCEEDED, sentence, headers={"Retry-After": str(max(1, math.ceil(wait)))})


def _session(store: Store, digest: str, now: int) -> Session | None:
    with store.read() as connection:
        return find_session(connection, digest, now)


async def _asked(lookup: Awaitable[Found]) -> Found:
    """What the ledger knows of a token or a session; raises Problem if it does not answer."""
    try:
        return await lookup
    except Exception as error:
        log.warning("the ledger does not say what it knows of a token: %s", reason(error))
        detail = "The ledger does not say whether the token is valid; try again."
        raise Problem(Kind.LEDGER_UNAVAILABLE, detail, headers={"Retry-After": "1"}) from error


def _refused(kind: Kind, detail: str) -> Problem:
    return Problem(kind, detail, headers={"WWW-Authenticate": "Bearer"})
