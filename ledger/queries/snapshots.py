"""Closed periods: the tables of a snapshot, which never change again."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, and_, case, func, or_, select, union

from ledger.database import tables
from ledger.database.paging import some_of
from ledger.database.rows import stored
from ledger.database.sums import ExactSum
from ledger.queries.balances import Moment, limits_at
from ledger.queries.entries import AccountRow, Span, accounts_over, entries
from ledger.queries.shipments import ShipmentRow, shipments
from schemas.codes import ReasonCode
from schemas.columns import TABLES, Row, csv_digest
from schemas.event_types import OBLIGATION_DUE, SHIPMENT_HELD
from schemas.periods import Period, period

DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_CLOSED = select(tables.snapshot, tables.journal.c.position, tables.journal.c.recorded).join_from(
    tables.snapshot, tables.journal, tables.snapshot.c.n == tables.journal.c.n
)
_entry_row = attrgetter(*(column.name for column in TABLES["entries"]))
"""A row of `statement` as one of `entries`; the time of recording does not belong to a snapshot."""


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

    def row(self) -> tuple[Any, ...]:
        """The snapshot in the order of the table's columns."""
        return astuple(self)

    def to_json(self) -> dict[str, Any]:
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


class HoldRow(NamedTuple):
    """A row of the table `holds`: a tuple of its columns in their order."""

    shipment_id: str
    record: int
    happened: int
    codes: str
    tpp: int


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a snapshot, read again each time; the rows never change."""

    connection: Connection
    period: Period
    record: int
    holds: Sequence[HoldRow]

    @property
    def _span(self) -> Span:
        return Span(self.period.first, self.period.last, Moment(record=self.record))

    def accounts(self) -> list[AccountRow]:
        """The rows of `accounts`."""
        return accounts_over(self.connection, self._span, end_of(self.period.last, self.record))

    def entries(self) -> Iterator[Row]:
        """The rows of `entries`."""
        return map(_entry_row, entries(self.connection, self._span))

    def shipments(self) -> Iterator[ShipmentRow]:
        """The rows of `shipments`: what the shipments of entries and holds were, as the snapshot's record knows them.

        They do not belong to the digest.
        """
        return shipments(self.connection, self._span, self.period.name, self.record)

    def digest(self, previous: str | None) -> tuple[str, int, int]:
        """The digest, and the numbers of rows of accounts and entries.

        It is the SHA-256 of the period's name, the previous digest and what `sha256sum` prints for the three CSV files.
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
    return Moment(as_of=((day - _EPOCH).days + 1) * DAY - 1, record=record)


def snapshots(connection: Connection) -> list[Snapshot]:
    """Every snapshot, in the order of closing."""
    return [Snapshot(*row) for row in connection.execute(tables.snapshot.select().order_by(tables.snapshot.c.n))]


def find(connection: Connection, name: str) -> Snapshot | None:
    """The snapshot of this name; None if the period was not closed."""
    if "\0" in name:  # which PostgreSQL takes in no text
        return None
    row = connection.execute(tables.snapshot.select().where(tables.snapshot.c.id == name)).one_or_none()
    return Snapshot(*row) if row else None


class Closed(NamedTuple):
    """A snapshot, who closed it on the page, None for the command line, and when, in microseconds since 1970 (UTC)."""

    snapshot: Snapshot
    by: str | None
    recorded: int


def closed(connection: Connection, name: str) -> Closed | None:
    """The snapshot of this name with who closed it; None if the period was not closed."""
    found = connection.execute(_CLOSED.where(tables.snapshot.c.id == name)).one_or_none()
    return None if found is None else _closed(found)


def last_closed(connection: Connection, most: int, before: int | None = None) -> list[Closed]:
    """The snapshots, the one that was closed last first, at most so many; of those before a record if one is given."""
    query = _CLOSED if before is None else _CLOSED.where(tables.snapshot.c.n < before)
    return list(map(_closed, connection.execute(query.order_by(tables.snapshot.c.n.desc()).limit(most))))


def _closed(row: Sequence[Any]) -> Closed:
    *columns, position, recorded = row
    snapshot = Snapshot(*columns)
    with stored(f"journal record {snapshot.n}"):
        return Closed(snapshot, orjson.loads(position).get("by"), int(recorded))


def tables_of(connection: Connection, snapshot: Snapshot) -> Tables:
    """The tables of a snapshot."""
    h = tables.snapshot_hold
    query = select(h.c.shipment_id, h.c.n, h.c.happened, h.c.codes, h.c.tpp).where(h.c.snapshot == snapshot.id)
    holds = sorted(HoldRow(*row) for row in connection.execute(query))
    return Tables(connection, period(snapshot.id), snapshot.record, holds)


def closings(connection: Connection, last: date, record: int) -> dict[str, int]:
    """The balance of each account at the end of a closed period, as the rows of `accounts` have it, read faster.

    `last` is the period's last day, `record` the last one that its snapshot saw.
    """
    a, e, j, moment = tables.account, tables.entry, tables.journal, end_of(last, record)
    booked = e.c.booked <= last.isoformat()
    change = e.c.pending + e.c.posted + e.c.attested - e.c.credits
    sums = (
        select(
            e.c.account,
            ExactSum(case((booked, change), else_=0)).label("closing"),
            func.sum(case((booked, 1), else_=0)).label("within"),
        )
        .where(e.c.n + 0 <= record)  # in the order of accounts, which is that of the table
        .group_by(e.c.account)
        .subquery()
    )
    found = dict.fromkeys(limits_at(connection, moment), 0)
    query = select(sums.c.account, a.c.path, sums.c.closing, sums.c.within).join_from(sums, a, a.c.id == sums.c.account)
    rows = connection.execute(query).all()
    found |= {row.path: int(row.closing) for row in rows if row.within}
    later = [row.account for row in rows if not row.within]
    for some in some_of(later):
        known = select(a.c.path).join_from(e, a, a.c.id == e.c.account).join(j, j.c.n == e.c.n)
        known = known.where(e.c.account.in_(some), e.c.n <= record, j.c.happened <= moment.as_of).distinct()
        found |= dict.fromkeys(connection.execute(known).scalars(), 0)
    return found


def held_at(connection: Connection, moment: Moment) -> list[HoldRow]:
    """The holds at a moment, from the answers of the records known then."""
    j, m = tables.journal, tables.mention
    seen = and_(j.c.n <= moment.record, j.c.happened <= moment.as_of)
    ever = select(j.c.shipment_id).where(seen, j.c.shipment_id.is_not(None), j.c.answers.contains(SHIPMENT_HELD))
    among_many = select(m.c.shipment_id).join(j, j.c.n == m.c.n).where(seen, j.c.answers.contains(SHIPMENT_HELD))
    held_ones = union(ever, among_many)
    mentions = select(m.c.n).where(m.c.shipment_id.in_(held_ones))
    about = or_(j.c.shipment_id.in_(held_ones), j.c.n.in_(mentions))
    query = select(j.c.n, j.c.happened, j.c.answers).where(seen, about)
    held: dict[str, HoldRow] = {}
    for row in connection.execute(query.order_by(j.c.n), execution_options={"yield_per": 1_000}):
        for data in _decisions(row.n, row.answers):
            shipment, outcome = data.get("shipment_id"), data.get("outcome")
            if outcome == "held":
                codes = list(dict.fromkeys(reason["code"] for reason in data["reasons"]))
                if not _refuses(data, codes):
                    held[shipment] = HoldRow(shipment, row.n, row.happened, " ".join(codes), data["tpp"])
            elif outcome not in (None, "refused") or data.get("state") not in (None, "held"):
                held.pop(shipment, None)
    return sorted(held.values())


def _refuses(data: Mapping[str, Any], codes: Sequence[str]) -> bool:
    """Whether an answer that says held refuses an event, as in version 0.1.0: it gives the state, or says that there is
    no such shipment.
    """
    return "state" in data or ReasonCode.SHIPMENT_UNKNOWN in codes


def _decisions(n: int, answers: Sequence[str]) -> list[Any]:
    """The data of a record's answers, but for obligations: their state is not that of a shipment."""
    with stored(f"journal record {n}"):
        told = [orjson.loads(answer) for answer in answers]
        return [one["data"] for one in told if one["type"] != OBLIGATION_DUE]


def is_over(connection: Connection, chosen: Period, now: int) -> bool:
    """Whether a period's last day is over by the ledger's last tick or by `now`, in microseconds since 1970 (UTC)."""
    ticked = connection.execute(select(tables.head.c.ticked)).scalar_one()
    return max(ticked or 0, now) >= ((chosen.last - _EPOCH).days + 1) * DAY


def first_open(connection: Connection, n: int | None = None) -> str | None:
    """The first day that is not closed; before the first close, the day of the first entry, None if there is none.

    `n`: only what the closes before this record have closed.
    """
    ended = [one.as_of for one in snapshots(connection) if n is None or one.n < n]
    if ended:
        return (date.fromisoformat(max(ended)) + timedelta(days=1)).isoformat()
    found: str | None = connection.execute(select(func.min(tables.entry.c.booked))).scalar_one()
    return found


def gap_before(connection: Connection, chosen: Period, n: int | None = None) -> tuple[str, str] | None:
    """The first and the last day, not closed so far, that closing a period closes though it does not contain them.

    `n`: the record of its close, if it is closed; then what that one closed.
    """
    first = first_open(connection, n)
    if chosen.first == date.min:
        return None
    last = (chosen.first - timedelta(days=1)).isoformat()
    return (first, last) if first is not None and first <= last else None
