"""What a caller may send and see (docs/contract/http.md, Tokens, roles)."""

from schemas.accounts import matches
from schemas.event_types import OWN_SOURCES
from services.web.access import Caller


def may_use(caller: Caller, source: str) -> bool:
    """Whether a source is the caller's: one of its patterns fits; no pattern reaches the program's own sources."""
    return not source.startswith(OWN_SOURCES) and any(fits(source, pattern) for pattern in caller.sources)


def fits(text: str, pattern: str) -> bool:
    """Whether a text fits a pattern in which `*` stands for any text and all else for itself."""
    return matches(pattern, text)
