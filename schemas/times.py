"""Instants and days: read, written, and counted in microseconds since 1970 (UTC)."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticCustomError

DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
DAY_MICROSECONDS = 86_400_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = date(1970, 1, 1).toordinal()
_DAY = re.compile(DAY.removesuffix("$"))
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_LEAP = re.compile(r"(\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:)60(?:\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def parse_day(value: Any) -> date:
    """The day of a `YYYY-MM-DD` text; raises PydanticCustomError for anything else."""
    if isinstance(value, str) and len(value) == 10 and _DAY.match(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("date.invalid", "must be a calendar day, YYYY-MM-DD")


def parse_instant(value: Any) -> datetime:
    """The instant of an RFC 3339 text with an offset, in UTC and to the microsecond; a leap second is the next one.

    Raises PydanticCustomError for anything else, and for an instant outside the years 1 to 9999 in UTC.
    """
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        if isinstance(value, str) and (leap := _LEAP.fullmatch(value)):
            last = parse_instant(f"{leap[1]}59{leap[2]}")
            if (last.hour, last.minute, last.second) == (23, 59, 59):
                return last + timedelta(seconds=1)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("time.invalid", "must be an RFC 3339 time with an offset, such as 2025-06-02T09:30:00Z")


def microseconds(instant: datetime) -> int:
    """An instant as microseconds since 1970 (UTC)."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def day_of(instant: int) -> date:
    """The UTC day of an instant in microseconds since 1970."""
    return date.fromordinal(_FIRST + instant // DAY_MICROSECONDS)


def end_of_day(day: date) -> int:
    """The last microsecond of a UTC day, as microseconds since 1970.

    >>> instant_text(end_of_day(date(2025, 6, 30)))
    '2025-06-30T23:59:59.999999Z'
    """
    return (day.toordinal() - _FIRST + 1) * DAY_MICROSECONDS - 1


def instant_text(instant: int) -> str:
    """An instant in microseconds since 1970 as RFC 3339 in UTC: to the second, or to the microsecond if there is more.

    >>> instant_text(1_748_856_600_000_000), instant_text(1_748_856_600_000_050)
    ('2025-06-02T09:30:00Z', '2025-06-02T09:30:00.000050Z')
    """
    seconds, rest = divmod(instant, 1_000_000)
    day, second = divmod(seconds, 86_400)
    return f"{_day_text(day)}T{_time_text(second)}.{rest:06}Z" if rest else f"{_day_text(day)}T{_time_text(second)}Z"


@lru_cache(maxsize=4096)
def _day_text(number: int) -> str:
    return date.fromordinal(_FIRST + number).isoformat()


@lru_cache(maxsize=86_400)
def _time_text(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
