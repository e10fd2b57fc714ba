"""Names of companies as they are compared: without case, punctuation and legal form."""

import re
import unicodedata
from functools import lru_cache

_WORDS = re.compile(r"\w+")
_BRACKETS = re.compile(r"\(([^()]*)\)")


@lru_cache(maxsize=4096)
def keys(name: str) -> frozenset[str]:
    """What a company's name is compared by: the name itself and a short form given in brackets.

    >>> sorted(keys("International Business Machines Corporation (IBM)"))
    ['ibm', 'international business machines']
    >>> keys("NVIDIA Corp.") == keys("Nvidia Corporation")
    True
    """
    forms = [_BRACKETS.sub(" ", name), *_BRACKETS.findall(name)]
    return frozenset(key for form in forms if (key := _key(form)))


def _key(name: str) -> str:
    from cleanco import basename

    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    words = _WORDS.findall(str(basename(plain.strip())).casefold()) or _WORDS.findall(plain.casefold())
    if len(words) > 1 and words[0] == "the":
        del words[0]
    return " ".join(words)
