"""The pages by which people sign in and out: a one-time link, a token, the identity provider, and the page after it."""

import logging
from contextlib import suppress
from typing import Any

from litestar import HttpMethod, Request, Response, post, route
from litestar.params import FromPath

from ledger.database.store import Store
from ledger.doors.sessions import Link, end_session, find_link
from ledger.doors.tokens import Token, digest_of, find_token
from services.views.console.look.words import say
from services.views.signin import Person, link_page, refusal_page, token_page
from services.web.access import Role
from services.web.pages.sessions import (
    CONSOLE,
    SIGN_IN,
    SIGN_OUT,
    asked,
    no_cookie,
    open_as,
    open_by_link,
    own_page,
    page,
    page_route,
    posted,
    posted_in_session,
    redirect,
    session_digest,
    sign_in_address,
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
_CLOSED = {Kind.TOKEN_UNKNOWN: "unknown", Kind.TOKEN_REVOKED: "revoked", Kind.TOKEN_EXPIRED: "expired"}

Incoming = Request[Any, Any, Any]


@route("/link/{secret:str}", http_method=_READ, **page_route())
async def show_link(request: Incoming, secret: FromPath[str]) -> Response[str]:
    """The page of a one-time link. To fetch it uses nothing up."""
    web = web_of(request)
    link = await asked(_link, web.store, digest_of(secret))
    if link is None:
        return _no_link()
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
        return _no_link()
    if await posted(request, empty=True) is None:
        return _foreign(_here(request))
    cookie = await open_by_link(request, secret)
    if cookie is None:
        web.counted.refused(LINK_SPENT)
        log.warning("%s was not signed in: the one-time link is spent", link.name)
        spent: Link | None = await asked(_link, web.store, digest_of(secret))
        return _spent(spent or link)
    answer = redirect(own_page(request.query_params.get("next")))
    answer.set_cookie(cookie)
    return answer


@route("/sign-in", http_method=_READ, **page_route())
async def show_sign_in(request: Incoming) -> Response[str]:
    """The page that signs in with a token, or through the identity provider."""
    return _sign_in(request, request.query_params.get("next"), None, 200)


@post("/sign-in", request_max_body_size=MOST_BODY, status_code=303, **page_route())
async def sign_in(request: Incoming) -> Response[Any]:
    """Signs in with a token; the session has its rights, and ends with it."""
    web = web_of(request)
    fields = await posted(request)
    if fields is None:
        return _foreign(SIGN_IN)
    if wait := _must_wait(web):
        web.counted.refused(Kind.RATE_EXCEEDED.slug)
        return _sign_in(request, fields.get("next"), "many", 429, **{"Retry-After": str(wait)})
    guessed = web.now()
    web.guesses.append(guessed)
    token = await asked(_token, web.store, digest_of(fields.get("token", "").strip()))
    if (kind := _closed(token, guessed)) is not None:
        web.counted.refused(kind.slug)
        log.warning("nobody was signed in: %s, token %s", kind.slug, token.id if token else "unknown")
        return _sign_in(request, fields.get("next"), _CLOSED[kind], 401, **{"WWW-Authenticate": "Bearer"})
    with suppress(ValueError):
        web.guesses.remove(guessed)
    if token is None or token.role == Role.CALENDAR:
        web.counted.refused(Kind.ROLE_FORBIDDEN.slug)
        return _sign_in(request, fields.get("next"), "calendar", 403)
    cookie = await open_as(request, token.name, Role(token.role), token.sources, token.id, token.expires)
    answer = redirect(own_page(fields.get("next")))
    answer.set_cookie(cookie)
    return answer


@post(SIGN_OUT, request_max_body_size=MOST_BODY, status_code=303, **signed_in(_ALL))
async def sign_out(request: Incoming) -> Response[Any]:
    """Ends the session in the database, and takes its cookie away."""
    if await posted_in_session(request) is None:
        return page(refusal_page(say("signin.refused.sign_out"), say("signin.refused.foreign"), CONSOLE), 403)
    await written(end_session, web_of(request).store, session_digest(request))
    answer = redirect(SIGN_IN)
    answer.set_cookie(no_cookie(request))
    return answer


ROUTES = (show_link, use, show_sign_in, sign_in, sign_out)


def _spent(link: Link) -> Response[str]:
    why = "expired" if link.used is None else "used"
    return page(refusal_page(say("signin.spent.title"), say(f"signin.spent.{why}"), SIGN_IN), 410)


def _no_link() -> Response[str]:
    return page(refusal_page(say("signin.no_link.title"), say("signin.no_link.sentence"), SIGN_IN), 404)


def _foreign(back: str) -> Response[str]:
    return page(refusal_page(say("signin.refused.title"), say("signin.refused.foreign"), back), 403)


def _here(request: Incoming) -> str:
    """The address of the page of a link, with the page that it leads to."""
    return sign_in_address(own_page(request.query_params.get("next")), request.scope["path"])


def _sign_in(request: Incoming, next: str | None, error: str | None, status: int, **headers: str) -> Response[str]:
    """The page that signs in; `error` is the name of a sentence."""
    to = own_page(next)
    provider = sign_in_address(to, f"{SIGN_IN}/oidc") if web_of(request).settings.oidc_issuer is not None else None
    sentence = None if error is None else say(f"signin.refused.{error}")
    return page(token_page(provider, sentence, "" if to == CONSOLE else to), status, **headers)


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
