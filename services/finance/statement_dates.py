"""The forms in which a statement writes its dates: told as a pattern, or found where a single one fits them all."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

ISO = "YYYY-MM-DD"

_TOKEN = re.compile("yyyy|yy|mmm|mm|m|dd|d|.", re.DOTALL)
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTH = {name[:length]: number for number, name in enumerate(_MONTHS, 1) for length in (3, len(name))} | {"sept": 9}
_BLANKS = re.compile(r"[ \xa0\u2009\u202f]+")
_TIME = (
    r"(?:[T ](?:[01]?[0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
    r"(?: ?(?:Z|UTC|[+-]00:?00))?)?"
)
"""A time of day, which does not matter: the day stands before it. An offset other than UTC's could make it another."""

_PARTS = {
    "yyyy": r"(?P<year>[0-9]{4})", "yy": r"(?P<year>[0-9]{2})", "mmm": r"(?P<name>[A-Za-z]{3,9})\.?",
    "mm": r"(?P<month>[0-9]{1,2})", "m": r"(?P<month>[0-9]{1,2})", "dd": r"(?P<day>[0-9]{1,2})",
    "d": r"(?P<day>[0-9]{1,2})",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DateForm:
    """A form of dates, such as `DD.MM.YYYY`. Between separators a day or a month may have one digit.

    Years of two digits are those from 2000 to 2099.
    """

    name: str
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, name: str) -> "DateForm":
        """The form of a pattern of YYYY or YY, MMM, MM or M, DD or D; raises ValueError for another text."""
        tokens = _TOKEN.findall(_BLANKS.sub(" ", name.strip().lower()))
        kinds = sorted(token[0] for token in tokens if token in _PARTS)
        others = [token for token in tokens if token not in _PARTS]
        if kinds != ["d", "m", "y"] or any(token.isalnum() for token in others):
            raise ValueError(f"{name!r} is not a form of dates such as {ISO}, DD.MM.YYYY, MM/DD/YY or DD-MMM-YYYY")
        parts = "".join(_PARTS.get(token, re.escape(token)) for token in tokens)
        if any(one in _PARTS and other in _PARTS for one, other in pairwise(tokens)):
            parts = parts.replace("{1,2}", "{2}")
        return cls("".join(tokens).upper(), re.compile(parts + _TIME, re.ASCII))

    def day(self, text: str) -> date | None:
        """The day that a text of this form means; None if the text has another form, or no such day exists.

        >>> DateForm.of("DD.MM.YYYY").day("5.6.2025 00:00"), DateForm.of("DD.MM.YYYY").day("31.06.2025")
        (datetime.date(2025, 6, 5), None)
        """
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        parts = found.groupdict()
        month = _MONTH.get(parts["name"].lower(), 0) if "name" in parts else int(parts["month"])
        year = int(parts["year"]) + (2000 if len(parts["year"]) == 2 else 0)
        try:
            return date(year, month, int(parts["day"]))
        except ValueError:
            return None

    @property
    def certain(self) -> bool:
        """Whether its years have four digits, so that their century is written."""
        return "YYYY" in self.name

    @property
    def year_first(self) -> bool:
        """Whether it begins with a year of four digits, so that no program takes its day for its month."""
        return self.name.startswith("YYYY")


def _known() -> dict[str, list[DateForm]]:
    """The forms that are looked for, by the first separator; those with a year of two digits are never certain."""
    orders = ("Y{0}M{0}D", "D{0}M{0}Y", "M{0}D{0}Y")
    short = ("D{0}M{0}y", "M{0}D{0}y", "y{0}M{0}D")
    named = ("D{0}b{0}Y", "b{0}D{0}Y", "Y{0}b{0}D", "D{0}b{0}y", "b{0}D{0}y", "y{0}b{0}D")
    written = {"Y": "yyyy", "y": "yy", "M": "mm", "D": "dd", "b": "mmm"}

    def forms(shapes: Iterable[str], separator: str) -> list[DateForm]:
        return [DateForm.of("".join(written.get(one, one) for one in shape.format(separator))) for shape in shapes]

    found = {separator: forms((*orders, *short, *named), separator) for separator in "-./ "}
    found[" "] += forms(("b D, Y",), " ")
    found["."] += forms(("D. b Y",), " ")
    found[""] = forms((*orders, *short, *named), "")
    return found


_KNOWN = _known()


@lru_cache(maxsize=4_096)
def fitting(text: str) -> tuple[DateForm, ...]:
    """The known forms that a text fits."""
    text = normal(text)
    separator = next((one for one in text if not one.isalnum()), "")
    forms = _KNOWN.get(separator, [])
    return tuple(form for form in (*forms, *(_KNOWN[""] if separator == " " else ())) if form.day(text))


@lru_cache(maxsize=4_096)
def day_of(form: DateForm, text: str) -> date | None:
    """The day that a text of a form means, whatever blanks are around it; None if it does not fit."""
    return form.day(normal(text))


def normal(text: str) -> str:
    """The text without blanks around it, and with single spaces within."""
    return _BLANKS.sub(" ", text).strip()


@dataclass(frozen=True, slots=True)
class DateForms:
    """What the dates of a column have in common: the form that most of them fit, and the others that fit as many."""

    form: DateForm | None
    others: tuple[DateForm, ...] = ()


def find(texts: Iterable[str]) -> DateForms:
    """The form of a column's dates; with others that all of them fit too, it is not certain.

    Texts that fit no form do not count.
    """
    counts: Counter[DateForm] = Counter()
    order: dict[DateForm, int] = {}
    total = 0
    for text in texts:
        forms = fitting(text)
        total += bool(forms)
        for form in forms:
            counts[form] += 1
            order.setdefault(form, len(order))
    if not counts:
        return DateForms(None)
    most = max(counts.values())
    best = sorted((form for form, count in counts.items() if count == most), key=lambda form: order[form])
    return DateForms(best[0], tuple(best[1:]) if most == total else ())
