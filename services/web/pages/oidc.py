"""Sign-in through the house's identity provider: OpenID Connect, authorization code with PKCE (the extra `oidc`).

State, nonce and code verifier follow from one secret in a signed cookie of ten minutes, so that the answer of the
provider is taken only in the browser that asked, and nothing is kept here meanwhile.
"""

import asyncio
import hmac
import logging
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
from litestar import Request, Response, get

from services.failure import Failure
from services.settings import Settings
from services.views.signin import refusal_page
from services.visible import visible
from services.web.access import Role
from services.web.pages.sessions import (
    CONSOLE,
    SIGN_IN,
    Connected,
    browser_cookie,
    named,
    open_as,
    own_page,
    page,
    page_route,
    redirect,
)
from services.web.problems import PROVIDER_REFUSED, Kind, Problem
from services.web.state import web_of
from services.web.tokens import is_name

log = logging.getLogger("tpp.web")

START, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"
FLOW_SECONDS = 600
"""How long a person may take at the identity provider."""
LEEWAY_SECONDS = 60
"""By how much the clocks of the provider and of this machine may differ."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""The signatures of ID tokens that are taken: none, and those of a shared secret, are not among them."""

_COOKIE = "tpp_oidc"
_WAIT = 10.0
_AT_ONCE = asyncio.Semaphore(16)
"""Anybody may begin to sign in, and each one makes this server ask the provider."""
_SCOPES = ("profile", "email", "groups")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

Incoming = Request[Any, Any, Any]
Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Provider:
    """The identity provider, what this program is there, and which claims give NAME and role.

    `roles`: pairs of a value and the role that it gives, of which the first that a person has counts.
    """

    issuer: str
    client_id: str
    secret: str
    name_claim: str | None
    role_claim: str
    roles: tuple[tuple[str, str], ...]


class NotSignedIn(Exception):
    """Why the identity provider's answer signs nobody in: a sentence for the person, and a status."""

    def __init__(self, sentence: str, status: int = 403) -> None:
        super().__init__(sentence)
        self.sentence, self.status = sentence, status


def provider_of(settings: Settings) -> Provider | None:
    """The identity provider of the settings; None without one. Raises Failure if a part of it is missing or wrong."""
    issuer = settings.oidc_issuer
    if issuer is None:
        return None
    if find_spec("authlib") is None:
        raise Failure("TPP_OIDC_ISSUER needs the extra `oidc`: pip install 'tpp-quota-ledger[oidc]'")
    if not _is_safe(issuer) or {"?", "#"} & set(issuer):
        raise Failure(f"TPP_OIDC_ISSUER {issuer!r} is not an https: address without ? and #, nor http: on loopback")
    if not settings.oidc_client_id:
        raise Failure("TPP_OIDC_ISSUER is set, and TPP_OIDC_CLIENT_ID is not")
    if not settings.oidc_roles:
        raise Failure("TPP_OIDC_ROLES is not set; without it the identity provider signs nobody in")
    return Provider(
        issuer, settings.oidc_client_id, _client_secret(settings), settings.oidc_name_claim, settings.oidc_role_claim,
        settings.oidc_roles,
    )  # fmt: skip


def _client_secret(settings: Settings) -> str:
    given, file = settings.oidc_client_secret, settings.oidc_client_secret_file
    if (given is None) == (file is None):
        raise Failure("set one of TPP_OIDC_CLIENT_SECRET and TPP_OIDC_CLIENT_SECRET_FILE")
    if given is not None:
        secret = given.get_secret_value()
    else:
        try:
            secret = Path(str(file)).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not a text"
            raise Failure(f"cannot read the secret in TPP_OIDC_CLIENT_SECRET_FILE {file}: {why}") from error
    if not secret:
        raise Failure("the secret of TPP_OIDC_CLIENT_SECRET or its file is empty")
    return secret


@get(START, **page_route())
async def start(request: Incoming) -> Response[Any]:
    """Leads a browser to the identity provider."""
    provider = _provider(request)
    now = web_of(request).now() // 1_000_000
    to = own_page(request.query_params.get("next"))
    flow = f"{now}.{secrets.token_urlsafe(32)}" + ("" if to == CONSOLE else f".{_encoded(to.encode())}")
    try:
        async with _asking() as client:
            metadata = await _metadata(client, provider)
    except NotSignedIn as error:
        return _refused(request, error)
    answer = redirect(_authorization_url(provider, metadata, flow, _redirect_uri(request)))
    answer.set_cookie(browser_cookie(request, _COOKIE, f"{flow}.{_signed(request, flow)}", FLOW_SECONDS))
    return answer


@get(CALLBACK, **page_route())
async def callback(request: Incoming) -> Response[Any]:
    """Takes the identity provider's answer, and signs the person in."""
    provider = _provider(request)
    try:
        flow = _flow(request)
        code = _code(provider, _query(request), flow)
        async with _asking() as client:
            claims = await _claims(client, provider, code, flow, _redirect_uri(request), web_of(request).now())
        name, role = _name(provider, claims), _role(provider, claims)
        answer = redirect(_next(flow))
        answer.set_cookie(await open_as(request, name, role))
    except NotSignedIn as error:
        answer = _refused(request, error)
    answer.set_cookie(browser_cookie(request, _COOKIE, "", 0))
    return answer


ROUTES = (start, callback)


def _provider(request: Incoming) -> Provider:
    found = provider_of(web_of(request).settings)
    if found is None:
        raise Problem(Kind.NOT_FOUND, f"There is no route {request.scope['path']}.")
    return found


def _refused(request: Incoming, error: NotSignedIn) -> Response[str]:
    if error.status < 500:
        web_of(request).counted.refused(PROVIDER_REFUSED)
    log.warning("nobody was signed in through the identity provider: %s", error.sentence)
    return page(refusal_page("Not signed in", error.sentence, SIGN_IN), error.status)


def _redirect_uri(request: Incoming) -> str:
    """Where the provider sends the browser back: under `TPP_PUBLIC_URL`, or the host that the browser called."""
    public = web_of(request).settings.public_url
    base = public.rstrip("/") if public else f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    return base + CALLBACK


def _signed(connection: Connected, flow: str) -> str:
    return hmac.new(web_of(connection).signing_key, f"oidc {flow}".encode(), sha256).hexdigest()


def _flow(request: Incoming) -> str:
    """The secret of the sign-in that this browser began; raises NotSignedIn if it began none, or too long ago."""
    flow, _, signature = request.cookies.get(named(request, _COOKIE), "").rpartition(".")
    began, _, _ = flow.partition(".")
    if not hmac.compare_digest(signature.encode(), _signed(request, flow).encode()) or not began.isdecimal():
        raise NotSignedIn("This browser did not begin to sign in, or the server was restarted since. Begin again.", 400)
    if web_of(request).now() // 1_000_000 - int(began) > FLOW_SECONDS:
        raise NotSignedIn("The sign-in took more than 10 minutes. Begin again.", 400)
    return flow


def _derived(flow: str, what: str) -> str:
    """What the provider is told of a sign-in: `state`, `nonce`, or the `verifier` of PKCE, 43 characters."""
    return _encoded(hmac.new(flow.encode(), what.encode(), sha256).digest())


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _next(flow: str) -> str:
    """The page of ours to which a sign-in leads, of which this server has signed the address."""
    text = flow.split(".")[2:]
    return own_page(urlsafe_b64decode(text[0] + "=" * (-len(text[0]) % 4)).decode()) if text else CONSOLE


def _query(request: Incoming) -> dict[str, str]:
    pairs = parse_qsl(request.scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotSignedIn("The address names a value twice. Begin again.", 400)
    return found


def _code(provider: Provider, query: Mapping[str, str], flow: str) -> str:
    """The code in the provider's answer; raises NotSignedIn if it answers another question, or says no."""
    if not hmac.compare_digest(query.get("state", "").encode(), _derived(flow, "state").encode()):
        raise NotSignedIn("The answer belongs to another sign-in than the last one of this browser. Begin again.", 400)
    if query.get("iss", provider.issuer) != provider.issuer:
        raise NotSignedIn("The answer comes from another identity provider.")
    if "error" in query:
        raise NotSignedIn(f"The identity provider signs you in nowhere: {visible(query['error'][:60])}.")
    if not query.get("code"):
        raise NotSignedIn("The answer of the identity provider has no code. Begin again.", 400)
    return query["code"]


def _authorization_url(provider: Provider, metadata: Claims, flow: str, redirect_uri: str) -> str:
    from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]

    known = metadata.get("scopes_supported")
    scopes = [scope for scope in _SCOPES if (scope in known if isinstance(known, list) else scope != "groups")]
    client = OAuth2Client(
        None, client_id=provider.client_id, scope=" ".join(("openid", *scopes)), redirect_uri=redirect_uri,
        code_challenge_method="S256",
    )  # fmt: skip
    state, nonce, verifier = (_derived(flow, what) for what in ("state", "nonce", "verifier"))
    url, _ = client.create_authorization_url(
        metadata["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
    )
    return str(url)


@asynccontextmanager
async def _asking() -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks the provider; raises NotSignedIn if as many as may do so at once ask it already."""
    if _AT_ONCE.locked():
        raise NotSignedIn("Too many people are signing in at this moment. Try again.", 503)
    async with _AT_ONCE, httpx.AsyncClient(timeout=_WAIT, follow_redirects=False) as client:
        yield client


async def _metadata(client: httpx.AsyncClient, provider: Provider) -> Claims:
    """What the provider says of itself (OpenID Connect Discovery 1.0); raises NotSignedIn unless it is the issuer."""
    found = await _asked(client.get(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"))
    if found.get("issuer") != provider.issuer:
        raise NotSignedIn(f"The identity provider calls itself {visible(str(found.get('issuer'))[:200])}.", 502)
    if wrong := [name for name in _ENDPOINTS if not _is_safe(str(found.get(name)))]:
        raise NotSignedIn(f"The identity provider names no https: address as its {wrong[0]}.", 502)
    return found


async def _asked(request: Any) -> dict[str, Any]:
    """The JSON object with which the provider answers; raises NotSignedIn if it does not answer with one."""
    try:
        answer: httpx.Response = await request
        found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        log.warning("the identity provider failed: %s: %s", type(error).__name__, error)
        raise NotSignedIn("The identity provider does not answer. Try again later.", 502) from error
    if answer.status_code != httpx.codes.OK or not isinstance(found, dict):
        why = visible(str(found.get("error", ""))[:60]) if isinstance(found, dict) else ""
        raise NotSignedIn(f"The identity provider refuses: status {answer.status_code} {why}".rstrip() + ".")
    return found


async def _claims(
    client: httpx.AsyncClient, provider: Provider, code: str, flow: str, redirect_uri: str, now: int
) -> Claims:
    """The claims of the person, of a verified ID token, and of the provider's userinfo where they are not all in it."""
    metadata = await _metadata(client, provider)
    body = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
        "code_verifier": _derived(flow, "verifier"), "client_id": provider.client_id,
    }  # fmt: skip
    methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    auth = httpx.Auth()
    if "client_secret_basic" in methods:
        auth = httpx.BasicAuth(quote(provider.client_id, safe=""), quote(provider.secret, safe=""))
    else:
        body["client_secret"] = provider.secret
    given = await _asked(client.post(str(metadata["token_endpoint"]), data=body, auth=auth))
    keys = await _asked(client.get(str(metadata["jwks_uri"])))
    access = found if isinstance(found := given.get("access_token"), str) else None
    id_token, nonce = str(given.get("id_token", "")), _derived(flow, "nonce")
    claims = _verified(provider, id_token, keys, nonce, access, now // 1_000_000)
    endpoint = str(metadata.get("userinfo_endpoint", ""))
    if (_found_name(provider, claims) and _found(claims, provider.role_claim)) or not access or not _is_safe(endpoint):
        return claims
    more = await _asked(client.get(endpoint, headers={"Authorization": f"Bearer {access}"}))
    if more.get("sub") != claims["sub"]:
        raise NotSignedIn("The identity provider tells of another person than it signed in.")
    return {**more, **claims}


def _verified(provider: Provider, id_token: str, keys: Claims, nonce: str, access: str | None, now: int) -> Claims:
    """The claims of an ID token; raises NotSignedIn unless it is signed by the provider, for us, now, and our question.

    `now` is in seconds since 1970 (UTC).
    """
    from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
    from joserfc.jwt import decode

    wanted = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
        "nonce": {"essential": True, "value": nonce},
    }
    told = {"nonce": nonce, "client_id": provider.client_id, "access_token": access}
    try:
        token = decode(id_token, KeySet.import_key_set({"keys": keys["keys"]}), algorithms=ALGORITHMS)
        claims = CodeIDToken(token.claims, token.header, wanted, told)
        claims.validate(now, LEEWAY_SECONDS)
    except (JoseError, LookupError, TypeError, ValueError, AttributeError) as error:
        log.warning("the ID token was refused: %s: %s", type(error).__name__, visible(str(error)[:200]))
        raise NotSignedIn("The identity provider's ID token is not valid here; the server's log says why.") from error
    return dict(claims)


def _name(provider: Provider, claims: Claims) -> str:
    found = _found_name(provider, claims)
    if found is None:
        claim = provider.name_claim or "preferred_username, nor a verified email"
        raise NotSignedIn(f"The identity provider gives you no {claim}, which would be your name here.")
    if not is_name(found):
        raise NotSignedIn(
            f"{visible(found[:80])!r} cannot be a name here; "
            "names have 1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or a digit."
        )
    return found


def _found_name(provider: Provider, claims: Claims) -> str | None:
    """The claim that is the person's NAME; an `email` counts unless the provider says that it is not verified."""
    for claim in (provider.name_claim,) if provider.name_claim else ("preferred_username", "email"):
        value = _found(claims, claim)
        if isinstance(value, str) and value and (claim != "email" or claims.get("email_verified", True) is True):
            return value
    return None


def _role(provider: Provider, claims: Claims) -> Role:
    value = _found(claims, provider.role_claim)
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    for wanted, role in provider.roles:
        if wanted in values:
            return Role(role)
    raise NotSignedIn(f"You have no role here: your {provider.role_claim} at the identity provider has none of ours.")


def _found(claims: Claims, name: str) -> Any:
    """A claim by its name, or by its path through objects, such as `realm_access.roles`; None if it is not there."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _is_safe(address: str) -> bool:
    """Whether an address is https:, or http: on this machine, and names no user."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
