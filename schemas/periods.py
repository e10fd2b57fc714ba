"""Periods that are closed: a calendar year, quarter or month, in UTC (docs/contract/books.md)."""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

PERIOD = "^[0-9]{4}(?:-Q[1-4]|-(?:0[1-9]|1[0-2]))?$"


class NeverEnds(ValueError):
    """A period that cannot be closed: no day after it would be left for what comes late."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period by its name, with its first and its last day, both included."""

    name: str
    first: date
    last: date

    @property
    def days(self) -> int:
        """How long it is."""
        return (self.last - self.first).days + 1


def period(name: str) -> Period:
    """The period of a name: `2025`, `2025-Q2` or `2025-06`; ValueError where it is none.

    >>> str(period("2025-Q2").last), period("2024-02").days
    ('2025-06-30', 29)
    """
    year = int(name[:4]) if re.fullmatch(PERIOD, name, re.ASCII) else 0
    if not year:
        raise ValueError(f"{name!r} is no period: write a year, quarter or month such as 2025, 2025-Q2 or 2025-06")
    rest = name[5:]
    if not rest:
        first, months = 1, 12
    elif rest.startswith("Q"):
        first, months = 3 * int(rest[1]) - 2, 3
    else:
        first, months = int(rest), 1
    end = first + months - 1
    if (year, end) == (date.max.year, date.max.month):
        raise NeverEnds(f"{name!r} cannot be closed: no day after it would be left for what comes late")
    return Period(name, date(year, first, 1), date(year, end, monthrange(year, end)[1]))


def booked(day: date, closed: Iterable[Period]) -> tuple[date, str | None]:
    """The day that an event of this day counts for, and the closed period that held it where that is another day.

    Closing a period closes every day up to its last. The period that held a day is the shortest that contains it, or
    the one that closed it where none does.

    >>> booked(date(2025, 6, 3), [period("2025-06"), period("2025-Q2")])
    (datetime.date(2025, 7, 1), '2025-06')
    """
    ended = [one for one in closed if one.last >= day]
    if not ended:
        return day, None
    holding = [one for one in ended if one.first <= day] or [min(ended, key=lambda one: (one.last, one.days))]
    return max(one.last for one in ended) + timedelta(days=1), min(holding, key=lambda one: one.days).name
