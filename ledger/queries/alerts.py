"""Alerts that were raised, and the thresholds at which they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, select, text

from ledger.database import tables
from ledger.database.paging import pages
from ledger.database.rows import stored
from ledger.queries.shipment_list import records
from ledger.registers.facts import ALL
from schemas import accounts
from schemas.event_types import LIST_ALERT, PARTY_ALERT, QUOTA_ALERT, SHIPMENT_ALERT
from schemas.kinds import FactKind
from schemas.times import day_of

TYPES = (QUOTA_ALERT, PARTY_ALERT, LIST_ALERT, SHIPMENT_ALERT)


class AlertPlace(NamedTuple):
    """The place of an alert in the list: its record, and its number among the answers of that record."""

    record: int
    number: int


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts: of a kind, of an account that matches a pattern, of events that happened from `first` to `last`.

    The days are inclusive and UTC; None for no bound.
    """

    kind: str | None = None
    account: str | None = None
    first: date | None = None
    last: date | None = None

    def on(self, day: date) -> bool:
        """Whether a day is within the bounds."""
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)

    def takes(self, data: Mapping[str, Any]) -> bool:
        """Whether the data of an alert is wanted."""
        if self.account is not None and not accounts.matches(self.account, data.get("account") or ""):
            return False
        return self.kind is None or data["kind"] == self.kind


EVERY = AlertFilter()


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it was published: its type and data; `happened` is the time of the event that caused it."""

    type: str
    happened: int
    data: Mapping[str, Any]
    place: AlertPlace


def alerts(
    connection: Connection, wanted: AlertFilter = EVERY, after: AlertPlace | None = None, limit: int | None = None
) -> Iterator[Alert]:
    """Alerts, the latest record first and in its order; those after a place and at most `limit`."""
    j = tables.journal
    gave = select(j.c.n).where(text(tables.gave_alert(connection.dialect.name)))
    rest = None if after is None else (after.record + 1,)
    found = (
        one
        for page in pages(connection, gave, (j.c.n,), lambda row: (row.n,), rest, None, descending=True)
        for row in sorted(records(connection, [one.n for one in page], "answers"), key=lambda row: -row.n)
        for one in _alerts(row, wanted)
        if after is None or (-one.place.record, one.place.number) > (-after.record, after.number)
    )
    return islice(found, limit)


def _alerts(row: Any, wanted: AlertFilter) -> list[Alert]:
    """The alerts among the answers of a record."""
    found = []
    with stored(f"journal record {row.n}"):
        if row.happened is None or not wanted.on(day_of(row.happened)):
            return []
        for number, answer in enumerate(row.answers):
            event = orjson.loads(answer) if '.alert.v1"' in answer else None
            if event and event["type"] in TYPES and wanted.takes(event["data"]):
                found.append(Alert(event["type"], row.happened, event["data"], AlertPlace(row.n, number)))
    return found


@dataclass(frozen=True, slots=True)
class StandingThresholds:
    """The thresholds set for an account or a pattern of accounts, and the record that set them, with its time."""

    account: str
    thresholds: tuple[str | int, ...]
    record: int
    happened: int


def thresholds(
    connection: Connection, account: str | None = None, after: int | None = None, limit: int | None = None
) -> Iterator[StandingThresholds]:
    """The thresholds in force, those set last first; those set before the record `after` and at most `limit`.

    Of the accounts and patterns that name an account, an exact one counts, else the one set last. `account`: only
    those that name this account, in the order in which they count.
    """
    f, seen, found = tables.fact, set[str](), list[StandingThresholds]()
    query = select(f.c.n).where(f.c.key == ALL, f.c.kind == FactKind.THRESHOLD)
    for page in pages(connection, query, (f.c.n,), lambda row: (row.n,), None, None, descending=True):
        for row in sorted(records(connection, [one.n for one in page], "event"), key=lambda row: -row.n):
            with stored(f"journal record {row.n}"):
                data = orjson.loads(row.event)["data"]
                one = StandingThresholds(data["account"], tuple(data["thresholds"]), row.n, row.happened)
            if one.account not in seen and (account is None or accounts.matches(one.account, account)):
                found.append(one)
            seen.add(one.account)
    if account is not None:
        found.sort(key=lambda one: (one.account != account, -one.record))
    return islice((one for one in found if after is None or one.record < after), limit)
