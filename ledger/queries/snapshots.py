"""Closed periods: what a close sees and writes, and the tables of a snapshot, which never change again."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from sqlalchemy import Connection, and_, or_, select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt
from ledger.journal import Journal
from ledger.queries.balances import Moment
from ledger.queries.entries import Row, Span, accounts_over, entries, without_recorded
from schemas.columns import csv_digest
from schemas.periods import Period, period
from schemas.times import end_of_day

HELD, UNKNOWN = "tpp.shipment.held.v1", "shipment.unknown"
"""The answer that holds a shipment, unless it refuses an event: then it tells the state, or that there is none."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A closed period.

    `n` is the record of its close, `record` the last one that it saw, `as_of` its last day, `accounts` and `entries`
    are numbers of rows, `previous` is the digest of the snapshot closed before it.
    """

    id: str
    n: int
    record: int
    as_of: str
    accounts: int
    entries: int
    digest: str
    previous: str | None

    def told(self) -> dict[str, Any]:
        """The data of `tpp.snapshot.closed.v1`."""
        return {
            "snapshot_id": self.id,
            "period": self.id,
            "as_of": self.as_of,
            "record": self.record,
            "accounts": self.accounts,
            "entries": self.entries,
            "digest": self.digest,
            "previous_digest": self.previous,
        }


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a snapshot, read anew each time: the same rows for ever."""

    connection: Connection
    period: Period
    record: int
    holds: Sequence[Row]

    @property
    def _span(self) -> Span:
        return Span(self.period.first, self.period.last, Moment(record=self.record))

    def accounts(self) -> list[Row]:
        """The rows of `accounts`."""
        return accounts_over(self.connection, self._span, end_of(self.period.last, self.record))

    def entries(self) -> Iterator[Row]:
        """The rows of `entries`."""
        return without_recorded(entries(self.connection, self._span))

    def digest(self, previous: str | None) -> tuple[str, int, int]:
        """The digest, and the numbers of rows of accounts and entries.

        It is the SHA-256 of the period's name, the digest before it and what `sha256sum` prints of the three CSV files.
        """
        accounts, counted = self.accounts(), _Counted(self.entries())
        sums = (
            f"{csv_digest(name, rows)[0]}  {name}.csv\n"
            for name, rows in (("accounts", accounts), ("entries", counted), ("holds", self.holds))
        )
        text = f"{self.period.name}\n{previous or '-'}\n{''.join(sums)}"
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}", len(accounts), counted.count


class _Counted:
    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def end_of(day: date, record: int) -> Moment:
    """The last instant of a UTC day, as known at a record."""
    return Moment(as_of=end_of_day(day), record=record)


def snapshots(connection: Connection) -> list[Snapshot]:
    """Every snapshot, in the order of closing."""
    return [Snapshot(*row) for row in connection.execute(tables.snapshot.select().order_by(tables.snapshot.c.n))]


def find(connection: Connection, name: str) -> Snapshot | None:
    """The snapshot of this name; None where the period was not closed."""
    row = connection.execute(tables.snapshot.select().where(tables.snapshot.c.id == name)).one_or_none()
    return Snapshot(*row) if row else None


def tables_of(connection: Connection, snapshot: Snapshot) -> Tables:
    """The tables of a snapshot."""
    h = tables.snapshot_hold
    query = select(h.c.shipment_id, h.c.n, h.c.happened, h.c.codes, h.c.tpp).where(h.c.snapshot == snapshot.id)
    holds = sorted(tuple(row) for row in connection.execute(query))
    return Tables(connection, period(snapshot.id), snapshot.record, holds)


def close(journal: Journal, chosen: Period) -> Snapshot:
    """Closes a period that was not: every day up to its last, within the record that is being made.

    Of days that an earlier close has closed it sees what that one saw, so that it says of them the same for ever.
    """
    before = snapshots(journal.connection)
    closed = [one for one in before if one.as_of >= chosen.last.isoformat()]
    record = closed[0].record if closed else journal.head.n
    found = Tables(journal.connection, chosen, record, _held(journal.connection, end_of(chosen.last, record)))
    previous = before[-1].digest if before else None
    digest, accounts, count = found.digest(previous)
    made = Snapshot(chosen.name, journal.n, record, chosen.last.isoformat(), accounts, count, digest, previous)
    row = (made.id, made.n, made.record, made.as_of, made.accounts, made.entries, made.digest, made.previous)
    journal.store.insert(journal.connection, tables.snapshot, [row])
    journal.store.insert(journal.connection, tables.snapshot_hold, [(made.id, *hold) for hold in found.holds])
    journal.closed = max(journal.closed or "", made.as_of)
    journal.cache.closed = None
    return made


def _told(n: int, answers: str) -> list[Any]:
    try:
        return [orjson.loads(line)["data"] for line in answers.split("\n")]
    except (LookupError, TypeError, ValueError) as error:
        raise LedgerCorrupt(f"the answers of record {n} cannot be read; `tpp audit verify` says more") from error


def _held(connection: Connection, moment: Moment) -> list[Row]:
    """What was held at a moment, as the answers of the records tell it that were known then."""
    j, m = tables.journal, tables.mention
    seen = and_(j.c.n <= moment.record, j.c.happened <= moment.as_of)
    ever = select(j.c.shipment_id).where(seen, j.c.shipment_id.is_not(None), j.c.answers.contains(HELD))
    mentions = select(m.c.n).where(m.c.shipment_id.in_(ever))
    query = select(j.c.n, j.c.happened, j.c.answers).where(seen, or_(j.c.shipment_id.in_(ever), j.c.n.in_(mentions)))
    held: dict[str, Row] = {}
    for n, happened, answers in connection.execute(query.order_by(j.c.n), execution_options={"yield_per": 1_000}):
        for data in _told(n, answers):
            shipment, outcome = data.get("shipment_id"), data.get("outcome")
            if outcome == "held":
                codes = list(dict.fromkeys(reason["code"] for reason in data["reasons"]))
                if "state" not in data and UNKNOWN not in codes:
                    held[shipment] = (shipment, n, happened, " ".join(codes), data["tpp"])
            elif outcome is not None or data.get("state") not in (None, "held"):
                held.pop(shipment, None)
    return sorted(held.values())
