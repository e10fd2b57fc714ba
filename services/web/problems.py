"""What is wrong with a request, as RFC 9457 (application/problem+json) says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """A kind of problem: its name, which its `type` ends with and which stays, its status, and its title."""

    QUERY_INVALID = "query-invalid", 400, "The query is not valid"
    CURSOR_INVALID = "cursor-invalid", 400, "The cursor is not valid"
    SEQUENCE_AHEAD = "sequence-ahead", 400, "The sequence is not reached yet"
    REQUEST_INVALID = "request-invalid", 400, "The request is not valid"
    TOKEN_MISSING = "token-missing", 401, "A token is needed"
    TOKEN_UNKNOWN = "token-unknown", 401, "The token is not known"
    TOKEN_EXPIRED = "token-expired", 401, "The token has expired"
    TOKEN_REVOKED = "token-revoked", 401, "The token was revoked"
    ROLE_FORBIDDEN = "role-forbidden", 403, "The role may not do this"
    EVENT_FORBIDDEN = "event-forbidden", 403, "The token may not send this event"
    NOT_FOUND = "not-found", 404, "There is nothing here"
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "The method is not allowed"
    REQUEST_TIMEOUT = "request-timeout", 408, "The request did not arrive in time"
    BODY_TOO_LARGE = "body-too-large", 413, "The body is too large"
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported", 415, "The content type is not supported"
    HOST_UNKNOWN = "host-unknown", 421, "The host is not served here"
    RATE_EXCEEDED = "rate-exceeded", 429, "Too many requests"
    HEADERS_TOO_LARGE = "headers-too-large", 431, "The headers are too large"
    INTERNAL = "internal", 500, "The program failed"
    LEDGER_DAMAGED = "ledger-damaged", 500, "The ledger is damaged"
    LEDGER_BUSY = "ledger-busy", 503, "The ledger is busy"
    LEDGER_UNAVAILABLE = "ledger-unavailable", 503, "The ledger does not answer"
    CONNECTIONS_EXCEEDED = "connections-exceeded", 503, "Too many connections are open"
    STOPPING = "stopping", 503, "The server is stopping"

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug, self.status, self.title = slug, status, title


REFUSED = tuple(kind for kind in Kind if kind.status in (401, 403, 429))
"""The problems of which a token, or the lack of one, is the cause."""
LINK_UNKNOWN, LINK_SPENT, PROVIDER_REFUSED = SIGN_INS = ("link-unknown", "link-spent", "provider-refused")
"""What else signs nobody in to the page: a one-time link, or the identity provider's answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one place: a JSON pointer into the request, a code, and a sentence."""

    pointer: str
    code: str
    message: str


class Problem(Exception):
    """A request that is refused: the kind of problem, a sentence, the faulty fields, and headers of the response."""

    def __init__(
        self, kind: Kind, detail: str, errors: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.errors, self.headers = kind, detail, errors, headers or {}

    def body(self, request_id: str) -> bytes:
        """The problem as JSON; `request_id` becomes its `instance`."""
        found: dict[str, Any] = {
            "type": f"/problems/{self.kind.slug}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": request_id,
        }
        if self.errors:
            found["errors"] = [
                {"pointer": one.pointer, "code": one.code, "message": one.message} for one in self.errors
            ]
        return orjson.dumps(found)
