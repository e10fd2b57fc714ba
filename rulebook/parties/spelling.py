"""Names as they are compared: in Latin letters, without case, accents and punctuation, as words."""

import re
import unicodedata
from collections.abc import Iterator

from anyascii import anyascii

from rulebook.parties.vocabulary import NATIVE_FORMS, STREET_WORDS
from schemas.lookalikes import latin

_WORDS = re.compile(r"[a-z0-9]+")
_ASIDE = re.compile(r"\([^()]*\)?|\[[^\[\]]*\]?")
"""What stands beside a name in brackets, closed or not."""
_MARK = re.compile(r"/[a-z]{2,4}/?$")
"""A registrar's mark at the end, such as `/ADR/`."""
_ALSO = re.compile(r"\b(?:a\.?k\.?a|f\.?k\.?a|n\.?k\.?a)\b\.?|\b(?:also|formerly|now) known as\b", re.IGNORECASE)
"""What comes before another name of the same party."""
_APOSTROPHES = dict.fromkeys(map(ord, "'`´’‘ʹʼ"), None)


def words(name: str) -> tuple[str, ...]:
    """The words of a name, in their order; what stands in brackets only if there is nothing else; signs likewise.

    >>> words("Huawei Technologies Co., Ltd. (a.k.a. HW"), words("J.S.C. «Заря»")
    (('huawei', 'technologies', 'co', 'ltd'), ('jsc', 'zarya'))
    """
    plain = latin_text(name)
    found = _split(_MARK.sub(" ", _ASIDE.sub(" ", plain).rstrip())) or _split(plain)
    return found or tuple(name.casefold().split())


def spellings(name: str) -> tuple[tuple[str, ...], ...]:
    """The words of each name that a name holds.

    They are itself, without and with what stands in brackets; what it is also known as; and itself without an address.

    >>> spellings("Power Plant, 5 Main Road, Kabul")
    (('power', 'plant', '5', 'main', 'road', 'kabul'), ('power', 'plant'))
    >>> spellings("Zarya (India) Ltd.")
    (('zarya', 'ltd'), ('zarya', 'india', 'ltd'))
    """
    found = [words(name)]
    first, *others = _ALSO.split(name)
    if others:
        found += [words(first), *(words(other.strip(" ,.:;()")) for other in others)]
    else:
        if "(" in name or "[" in name:
            found.append(_split(_MARK.sub(" ", latin_text(name).rstrip())))
        if cut := _before_address(name):
            found.append(words(cut))
    if not name.isascii():
        found += [tuple(word.replace("ks", "x") for word in some) for some in found]
    return tuple(dict.fromkeys(some for some in found if some))


def _before_address(name: str) -> str:
    """What stands before the first comma, full stop or semicolon that a street and a number follow; else nothing."""
    for found in re.finditer(r"[,.;]\s", name):
        rest = name[found.end() :].casefold()
        if any(one.isdigit() for one in rest) and not STREET_WORDS.isdisjoint(_WORDS.findall(rest)):
            return name[: found.start()]
        if found.end() > _FURTHEST:
            break
    return ""


_FURTHEST = 200
"""The characters of a name among which its address is looked for."""


def latin_text(name: str) -> str:
    """A name in lower case and in letters a to z; letters of other scripts among Latin ones by what they look like."""
    if not name.isascii():
        text = unicodedata.normalize("NFKD", name)
        text = "".join(one for one in text if not unicodedata.combining(one))
        if any("a" <= one.lower() <= "z" for one in text):
            text = " ".join(_as_latin(word) if _looks_latin(word) else word for word in text.split())
        for form in NATIVE_FORMS:
            text = text.replace(form, " ltd ")
        name = anyascii(text.translate(_APOSTROPHES))
    return name.casefold().replace("&", " and ").translate(_APOSTROPHES)


def _looks_latin(word: str) -> bool:
    """Whether a word of a name in Latin letters has letters of another script that all look like Latin ones."""
    others = [one for one in word if one.isalpha() and not one.isascii()]
    return bool(others) and all(latin(one).isascii() for one in others)


def _as_latin(word: str) -> str:
    """A word by what its letters look like; an i of any script stays an i, though it looks like an l."""
    return "".join(anyascii(one) if latin(one) == "l" else latin(one) for one in word)


def _split(text: str) -> tuple[str, ...]:
    """The words of a text; single letters that follow each other are one: `j s c` and `j.s.c.` are `jsc`."""
    found = _WORDS.findall(text)
    if all(len(one) > 1 or one.isdigit() for one in found):
        return tuple(found)
    return tuple(_joined(part for chunk in text.split() for part in _joined(_WORDS.findall(chunk))))


def _joined(parts: Iterator[str] | list[str]) -> Iterator[str]:
    run = ""
    for part in parts:
        if len(part) == 1 and part.isalpha():
            run += part
            continue
        if run:
            yield run
            run = ""
        yield part
    if run:
        yield run
