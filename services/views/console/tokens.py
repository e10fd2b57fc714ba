"""Who may come in: tokens, who is signed in, and who one is oneself."""

import re
from typing import Any

from ledger.database.store import Connection
from ledger.doors.sessions import Session, open_sessions
from ledger.doors.tokens import Token, find_token_by_id, newest_tokens

PAGE, SESSIONS = 50, 100
"""How many tokens and how many sessions a page lists."""
_ID = re.compile("[A-Za-z0-9]{1,64}")
_PLACE = re.compile(f"([0-9]{{1,18}})-({_ID.pattern})")
Place = tuple[int, str]
"""When a token was made, and its id."""


def token_page(connection: Connection, now: int, before: Place | None, revoked: str) -> dict[str, Any]:
    """Tokens, the newest first, those before a place; who is signed in; `revoked` if that token was."""
    found = newest_tokens(connection, PAGE + 1, before)
    last = found[PAGE - 1] if len(found) > PAGE else None
    token = find_token_by_id(connection, revoked) if _ID.fullmatch(revoked) else None
    return {
        "tokens": [_token(one, now) for one in found[:PAGE]],
        "next": f"{last.created}-{last.id}" if last else None,
        "later": before is not None,
        "revoked": token.id if token is not None and token.revoked is not None else None,
        "sessions": [_session(one) for one in open_sessions(connection, now, SESSIONS)],
    }


def place(text: str) -> Place | None:
    """The place that an address names; None if it names none."""
    found = _PLACE.fullmatch(text)
    return None if found is None else (int(found[1]), found[2])


def _token(one: Token, now: int) -> dict[str, Any]:
    open_ = one.revoked is None and (one.expires is None or one.expires > now)
    state = "is_open" if open_ else "is_expired" if one.revoked is None else "is_revoked"
    return {
        "id": one.id, "name": one.name, "role": one.role, "sources": one.sources, "created": one.created,
        "expires": one.expires, "used": one.last_used, "state": state, "ended": one.revoked or one.expires,
    }  # fmt: skip


def _session(one: Session) -> dict[str, Any]:
    return {"name": one.name, "role": one.role, "since": one.created, "until": one.expires, "token": one.token}
