"""Tokens, for administrators, and the session of who is signed in. None of it is an event of the journal."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from litestar import Response, get, post

from ledger.database.store import Connection
from ledger.doors.sessions import end_sessions, find_session
from ledger.doors.tokens import revoke_token
from services.failure import Failure
from services.views.console.ask import shown_text
from services.views.console.look.words import say
from services.views.console.tokens import place, token_page
from services.views.moments import instant
from services.web.access import Role, caller_of
from services.web.console.acts import Mend, NotSent, fields_of, refused
from services.web.console.frame import ALL, EVENT_ID, Incoming, Missing, Values, address, show
from services.web.pages.sessions import LINK_ROLES, SIGN_IN, link_of_form, no_cookie, redirect, signed_in, written
from services.web.pages.sessions import session_digest as digest_of_session
from services.web.state import Web, web_of
from services.web.tokens import PATTERN_MOST, id_in, is_name, is_pattern, token_of_form

log = logging.getLogger("tpp.web")

PAGE, ME = "/console/tokens", "/console/me"
MOST_BODY = 65_536
MOST_SOURCES = 50
_ADMIN = frozenset({Role.ADMIN})
_MAKING: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
_EMPTY = {"name": "", "role": "monitor", "sources": "", "expires": "", "link_name": "", "link_role": "monitor"}


class Made(NamedTuple):
    """A token or a link that is shown once: its title, a sentence, and itself."""

    title: str
    sentence: str
    text: str


class Asked(NamedTuple):
    """A token that a form asks for."""

    name: str
    role: Role
    sources: tuple[str, ...]
    expires: int | None


@get(PAGE, **signed_in(_ADMIN))
async def show_tokens(request: Incoming) -> Response[str]:
    """The tokens, the newest first, and who is signed in."""
    return await _show(request)


@post(PAGE, request_max_body_size=MOST_BODY, status_code=200, **signed_in(_ADMIN))
async def make(request: Incoming) -> Response[str]:
    """Makes a token, and shows it; of a form that is sent twice it is one token."""
    web = web_of(request)
    try:
        fields = await fields_of(request)
        asked = _asked(fields, web.now())
        text = await _made(request, fields, asked)
    except NotSent as error:
        return await refused(request, error, "tokens")
    except Mend as mend:
        return await _show(request, errors=mend.errors, given=fields)
    title = say("tokens.made_title", person=asked.name, role=str(asked.role))
    return await _show(request, made=Made(title, say("tokens.made"), text))


@post(f"{PAGE}/revoke", request_max_body_size=MOST_BODY, status_code=303, **signed_in(_ADMIN))
async def revoke(request: Incoming) -> Response[str]:
    """Revokes a token for good."""
    web = web_of(request)
    try:
        fields = await fields_of(request)
    except NotSent as error:
        return await refused(request, error, "tokens")
    id = fields.get("id", "")
    if "\0" in id or not await written(revoke_token, web.store, id, web.now()):
        return await _unknown(request, id)
    log.info("%s revoked token %s", caller_of(request).name, id)
    return redirect(address(PAGE, revoked=id))


@post(f"{PAGE}/link", request_max_body_size=MOST_BODY, status_code=200, **signed_in(_ADMIN))
async def link(request: Incoming) -> Response[str]:
    """Makes a link that signs a person in once, and shows it; of a form that is sent twice it is one link."""
    web = web_of(request)
    try:
        fields = await fields_of(request)
        form = _form(request, fields)
    except NotSent as error:
        return await refused(request, error, "tokens")
    name, role = fields.get("name", ""), fields.get("role", "")
    errors = [] if is_name(name) else [("link-name", say("tokens.error.name", text=name[:PATTERN_MOST]))]
    if role not in LINK_ROLES:
        errors.append(("link-role", say("tokens.error.role")))
    if errors:
        return await _show(request, errors=errors, given={"link_name": name, "link_role": role})
    base = web.settings.public_url or f"{request.scope['scheme']}://{request.headers.get('host', '')}"
    async with _MAKING.setdefault(form, asyncio.Lock()):
        text = await written(link_of_form, web.store, web.signing_key, form, Role(role), name, base, web.now())
    if text is None:
        given = {"link_name": name, "link_role": role}
        return await _show(request, errors=[("link-name", say("tokens.error.link_gone"))], given=given)
    log.info("%s made a link for %s, %s", caller_of(request).name, name, role)
    title = say("tokens.link_title", person=name, role=role)
    return await _show(request, made=Made(title, say("tokens.link_made"), text))


@post(f"{PAGE}/sign-out", request_max_body_size=MOST_BODY, status_code=303, **signed_in(_ADMIN))
async def end(request: Incoming) -> Response[str]:
    """Ends every session of a person."""
    try:
        fields = await fields_of(request)
    except NotSent as error:
        return await refused(request, error, "tokens")
    name = fields.get("name", "")
    ended = await written(end_sessions, web_of(request).store, name) if is_name(name) else 0
    log.info("%s ended %d sessions of %s", caller_of(request).name, ended, name if is_name(name) else "nobody")
    return redirect(address(PAGE, ended=name if is_name(name) else None, n=ended))


@get(ME, **signed_in(ALL))
async def show_me(request: Incoming) -> Response[str]:
    """Who is signed in, until when, and how to sign out everywhere."""
    web, digest = web_of(request), digest_of_session(request)

    def build(connection: Connection) -> Values:
        found = find_session(connection, digest, web.now())
        if found is None:
            raise Missing(say("signin.ended.title"))
        return {"until": found.expires, "token": found.token, "sources": found.sources}

    return await show(request, "me", build, at="me")


@post(f"{ME}/sign-out", request_max_body_size=MOST_BODY, status_code=303, **signed_in(ALL))
async def sign_out_everywhere(request: Incoming) -> Response[str]:
    """Ends every session of the person who is signed in."""
    try:
        await fields_of(request)
    except NotSent as error:
        return await refused(request, error, "me")
    name = caller_of(request).name
    log.info("%s signed out everywhere: %d sessions", name, await written(end_sessions, web_of(request).store, name))
    answer = redirect(SIGN_IN)
    answer.set_cookie(no_cookie(request))
    return answer


ROUTES: tuple[Any, ...] = (show_tokens, make, revoke, link, end, show_me, sign_out_everywhere)


async def _show(
    request: Incoming, *, made: Made | None = None, errors: Sequence[tuple[str, str]] = (),
    given: Mapping[str, str] = {}, status: int | None = None,
) -> Response[str]:  # fmt: skip
    web, query = web_of(request), request.query_params
    before = place(query.get("before") or "")
    ended = query.get("ended") or ""
    count = query.get("n") or ""
    shown = (int(count), ended) if is_name(ended) and count.isascii() and count.isdecimal() and len(count) < 7 else None
    fields = _EMPTY | {name: value for name, value in given.items() if name in _EMPTY}

    def build(connection: Connection) -> Values:
        return {
            **token_page(connection, web.now(), before, query.get("revoked") or ""),
            "made": made, "ended": shown, "every_role": [str(role) for role in Role],
            "link_roles": [str(role) for role in LINK_ROLES],
            "given": {**fields, "sources": shown_text(fields["sources"])},
        }  # fmt: skip

    code = status or (422 if errors else 200)
    return await show(request, "tokens", build, at="tokens", errors=errors, status=code)


async def _unknown(request: Incoming, id: str) -> Response[str]:
    sentence = say("tokens.error.unknown", id=id_in(id) or id[:PATTERN_MOST])
    return await _show(request, errors=[("list", sentence)], status=404)


async def _made(request: Incoming, fields: Mapping[str, str], asked: Asked) -> str:
    """The token that a form makes; raises Mend if it has made another one before, NotSent without an id of a form."""
    web = web_of(request)
    form = _form(request, fields)
    async with _MAKING.setdefault(form, asyncio.Lock()):
        text = await written(_make, web, form, asked)
    if text is None:
        raise Mend([("name", say("tokens.error.gone"))])
    log.info("%s made token %s for %s, %s", caller_of(request).name, id_in(text), asked.name, asked.role)
    return text


def _form(request: Incoming, fields: Mapping[str, str]) -> str:
    """The id of a form and of the session in which it is sent; raises NotSent without one."""
    if EVENT_ID.fullmatch(fields.get("event_id", "")) is None:
        raise NotSent(say("frame.refused.title"), say("frame.refused.foreign"), 400)
    return f"{digest_of_session(request)} {fields['event_id']}"


def _make(web: Web, form: str, asked: Asked) -> str | None:
    return token_of_form(
        web.store, web.signing_key, form, asked.role, asked.name, asked.sources, asked.expires, web.now()
    )


def _asked(fields: Mapping[str, str], now: int) -> Asked:
    """The token that a form asks for; raises Mend for what cannot be."""
    name, role, text = (fields.get(member, "") for member in ("name", "role", "expires"))
    sources = tuple(dict.fromkeys(filter(None, map(str.strip, fields.get("sources", "").splitlines()))))
    errors: list[tuple[str, str]] = []
    if not is_name(name):
        errors.append(("name", say("tokens.error.name", text=name[:PATTERN_MOST])))
    if role not in list(Role):
        errors.append(("role", say("tokens.error.role")))
    if role == Role.PUBLISHER and not sources:
        errors.append(("sources", say("tokens.error.source_missing")))
    if len(sources) > MOST_SOURCES:
        errors.append(("sources", say("tokens.error.many", most=MOST_SOURCES)))
    errors += [("sources", sentence) for one in sources[:MOST_SOURCES] if (sentence := _wrong(one))]
    expires = None
    try:
        expires = instant(text or None)
        if expires is not None and expires <= now:
            errors.append(("expires", say("tokens.error.past", text=text)))
    except Failure:
        errors.append(("expires", say("tokens.error.expires", text=text[:64])))
    if errors:
        raise Mend(errors)
    return Asked(name, Role(role), sources, expires)


def _wrong(source: str) -> str:
    if not is_pattern(source):
        return say("tokens.error.source", text=source[:PATTERN_MOST])
    return say("tokens.error.source_reserved", text=source) if source.startswith("//tpp-") else ""
