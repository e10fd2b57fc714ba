"""Who is signed in to the page: one-time links, the cookie of a session, and the forms that only its pages may send.

The cookie is SameSite=Lax: a link in a mail leads to the page that it names, and the identity provider back to ours.
GET changes nothing, and what POSTs is looked at twice: by where the request comes from, and by a token in the form.
"""

import hmac
import logging
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from anyio import CapacityLimiter, to_thread
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import BaseRouteHandler

from ledger.database.store import DatabaseError, LedgerError, Store, database_message
from ledger.doors.sessions import (
    Link,
    Session,
    add_link,
    find_link,
    find_session,
    has_tokens,
    open_session,
    use_link,
)
from ledger.doors.tokens import digest_of
from services.settings import Settings
from services.views.console.look.words import say
from services.views.signin import CONTENT_POLICY, refusal_page
from services.web.access import CALLER, Caller, Role
from services.web.state import LINK, Web, web_of

log = logging.getLogger("tpp.web")

LINK_SECONDS = 15 * 60
"""How long a one-time link is valid."""
SESSION_SECONDS = 12 * 3600
"""After which a session ends, whatever is done with it: a working day."""
LINK_ROLES = (Role.MONITOR, Role.REVIEWER, Role.FINANCE, Role.ADMIN)
"""The roles of people. A publisher is bound to sources, which a link cannot name, and a calendar opens no page."""
CONSOLE, SIGN_IN, SIGN_OUT = "/console/", "/sign-in", "/sign-out"

_OURS = re.compile(r"/console(?:/[\w.~!$&'()*+,;=:@%/-]*)?(?:\?[\w.~!$&'()*+,;=:@%/?-]*)?", re.ASCII)
_LONGEST = 1_000
_ANY = ("", "0.0.0.0", "[::]")  # noqa: S104  listening to all, which is no address to call
_MICRO = 1_000_000
_SESSION = "tpp_session"
_PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20

_READS, _WRITES = CapacityLimiter(2), CapacityLimiter(2)
"""How many threads read the ledger for the pages at once, and how many write, for which they wait for its lock."""

Connected = ASGIConnection[Any, Any, Any, Any]
Given = TypeVarTuple("Given")
Found = TypeVar("Found")


class SignInNeeded(Exception):
    """Nobody is signed in; the answer leads to the page that signs in."""


class RoleRefused(Exception):
    """The role of who is signed in does not open the page."""


async def asked(question: Callable[[*Given], Found], *given: *Given) -> Found:
    """What the ledger answers to a question, which is put in a thread."""
    return await to_thread.run_sync(question, *given, limiter=_READS)


async def written(change: Callable[[*Given], Found], *given: *Given) -> Found:
    """What a change of the ledger returns, made in a thread; the few that wait for its lock hold up no read."""
    return await to_thread.run_sync(change, *given, limiter=_WRITES)


def page(html: str, status: int = 200, **headers: str) -> Response[str]:
    """A page as the answer to a request, with the headers of every page."""
    return Response(html, status_code=status, media_type="text/html", headers=_PAGE_HEADERS | headers)


def redirect(path: str) -> Response[str]:
    """An answer that leads to another page, which is fetched by GET."""
    return page("", 303, Location=path)


def own_page(address: str | None) -> str:
    """The address of a page of ours, to which people are led once they have signed in; CONSOLE for any other.

    >>> own_page("/console/holds/SHP-1?answer=a"), own_page("//elsewhere.example"), own_page("/console/../v1/holds")
    ('/console/holds/SHP-1?answer=a', '/console/', '/console/')
    """
    given = address or ""
    ours = len(given) <= _LONGEST and _OURS.fullmatch(given) and ".." not in unquote(given.partition("?")[0]).split("/")
    return given if ours else CONSOLE


def sign_in_address(page: str, at: str = SIGN_IN) -> str:
    """The address that signs in and then leads to a page of ours."""
    return at if own_page(page).rstrip("/") == CONSOLE.rstrip("/") else f"{at}?next={quote(page, safe='/')}"


def page_route() -> dict[str, Any]:
    """The options of every route of a page: a page tells a failure of the ledger's database, and no log the address."""
    handlers = {DatabaseError: _busy, LedgerError: _busy, RequestEntityTooLarge: _too_large}
    return {"include_in_schema": False, "exception_handlers": handlers}


def signed_in(allowed: Collection[Role]) -> dict[str, Any]:
    """The options of a page for which a person must be signed in, in one of these roles.

    `@get("/console/holds", **signed_in(READERS))`; the handler finds its caller by `caller_of`, and a page that streams
    asks `access.is_open` every few seconds. Who is not signed in is led to the page that signs in (303), another role
    is refused by a page (403).
    """
    options = page_route()
    handlers = options["exception_handlers"] | {SignInNeeded: _to_sign_in, RoleRefused: _refused}
    return options | {"guards": [_guard], "opt": {"roles": frozenset(allowed)}, "exception_handlers": handlers}


async def session_of(connection: Connected) -> Session | None:
    """The open session whose cookie comes with a request; None without one."""
    secret = _secret(connection)
    if not secret:
        return None
    web = web_of(connection)
    return await asked(_find, web.store, digest_of(secret), web.now())


def form_token(connection: Connected) -> str:
    """What every form of a page carries in its field `form`: it follows from the session, and nobody else knows it."""
    return hmac.new(_secret(connection).encode(), b"form", sha256).hexdigest()


async def posted(request: Request[Any, Any, Any], *, empty: bool = False) -> dict[str, str] | None:
    """The fields of a form that one of our pages has sent; None if it came from elsewhere or is malformed.

    `empty`: whether it may have no content, and no type then.
    """
    if not is_from_here(request):
        return None
    text = (await request.body()).decode("utf-8", "replace")
    if not text and empty:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return None
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        return None
    return dict(fields) if len(dict(fields)) == len(fields) else None


async def posted_in_session(request: Request[Any, Any, Any]) -> dict[str, str] | None:
    """As `posted`, of a page for which a person is signed in: the form must carry the token of the session."""
    fields = await posted(request)
    return fields if fields is not None and is_of_session(request, fields) else None


def is_of_session(request: Request[Any, Any, Any], fields: Mapping[str, str]) -> bool:
    """Whether the fields of a form carry the token of the session in which it is sent."""
    given = fields.get("form", "").encode()
    return bool(_secret(request)) and hmac.compare_digest(given, form_token(request).encode())


async def open_by_link(request: Request[Any, Any, Any], link: str) -> Cookie | None:
    """The cookie of the session that a link opens, which is used up by it; None if it opens none any more."""
    web, secret = web_of(request), _new_secret()
    now = web.now()
    opened = await written(
        use_link, web.store, digest_of(link), digest_of(secret), now + SESSION_SECONDS * _MICRO, now, _replaced(request)
    )
    if opened is None:
        return None
    log.info("%s signed in as %s by a one-time link", opened.name, opened.role)
    return _cookie(request, secret, SESSION_SECONDS)


async def open_as(
    request: Request[Any, Any, Any], name: str, role: Role, sources: tuple[str, ...] = (), token: str | None = None,
    until: int | None = None,
) -> Cookie:  # fmt: skip
    """The cookie of a new session; `token` is the id of the token that opens it, `until` when that one expires."""
    web, secret = web_of(request), _new_secret()
    now = web.now()
    expires = min(now + SESSION_SECONDS * _MICRO, until or now + SESSION_SECONDS * _MICRO)
    session = Session(name, role, sources, token, now, expires)
    await written(open_session, web.store, session, digest_of(secret), _replaced(request))
    log.info("%s signed in as %s by %s", name, role, f"token {token}" if token else "the identity provider")
    return _cookie(request, secret, (expires - now) // _MICRO)


def no_cookie(request: Connected) -> Cookie:
    """What takes the cookie of a session away."""
    return _cookie(request, "", 0)


def named(connection: Connected, name: str) -> str:
    """A cookie's name as it is sent here: with `__Host-` where it is Secure, so that no other host can set it."""
    return f"__Host-{name}" if is_secure(connection) else name


def is_secure(connection: Connected) -> bool:
    """Whether people come by HTTPS: to this server, or to the proxy at `TPP_PUBLIC_URL`."""
    public = web_of(connection).settings.public_url or ""
    return connection.scope["scheme"] == "https" or public.lower().startswith("https:")


def session_digest(connection: Connected) -> str:
    """The digest of the session whose cookie comes with a request."""
    return digest_of(_secret(connection))


def new_link(store: Store, role: Role, name: str, base: str, now: int) -> str:
    """A new one-time link under an address, valid for 15 minutes; the ledger keeps its SHA-256."""
    secret = _new_secret()
    add_link(store, Link(name, role, now, now + LINK_SECONDS * _MICRO), digest_of(secret))
    return _link_address(base, secret)


def link_of_form(store: Store, key: bytes, form: str, role: Role, name: str, base: str, now: int) -> str | None:
    """As `new_link`, of a form that may be sent twice: then it is the same link, valid from the first time on.

    It follows from the form's id, `form`, and a secret `key` of this process. None, and nothing is made, if the form
    has made a link for another person or role, or one that is used or has expired.
    """
    mac = hmac.new(key, f"link {form}".encode(), sha256).digest()
    secret = urlsafe_b64encode(mac).rstrip(b"=").decode()
    if not add_link(store, Link(name, role, now, now + LINK_SECONDS * _MICRO), digest_of(secret)):
        with store.read() as connection:
            found = find_link(connection, digest_of(secret))
        if found is None or (found.name, found.role) != (name, role) or found.used or found.expires <= now:
            return None
    return _link_address(base, secret)


def _link_address(base: str, secret: str) -> str:
    return f"{base.rstrip('/')}{LINK}{secret}"


def first_link(web: Web, address: str) -> str | None:
    """A link for an administrator named `admin`, while the ledger has no token; None otherwise, and if it is read-only.

    `address` is where the server listens, such as `http://127.0.0.1:8080`; `TPP_PUBLIC_URL` takes its place.
    """
    with web.store.read() as connection:
        if web.store.read_only or has_tokens(connection):
            return None
    return new_link(web.store, Role.ADMIN, "admin", web.settings.public_url or _called(address), web.now())


def base_address(settings: Settings) -> str:
    """The address under which the settings say that people reach the page."""
    if settings.public_url:
        return settings.public_url
    return _called(f"http://{settings.listen}")


def _called(address: str) -> str:
    """An address that a browser on this machine can call, of one on which a server listens."""
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    return f"{scheme}://{'127.0.0.1' if host in _ANY else host}:{port}"


async def _guard(connection: Connected, handler: BaseRouteHandler) -> None:
    session = await session_of(connection)
    if session is None:
        raise SignInNeeded
    role = Role(session.role)
    if role not in handler.opt["roles"]:
        raise RoleRefused(role)
    digest = session_digest(connection)
    of = session.token or f"session-{digest[:12]}"
    connection.scope["state"][CALLER] = Caller(of, session.name, role, session.sources, digest)


def _to_sign_in(request: Request[Any, Any, Any], _: Exception) -> Response[str]:
    """Leads to the page that signs in, and from there back; a form that came too late is told to have sent nothing."""
    path = request.scope["path"]
    if request.method in ("GET", "HEAD"):
        query = request.scope["query_string"].decode("ascii", "replace")
        return redirect(sign_in_address(quote(path) + (f"?{query}" if query else "")))
    if path == SIGN_OUT:
        return redirect(SIGN_IN)
    back = sign_in_address("/".join(path.split("/")[:3]))
    html = refusal_page(say("signin.ended.title"), say("signin.ended.sentence"), back)
    return page(html, 401, **{"WWW-Authenticate": "Bearer"})


def _refused(_: Request[Any, Any, Any], error: Exception) -> Response[str]:
    return page(
        refusal_page(say("signin.refused.role_title"), say("signin.refused.role", role=str(error)), CONSOLE), 403
    )


def _busy(_: Request[Any, Any, Any], error: Exception) -> Response[str]:
    log.error("a page was not shown: %s", database_message(error) if isinstance(error, DatabaseError) else error)
    return page(refusal_page(say("signin.refused.busy_title"), say("signin.refused.busy"), CONSOLE), 503)


def _too_large(_: Request[Any, Any, Any], __: Exception) -> Response[str]:
    return page(refusal_page(say("signin.refused.large_title"), say("signin.refused.large"), CONSOLE), 413)


def _find(store: Store, digest: str, now: int) -> Session | None:
    with store.read() as connection:
        return find_session(connection, digest, now)


def is_from_here(request: Connected) -> bool:
    """Whether a browser says that one of our pages sends this, or no browser does.

    `Sec-Fetch-Site` comes first: under `Referrer-Policy: no-referrer` a browser writes `Origin: null`.
    """
    headers: Mapping[str, str] = request.headers
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    ours = {headers.get("host", "").lower(), urlsplit(web_of(request).settings.public_url or "").netloc.lower()}
    return origin is None or (urlsplit(origin).netloc.lower() or "null") in ours - {""}


def _secret(connection: Connected) -> str:
    return connection.cookies.get(named(connection, _SESSION), "")


def _replaced(request: Connected) -> str | None:
    return session_digest(request) if _secret(request) else None


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _cookie(request: Connected, secret: str, seconds: int) -> Cookie:
    return browser_cookie(request, _SESSION, secret, seconds)


def browser_cookie(request: Connected, name: str, value: str, seconds: int) -> Cookie:
    """A cookie that no script reads and no other site sends, for a number of seconds; 0 takes it away."""
    return Cookie(
        key=named(request, name), value=value, max_age=seconds, path="/", secure=is_secure(request), httponly=True,
        samesite="lax",
    )  # fmt: skip
