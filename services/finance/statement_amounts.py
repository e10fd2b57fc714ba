"""The forms in which a statement writes its amounts: told, or found where a single reading fits them all.

An amount is a whole number of TPP, so a fraction of zeros alone is one, and any other is not.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_ALIKE = str.maketrans(
    {"\xa0": " ", "\u2007": " ", "\u2009": " ", "\u202f": " ", "\u2019": "'", "\u02bc": "'", "\u2212": "-"}
)
"""Spaces, apostrophes and minus signs of typesetters, and those of keyboards."""

_LONGEST = 400
_ROUNDED = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+", re.ASCII)
_GROUPED = re.compile(r"[1-9][0-9]{0,2}([.,])000", re.ASCII)
"""An amount that is one thing with thousands, and another with a fraction of three digits."""


@dataclass(frozen=True, slots=True)
class AmountForm:
    """What sets off the thousands and the fraction of amounts; `thousands` is "" where nothing sets them off."""

    thousands: str
    decimal: str
    pattern: re.Pattern[str]
    bare: bool
    """Whether an amount of four digits or more may be written without thousands."""

    @classmethod
    def of(cls, thousands: str, decimal: str, *, indian: bool = False, told: bool = False) -> "AmountForm":
        """The form with these signs.

        `indian`: groups of two digits before the last three; `told`: an amount may lack its thousands.
        """
        mark, fraction = re.escape(thousands), f"(?:{re.escape(decimal)}0+)?"
        if not thousands:
            whole = "[0-9]+"
        else:
            first = "[1-9][0-9]?" if indian else "(?:[1-9][0-9]{0,2}|0[0-9]{2})"
            groups = f"{first}(?:{mark}[0-9]{{{2 if indian else 3}}})*{mark}[0-9]{{3}}"
            whole = f"{groups}|{'[0-9]+' if told else '[0-9]{1,3}'}"
        return cls(thousands, decimal, re.compile(f"({whole}){fraction}", re.ASCII), told or not thousands)

    def may(self, marks: AbstractSet[str]) -> bool:
        """Whether an amount that has these signs between its digits can be of this form."""
        return marks <= {self.thousands, self.decimal}

    def number(self, digits: str) -> int | None:
        """The number that an amount without a sign means; None if it is not of this form.

        >>> AmountForm.of(".", ",").number("26.898.568,00"), AmountForm.of("", ".").number("1.5")
        (26898568, None)
        """
        found = self.pattern.fullmatch(digits)
        return int(found[1].replace(self.thousands, "") if self.thousands else found[1]) if found else None


def _forms(decimal: str | None, thousands: str | None) -> list[AmountForm]:
    """The forms that are possible with what is told, the plainest first."""
    pairs = [(mark, point) for mark in ("", ".", ",", " ", "'") for point in ".," if mark != point]
    chosen = [
        (mark, point)
        for mark, point in pairs
        if (decimal is None or point == decimal) and (thousands is None or mark == thousands)
    ]
    told = thousands is not None
    return [
        AmountForm.of(mark, point, indian=indian, told=told)
        for mark, point in chosen
        for indian in ([False, True] if mark else [False])
    ]


@dataclass(frozen=True, slots=True)
class AmountForms:
    """How the amounts of a column are read, and what cannot be certain about it.

    `two`: an amount that can be read in two ways, as can all the others, with what it would be.
    """

    form: AmountForm
    decimal: str | None = None
    thousands: str | None = None
    two: tuple[str, int, int] | None = None
    consistent: bool = True
    """Whether `1.000` can only have a fraction: it was told, or every amount has one of three digits."""

    def number(self, text: str) -> int | None:
        """The number that an amount means; None if it is not one."""
        split = signed(text)
        number = self.form.number(split[1]) if split else None
        return None if split is None or number is None else split[0] * number

    def why(self, text: str) -> str | None:
        """What is wrong with an amount that reads well beside the others; None if nothing is."""
        split = signed(text)
        if split is None or self.consistent or not _GROUPED.fullmatch(split[1]):
            return None
        return "can be thousands or have a fraction, unlike the other amounts: give --decimal or --thousands"


def find(texts: Iterable[str], decimal: str | None = None, thousands: str | None = None) -> AmountForms:
    """The form of a column's amounts, among those that are possible with what is told."""
    forms = _forms(decimal, thousands)
    plain = [place for place, form in enumerate(forms) if form.bare]
    digits = [split[1] for split in map(signed, texts) if split]
    counts: Counter[int] = Counter()
    total = bare = 0
    seen: set[str] = set()
    for one in digits:
        if one.isdigit():
            bare += len(one) > 3
            continue
        marks = {mark for mark in one if not mark.isalnum()}
        seen |= marks
        fits = [place for place, form in enumerate(forms) if form.may(marks) and form.number(one) is not None]
        counts.update(fits)
        total += bool(fits)
    if bare:
        counts.update(dict.fromkeys(plain, bare))
        total += bare
    most = max(counts.values(), default=0)
    best = [place for place in range(len(forms)) if counts[place] == most]
    form = forms[best[0]]
    two = _two(digits, [forms[place] for place in best]) if most == total and total else None
    told = decimal is not None or thousands is not None
    return AmountForms(
        form,
        decimal or (form.decimal if form.decimal in seen else None),
        thousands or (form.thousands if form.thousands in seen else None),
        two,
        told
        or bool(form.thousands)
        or all(len(one.rpartition(form.decimal)[2]) == 3 and form.decimal in one for one in digits),
    )


def _two(digits: Iterable[str], forms: Sequence[AmountForm]) -> tuple[str, int, int] | None:
    """The first amount that two of the forms read differently, and both readings."""
    if len(forms) < 2:
        return None
    for one in digits:
        numbers = {form.number(one) for form in forms} if not one.isdigit() else {0}
        readings = sorted(number for number in numbers if number is not None)
        if len(readings) > 1:
            return one, readings[0], readings[-1]
    return None


def signed(text: str) -> tuple[int, str] | None:
    """The sign of an amount, 1 or -1, and the amount without it; None if it cannot be one.

    >>> signed("126.592-"), signed("(5)"), signed("\u22127")
    ((-1, '126.592'), (-1, '5'), (-1, '7'))
    """
    if text.isascii() and text.isdigit() and len(text) < _LONGEST:
        return 1, text
    text = text.strip() if text.isascii() else text.translate(_ALIKE).strip()
    if len(text) > _LONGEST:
        return None
    if text.startswith("(") and text.endswith(")"):
        return (-1, inner) if (inner := text[1:-1].strip())[:1].isdigit() else None
    if text[:1] in ("+", "-"):
        return (-1 if text[0] == "-" else 1, rest) if (rest := text[1:].lstrip())[:1].isdigit() else None
    if text.endswith("-"):
        return (-1, rest) if (rest := text[:-1].rstrip())[:1].isdigit() else None
    return (1, text) if text[:1].isdigit() else None


def rounded(text: str) -> bool:
    """Whether an amount is written with an exponent, so that digits may be missing.

    >>> rounded("1.26656E+06")
    True
    """
    return _ROUNDED.fullmatch(text.strip()) is not None
