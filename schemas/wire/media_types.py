"""Media types as RFC 2045 writes them: one reading for `datacontenttype` and for the headers of messages."""

import re
from collections.abc import Iterator

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\\r\n]|\\[^\r\n])*"'
_NAMED = rf"{_WORD}[ \t]*=[ \t]*(?:{_WORD}|{_QUOTED})"
_TYPE = re.compile(rf"[ \t]*({_WORD}/{_WORD})[ \t]*((?:;[ \t]*(?:{_NAMED}[ \t]*)?)*)")
_PARAMETER = re.compile(rf"({_WORD})[ \t]*=[ \t]*({_WORD}|{_QUOTED})")
_UTF_8 = ("utf-8", "us-ascii")


def media_type(text: str) -> tuple[str, dict[str, str]] | None:
    """The type in lower case, and its parameters by name in lower case, unquoted; None if it is not a media type.

    >>> media_type('Application/JSON; Charset="UTF-8"')
    ('application/json', {'charset': 'UTF-8'})
    >>> media_type("json")
    """
    found = _TYPE.fullmatch(text)
    if found is None:
        return None
    return found[1].lower(), dict(_parameters(found[2]))


def parameters(text: str) -> list[tuple[str, str]]:
    """The parameters of a media type as they stand, repeated ones too: name in lower case, and value, unquoted.

    >>> parameters('text/plain; charset=latin-1; Charset="utf-8"')
    [('charset', 'latin-1'), ('charset', 'utf-8')]
    """
    found = _TYPE.fullmatch(text)
    return [] if found is None else list(_parameters(found[2]))


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    return ((name.lower(), _unquoted(value)) for name, value in _PARAMETER.findall(text))


def is_json(text: str) -> bool:
    """Whether it is JSON in UTF-8, whatever its other parameters.

    >>> is_json("application/json ; charset=utf-8"), is_json("application/json; charset=latin-1")
    (True, False)
    """
    found = media_type(text)
    return found is not None and found[0] == "application/json" and found[1].get("charset", "utf-8").lower() in _UTF_8


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
