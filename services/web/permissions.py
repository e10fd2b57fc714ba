"""What a caller may send and see (docs/contract/http.md, Tokens, roles)."""

from schemas.accounts import matches
from schemas.event_types import OWN_SOURCES


def fits(pattern: str, source: str) -> bool:
    """Whether a source fits a pattern of a token, in which `*` stands for any text; no pattern reaches our own ones."""
    return not source.startswith(OWN_SOURCES) and matches(pattern, source)
