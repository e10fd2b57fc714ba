"""Names as others might write them: each kind of change at a place that the name and a number decide."""

import re
import unicodedata
from zlib import crc32

LETTERS = "abcdefghijklmnopqrstuvwxyz"
FORMS = (
    "Co., Ltd.", "Co. Ltd", "Company Limited", "Corporation", "Limited", "Inc.", "LLC", "L.L.C.", "GmbH", "PJSC", "JSC", "Corp.",
    "OOO", "Ltd.", "Ltd", "S.A.", "AG", "B.V.", "Pte. Ltd.", "FZE", "Sdn. Bhd.", "PLC",
)  # fmt: skip
_ONE_FORM = (
    r"(?:Open |Closed |Public )?Joint[- ]Stock Company|Limited Liability Company|Company Limited|Private Limited|"
    r"(?:Otkrytoe |Zakrytoe |Publichnoe )?Aktsionernoe Obshchestvo|Obshchestvo S Ogranichennoi Otvetstvennostyu|"
    r"Company|Co|Limited|Ltd|Incorporated|Inc|LLC|L\.L\.C|GmbH|PJSC|OJSC|CJSC|JSC|Corporation|Corp|OOO|OAO|ZAO|PAO|AO|"
    r"FZE|FZCO|FZC|PTY|AD|PLC|Pte|Pvt|Private|Sdn|Bhd|AG|BV|B\.V|SARL|SAL|S\.A\.L|SPA|A\.S|S\.A"
)
_AT_THE_END = re.compile(rf"(?:[\s,]+(?:{_ONE_FORM})\b\.?,?)+\s*$", re.IGNORECASE)
_AT_THE_START = re.compile(rf"^(?:(?:{_ONE_FORM})\s+)+", re.IGNORECASE)


def chance(name: str, salt: str, choices: int) -> int:
    """A number below `choices` that depends on the name and the salt alone."""
    return crc32(f"{salt}\0{name}".encode()) % choices


def stem(name: str) -> str:
    """A name without the legal form at its end."""
    return _AT_THE_END.sub("", name) or name


def letters(name: str) -> list[int]:
    """Where a name has letters, its legal form and what stands in brackets left out."""
    left = stem(re.sub(r"\s*\([^()]*\)?\s*$", "", name) or name)
    inside = {at for found in re.finditer(r"\([^()]*\)?", left) for at in range(*found.span())}
    inside |= set(range(_AT_THE_START.match(left).end() if _AT_THE_START.match(left) else 0))
    return [at for at, one in enumerate(left) if one.isalpha() and at not in inside]


def long_enough(name: str, least: int = 8) -> bool:
    """Whether a name has so many letters without its legal form."""
    return len(letters(name)) >= least


def _place(name: str, salt: str) -> int:
    some = letters(name)
    return some[chance(name, salt, len(some))]


def wrong(name: str, salt: str = "") -> str:
    """One letter another."""
    at = _place(name, salt)
    step = 1 + chance(name, salt + "step", 24)
    known = LETTERS.find(name[at].lower())
    return name[:at] + LETTERS[(known + step) % 26] + name[at + 1 :]


def missing(name: str, salt: str = "") -> str:
    """One letter left out."""
    at = _place(name, salt)
    return name[:at] + name[at + 1 :]


def doubled(name: str, salt: str = "") -> str:
    """One letter twice."""
    at = _place(name, salt)
    return name[: at + 1] + name[at].lower() + name[at + 1 :]


def swapped(name: str, salt: str = "") -> str | None:
    """The words in another order, without brackets; None where there is only one."""
    words = re.sub(r"\([^()]*\)?", " ", name).replace(",", " ").split()
    if len(words) < 2:
        return None
    at = 1 + chance(name, salt, len(words) - 1)
    return " ".join(words[at:] + words[:at])


def neighbours_swapped(name: str, salt: str = "") -> str | None:
    """Two neighbouring words swapped."""
    words = re.sub(r"\([^()]*\)?", " ", name).replace(",", " ").split()
    if len(words) < 2:
        return None
    at = chance(name, salt, len(words) - 1)
    words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def run_together(name: str, salt: str = "") -> str | None:
    """Two neighbouring words as one; None where there is only one."""
    blanks = [found.start() for found in re.finditer(r"(?<=\w) (?=\w)", stem(name))]
    if not blanks:
        return None
    at = blanks[chance(name, salt, len(blanks))]
    return name[:at] + name[at + 1 :]


def other_form(name: str, salt: str = "") -> str:
    """Another legal form, or one where there is none."""
    left = stem(name)
    return f"{left} {FORMS[chance(name, salt, len(FORMS))]}"


def without_form(name: str) -> str | None:
    """Without its legal form."""
    left = stem(name)
    return left if left != name else None


def without_accents(name: str) -> str | None:
    """Its letters without accents; None where it has none."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    return plain if plain != name else None


def ampersand(name: str) -> str | None:
    """`&` for `and`, or the other way round."""
    if re.search(r"\band\b", name, re.IGNORECASE):
        return re.sub(r"\band\b", "&", name, flags=re.IGNORECASE)
    return name.replace("&", "and") if " & " in name else None


def wrong_too(name: str) -> str:
    """One letter another, at a place of its own."""
    return wrong(name, "too")
