"""Names as they are compared: in Latin letters, without case, accents and punctuation, as words."""

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii

from schemas.lookalikes import latin

_WORDS = re.compile(r"[a-z0-9]+")
_APART = re.compile(r"\([^()]*\)?|\[[^\[\]]*\]?|/[a-z]{2,4}/?\s*$", re.IGNORECASE)
"""What stands beside a name: in brackets, closed or not, and a registrar's mark such as `/ADR/`."""
_APOSTROPHES = dict.fromkeys(map(ord, "'`´’‘ʹʼ"), None)
_KEPT = 1 << 16


@lru_cache(_KEPT)
def words(name: str) -> tuple[str, ...]:
    """The words of a name, in their order; what stands in brackets only if there is nothing else.

    >>> words("Huawei Technologies Co., Ltd. (a.k.a. HW"), words("J.S.C. «Заря»")
    (('huawei', 'technologies', 'co', 'ltd'), ('jsc', 'zarya'))
    """
    plain = _plain(name)
    return _joined(_WORDS.findall(_APART.sub(" ", plain)) or _WORDS.findall(plain))


def _plain(name: str) -> str:
    """A name in lower case and in letters a to z; letters of other scripts among Latin ones by what they look like."""
    text = unicodedata.normalize("NFKD", name)
    text = "".join(one for one in text if not unicodedata.combining(one)).translate(_APOSTROPHES)
    if any("a" <= one.lower() <= "z" for one in text):
        text = " ".join(latin(word) if _looks_latin(word) else word for word in text.split())
    return anyascii(text).casefold().replace("&", " and ").translate(_APOSTROPHES)


def _looks_latin(word: str) -> bool:
    """Whether a word of a name in Latin letters has letters of another script that all look like Latin ones."""
    others = [one for one in word if one.isalpha() and not one.isascii()]
    return bool(others) and all(latin(one).isascii() for one in others)


def _joined(found: list[str]) -> tuple[str, ...]:
    """Words of which single letters that follow each other are one: `j s c` is `jsc`."""
    made: list[str] = []
    run = ""
    for word in found:
        if len(word) == 1 and word.isalpha():
            run += word
            continue
        made += [run, word] if run else [word]
        run = ""
    return (*made, run) if run else tuple(made)
