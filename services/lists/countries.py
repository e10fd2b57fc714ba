"""Countries as lists write them, read to ISO 3166-1 alpha-2."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pycountry

_JOINED = (re.compile(r"[;|/\n]"), re.compile(r",|&|\band\b", re.IGNORECASE))
"""What stands between countries: never within a name, and sometimes."""


def read_countries(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The codes of the countries that a text names, and the parts of it that name none.

    A code of two or three letters is read as well as a name. Several names may be joined.

    >>> read_countries("Burma; Crimea Region of Ukraine; Korea (Republic of)")
    (frozenset({'KR', 'MM', 'UA'}), ())
    >>> read_countries("Middle East Region")
    (frozenset(), ('Middle East Region',))
    """
    codes: set[str] = set()
    unread: list[str] = []
    for part in _parts(text, _JOINED[:1]):
        found = _codes(part)
        codes |= found
        if not found:
            unread.append(part)
    return frozenset(codes), tuple(unread)


def country_of(text: str) -> str | None:
    """The code of the country that a text is the name or the code of; None where it is neither."""
    return _names().get(_plain(text))


def _codes(text: str) -> set[str]:
    """The codes of one country, or of several whose names are joined; none unless all are read."""
    whole = country_of(text)
    if whole:
        return {whole}
    found = [country_of(part) for part in _parts(text, _JOINED)]
    return {one for one in found if one} if all(found) else set()


def _parts(text: str, joined: Iterable[re.Pattern[str]]) -> Iterator[str]:
    parts = [text]
    for pattern in joined:
        parts = [piece for part in parts for piece in pattern.split(part)]
    return filter(None, (" ".join(part.split()) for part in parts))


def _plain(name: str) -> str:
    """A name without case, accents, punctuation and the article.

    >>> _plain("Philippines (the)"), _plain("Türkiye"), _plain("People’s Republic of China")
    ('philippines', 'turkiye', 'peoples republic of china')
    """
    letters = (one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    bare = re.sub("['’`.]", "", "".join(letters).casefold().replace("&", " and "))
    return " ".join("saint" if word == "st" else word for word in re.split(r"[\W_]+", bare) if word not in ("", "the"))


@cache
def _names() -> dict[str, str]:
    """The codes by plain name: ISO's own names and codes, then those of countries.toml."""
    found: dict[str, str] = {}
    for country in pycountry.countries:
        names = (getattr(country, one, None) for one in ("alpha_2", "alpha_3", "name", "official_name", "common_name"))
        found |= {_plain(one): country.alpha_2 for one in names if one}
    others = tomllib.loads(Path(__file__).with_name("countries.toml").read_text("utf-8"))["names"]
    return found | {_plain(name): code for name, code in others.items()}
