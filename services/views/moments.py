"""Reads the days and moments that users name, and shows instants to them."""

from datetime import UTC, date, datetime, time

from pydantic_core import PydanticCustomError

from ledger.database.store import Connection
from ledger.queries.balances import Moment
from ledger.queries.snapshots import find
from schemas.times import instant_text, microseconds, parse_day, parse_instant
from services.failure import Failure, NotFound

MOST_DIGITS = 18
"""The most digits of a record number; no ledger has a longer one."""


def moment(connection: Connection, as_of: str | None, known_at: str | None) -> Moment:
    """The moment that `--as-of` and `--known-at` name: RFC 3339 times, or dates, which include the whole UTC day.

    `--known-at` also takes `record:N` and `snapshot:ID`: what a snapshot saw.
    """
    what, _, name = (known_at or "").partition(":")
    if what == "record":
        if not name.isascii() or not name.isdigit():
            raise Failure(f"{known_at!r} is not a record; use record:17, for example")
        return Moment(instant(as_of), None, int(name) if len(name) <= MOST_DIGITS else 10**MOST_DIGITS)
    if what == "snapshot":
        found = find(connection, name)
        if found is None:
            raise NotFound(f"snapshot {name!r} does not exist; `tpp snapshot list` lists the snapshots")
        return Moment(instant(as_of), None, found.record)
    return Moment(instant(as_of), instant(known_at))


def day(option: str, text: str | None) -> date | None:
    """The day that an option gives; None without one."""
    return None if text is None else required_day(option, text)


def required_day(option: str, text: str) -> date:
    """The day that an option gives which is always there."""
    try:
        return parse_day(text)
    except PydanticCustomError as error:
        raise Failure(f"{option}: {text!r} is not a date such as 2025-06-30") from error


def instant(text: str | None) -> int | None:
    """The instant of an RFC 3339 time, or the last of a UTC day, in microseconds since 1970."""
    if text is None:
        return None
    try:
        return microseconds(parse_instant(text))
    except PydanticCustomError:
        pass
    try:
        return microseconds(datetime.combine(parse_day(text), time.max, UTC))
    except PydanticCustomError as error:
        raise Failure(f"{text!r} is neither a date nor an RFC 3339 time such as 2025-06-30T12:00:00Z") from error


def shown(microseconds: int | None) -> str:
    """An instant for people, as RFC 3339 in UTC; `unknown` for None."""
    return "unknown" if microseconds is None else instant_text(microseconds)
