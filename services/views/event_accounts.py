"""Which accounts a published event is about."""

from collections.abc import Mapping
from typing import Any

from schemas.accounts import matches
from services.views.event_lines import accounts_of

__all__ = ["about", "accounts_of"]


def about(event: Mapping[str, Any], pattern: str) -> bool:
    """Whether an event debits, moves, is short of or alerts an account that matches a pattern.

    >>> about({"data": {"account": "lpp/CON-1/2025"}}, "lpp/*")
    True
    """
    return any(matches(pattern, account) for account in accounts_of(event))
