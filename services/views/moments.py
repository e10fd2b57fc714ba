"""The days and moments that people name, and how an instant is shown to them."""

from datetime import UTC, date, datetime, time

from pydantic_core import PydanticCustomError

from ledger.database.store import Connection
from ledger.queries.balances import Moment
from ledger.queries.snapshots import find
from schemas.times import instant_text, microseconds, parse_day, parse_instant
from services.failure import Failure

MOST_DIGITS = 18
"""Of the number of a record that is asked for; no ledger has one that is longer."""


def moment(connection: Connection, as_of: str | None, known_at: str | None) -> Moment:
    """The moment that `--as-of` and `--known-at` name: RFC 3339 times, or dates, which count that whole UTC day.

    `--known-at` also takes `record:N` and `snapshot:ID`: what a snapshot saw.
    """
    what, _, name = (known_at or "").partition(":")
    if what == "record":
        if not name.isascii() or not name.isdigit():
            raise Failure(f"{known_at!r} does not name a record: write record:17")
        return Moment(instant(as_of), None, int(name) if len(name) <= MOST_DIGITS else 10**MOST_DIGITS)
    if what == "snapshot":
        found = find(connection, name)
        if found is None:
            raise Failure(f"there is no snapshot {name!r}; `tpp snapshot list` names those that are there")
        return Moment(instant(as_of), None, found.record)
    return Moment(instant(as_of), instant(known_at))


def day(option: str, text: str | None) -> date | None:
    """The day that an option names."""
    try:
        return None if text is None else parse_day(text)
    except PydanticCustomError as error:
        raise Failure(f"{option}: {text!r} is no day such as 2025-06-30") from error


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
    """An instant for people, as RFC 3339 in UTC; `unknown` where there is none."""
    return "unknown" if microseconds is None else instant_text(microseconds)
