"""The pages by which people sign in and out: a one-time link, a token, the identity provider, and the page after it."""

import logging
from contextlib import suppress
from typing import Any

from litestar import HttpMethod, Request, Response, post, route
from litestar.params import FromPath

from ledger.database.store import Store
from ledger.doors.sessions import Link, end_session, find_link
from ledger.doors.tokens import Token, digest_of, find_token
from services.views.signin import Person, link_page, refusal_page, token_page
from services.web.access import Role
from services.web.pages.sessions import (
    CONSOLE,
    SIGN_IN,
    asked,
    no_cookie,
    open_as,
    open_by_link,
    page,
    page_route,
    posted,
    posted_in_session,
    redirect,
    session_digest,
    signed_in,
    written,
)
from services.web.problems import LINK_SPENT, LINK_UNKNOWN, Kind
from services.web.state import Web, web_of

log = logging.getLogger("tpp.web")

MOST_BODY = 16_384
"""The most bytes of a form."""
GUESSES, GUESS_SECONDS = 30, 60
"""How many wrong tokens the page takes, from all who try, and in how many seconds."""

_ALL = frozenset(Role) - {Role.CALENDAR}
_READ = [HttpMethod.GET, HttpMethod.HEAD]
_USED = "This link was used before; it works once. Ask an administrator for another."
_EXPIRED = "This link has expired; it was valid for 15 minutes. Ask an administrator for another."
_UNKNOWN = "There is no such link. Copy its whole address, or ask an administrator for another."
_FOREIGN = "The form did not come from this page. Open the page again, over HTTPS, in a current browser."
_MANY = "Too many wrong tokens were tried. Try again in a minute."
_CLOSED = {
    Kind.TOKEN_UNKNOWN: "No such token exists.",
    Kind.TOKEN_REVOKED: "This token was revoked.",
    Kind.TOKEN_EXPIRED: "This token has expired.",
}

Incoming = Request[Any, Any, Any]


@route("/link/{secret:str}", http_method=_READ, **page_route())
async def show_link(request: Incoming, secret: FromPath[str]) -> Response[str]:
    """The page of a one-time link. To fetch it uses nothing up."""
    web = web_of(request)
    link = await asked(_link, web.store, digest_of(secret))
    if link is None:
        return page(refusal_page("No such link", _UNKNOWN, SIGN_IN), 404)
    if link.used is not None or link.expires <= web.now():
        return _spent(link)
    return page(link_page(Person(link.name, link.role)))


@post("/link/{secret:str}", request_max_body_size=MOST_BODY, status_code=303, **page_route())
async def use(request: Incoming, secret: FromPath[str]) -> Response[Any]:
    """Uses a one-time link up, and signs its person in."""
    web = web_of(request)
    link = await asked(_link, web.store, digest_of(secret))
    if link is None:
        web.counted.refused(LINK_UNKNOWN)
        log.warning("nobody was signed in by a one-time link that does not exist")
        return page(refusal_page("No such link", _UNKNOWN, SIGN_IN), 404)
    if await posted(request, empty=True) is None:
        return page(refusal_page("Not signed in", _FOREIGN, request.scope["path"]), 403)
    cookie = await open_by_link(request, secret)
    if cookie is None:
        web.counted.refused(LINK_SPENT)
        log.warning("%s was not signed in: the one-time link is spent", link.name)
        spent: Link | None = await asked(_link, web.store, digest_of(secret))
        return _spent(spent or link)
    answer = redirect(CONSOLE)
    answer.set_cookie(cookie)
    return answer


@route("/sign-in", http_method=_READ, **page_route())
async def show_sign_in(request: Incoming) -> Response[str]:
    """The page that signs in with a token, or through the identity provider."""
    return _sign_in(web_of(request), None, 200)


@post("/sign-in", request_max_body_size=MOST_BODY, status_code=303, **page_route())
async def sign_in(request: Incoming) -> Response[Any]:
    """Signs in with a token; the session has its rights, and ends with it."""
    web = web_of(request)
    fields = await posted(request)
    if fields is None:
        return page(refusal_page("Not signed in", _FOREIGN, SIGN_IN), 403)
    if wait := _must_wait(web):
        web.counted.refused(Kind.RATE_EXCEEDED.slug)
        return _sign_in(web, _MANY, 429, **{"Retry-After": str(wait)})
    guessed = web.now()
    web.guesses.append(guessed)
    token = await asked(_token, web.store, digest_of(fields.get("token", "").strip()))
    if (kind := _closed(token, guessed)) is not None:
        web.counted.refused(kind.slug)
        log.warning("nobody was signed in: %s, token %s", kind.slug, token.id if token else "unknown")
        return _sign_in(web, _CLOSED[kind], 401, **{"WWW-Authenticate": "Bearer"})
    with suppress(ValueError):
        web.guesses.remove(guessed)
    if token is None or token.role == Role.CALENDAR:
        web.counted.refused(Kind.ROLE_FORBIDDEN.slug)
        return _sign_in(web, "This token is for calendars, and opens no page.", 403)
    cookie = await open_as(request, token.name, Role(token.role), token.sources, token.id, token.expires)
    answer = redirect(CONSOLE)
    answer.set_cookie(cookie)
    return answer


@post("/sign-out", request_max_body_size=MOST_BODY, status_code=303, **signed_in(_ALL))
async def sign_out(request: Incoming) -> Response[Any]:
    """Ends the session in the database, and takes its cookie away."""
    if await posted_in_session(request) is None:
        return page(refusal_page("Not signed out", _FOREIGN, CONSOLE), 403)
    await written(end_session, web_of(request).store, session_digest(request))
    answer = redirect(SIGN_IN)
    answer.set_cookie(no_cookie(request))
    return answer


ROUTES = (show_link, use, show_sign_in, sign_in, sign_out)


def _spent(link: Link) -> Response[str]:
    return page(refusal_page("The link is spent", _EXPIRED if link.used is None else _USED, SIGN_IN), 410)


def _sign_in(web: Web, error: str | None, status: int, **headers: str) -> Response[str]:
    return page(token_page(web.settings.oidc_issuer is not None, error), status, **headers)


def _closed(token: Token | None, now: int) -> Kind | None:
    """Why a token opens nothing; None if it does."""
    if token is None:
        return Kind.TOKEN_UNKNOWN
    if token.revoked is not None:
        return Kind.TOKEN_REVOKED
    if token.expires is not None and token.expires <= now:
        return Kind.TOKEN_EXPIRED
    return None


def _must_wait(web: Web) -> int:
    """For how many seconds no token is taken, because too many wrong ones came; 0 while they are taken."""
    begins = web.now() - GUESS_SECONDS * 1_000_000
    while web.guesses and web.guesses[0] <= begins:
        web.guesses.popleft()
    return 0 if len(web.guesses) < GUESSES else (web.guesses[0] - begins) // 1_000_000 + 1


def _link(store: Store, digest: str) -> Link | None:
    with store.read() as connection:
        return find_link(connection, digest)


def _token(store: Store, digest: str) -> Token | None:
    with store.read() as connection:
        return find_token(connection, digest)
