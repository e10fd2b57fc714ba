"""The `source` of events: URI-references, and those that are the program's own."""

import re
from functools import lru_cache
from urllib.parse import unquote

from schemas.event_types import HTTP_SOURCES, OWN_SOURCES
from schemas.lookalikes import skeleton

READ_MOST = 2_048
"""The most characters that are looked at; what is longer is too long and rejected for that."""

_CHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=@{}]|%[0-9A-Fa-f]{{2}})"
_PCHAR, _PLAIN_PCHAR, _QUERY = _CHAR.format(":"), _CHAR.format(""), _CHAR.format(":/?")
_HOST = rf"(?:\[[0-9A-Fa-fv:.\-_~!$&'()*+,;=]+\]|{_PLAIN_PCHAR.replace('@', '')}*)"
_AUTHORITY = rf"//(?:{_PCHAR.replace('@', '')}*@)?{_HOST}(?::[0-9]*)?(?:/{_PCHAR}*)*"
_ROOTED = rf"/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?"
_AUTHORITY_END = re.compile("[/?#]")
_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*:"
_TAIL = rf"(?:\?{_QUERY}*)?(?:\#{_QUERY}*)?"
_URI = re.compile(rf"{_SCHEME}(?:{_AUTHORITY}|{_ROOTED}|(?:{_PCHAR}+(?:/{_PCHAR}*)*)?){_TAIL}")
_HTTP = re.compile(re.escape(HTTP_SOURCES) + "[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_RELATIVE = re.compile(rf"(?:{_AUTHORITY}|{_ROOTED}|(?:{_PLAIN_PCHAR}+(?:/{_PCHAR}*)*)?){_TAIL}")


def is_reference(text: str) -> bool:
    """Whether it is a URI-reference of RFC 3986, and not empty; of what is longer than READ_MOST nothing is said."""
    return len(text) > READ_MOST or _is_reference(text)


@lru_cache(maxsize=1_024)
def _is_reference(text: str) -> bool:
    return bool(text) and (_RELATIVE.fullmatch(text) or _URI.fullmatch(text)) is not None


def is_uri(text: str) -> bool:
    """Whether it is an absolute URI; of what is longer than READ_MOST nothing is said."""
    return len(text) > READ_MOST or _URI.fullmatch(text) is not None


@lru_cache(maxsize=1_024)
def is_reserved(source: str) -> bool:
    """Whether a source is one of the program's own, or cannot be told apart from one: compared as URI-references are.

    >>> is_reserved("//tpp-ledger"), is_reserved("//x@T%50p%2Dledger:80/a"), is_reserved("//wms.example/tpp-ledger")
    (True, True, False)
    """
    if not source.startswith("//"):
        return False
    authority = _AUTHORITY_END.split(source[2:], maxsplit=1)[0]
    while (plain := unquote(authority)) != authority:
        authority = plain
    parts = (authority, authority.rpartition("@")[2])
    return any(skeleton(part).startswith(skeleton(OWN_SOURCES[2:])) for part in parts)


def is_of_http(source: str) -> bool:
    """Whether a source is that of a person or a system which sends over HTTP under its own name.

    >>> is_of_http("//tpp-http/a.one"), is_of_http("//TPP-http/a.one"), is_of_http("//tpp-http/a.one/b")
    (True, False, False)
    """
    return _HTTP.fullmatch(source) is not None
