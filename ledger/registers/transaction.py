"""One transaction that writes to a ledger."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from ledger.cache import Cache, Head
from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.statements import Load, Statement, side_by_side
from ledger.database.store import Store
from schemas.periods import Period, booked, period

_HEAD = Statement(
    lambda _: tables.head.update().values(
        {name: bindparam(name) for name in ("n", "sequence", "accounts", "recorded", "ticked", "closed")}
    )
)


class Booking(NamedTuple):
    """The day, as `YYYY-MM-DD`, that entries count for, and the closed period that they are late for."""

    day: str
    late_for: str | None = None


class Transaction:
    """One transaction that writes to a ledger, in which records are made one after the other.

    `head` is the head as it is stored, `head_before` that of before the transaction, `n` the number of the record that
    is being made, `start` that of the last one before the transaction, `recorded` the clock in microseconds, `ticked`
    the instant of the latest tick, `closed` the last closed day. The registers keep their changes in memory until
    `flush`; only the methods change these attributes.
    """

    def __init__(
        self, store: Store, connection: Connection, cache: Cache, recorded: int,
        before_write: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.store, self.connection, self.cache = store, connection, cache
        self._before_write = before_write
        head = store.lock_head(connection) if before_write is None else store.head(connection)
        self.head = self.head_before = Head(head.n, head.recorded, head.epoch, head.accounts)
        cache.follow(store, connection, self.head)
        cache.trim()
        self.start: int = head.n
        self.n: int = head.n
        self.recorded: int = max(recorded, head.recorded)
        self.ticked: int | None = head.ticked
        self.closed: str | None = head.closed
        self._day = date.min
        self._booking: Booking | None = Booking("")
        self._written: int = head.n
        self._recorded_before: int = head.recorded
        self._sequence: int = head.sequence
        self._accounts: int = head.accounts
        self._used: set[int] = set()
        self._previous: dict[str, int] = {}
        self._writes: list[Callable[[], None]] = []

    # --- the record that is being made ----------------------------------------------------------------------------

    def open_record(self, day: date | None) -> None:
        """Begins the next record, of an event that happened on this UTC day; None if it makes no entries."""
        self.n += 1
        self._used.clear()
        self._previous.clear()
        if day is not None:
            self._day, self._booking = day, None

    @property
    def booking(self) -> Booking:
        """What the entries of the record being made count for; most records make none."""
        if self._booking is None:
            day, late_for = self._day, None
            if self.closed is not None and day.isoformat() <= self.closed:
                day, late_for = booked(day, self.periods())
            self._booking = Booking(day.isoformat(), late_for)
        return self._booking

    def abandon_record(self) -> None:
        """Abandons the record that is being made, of which nothing was written; the next one takes its number."""
        self.n -= 1

    def use(self, *records: int) -> None:
        """Notes that the record being made rests on these records of facts."""
        self._used.update(records)

    def follow(self, shipment: str, record: int) -> None:
        """Notes that the record being made changes a shipment whose latest record is another one."""
        self._previous[shipment] = record

    def rests_on(self, shipment: str | None) -> str:
        """The records that the one being made rests on, joined by a space; not the last of its own shipment."""
        records = self._used
        if self._previous:
            records = records.union([n for name, n in self._previous.items() if name != shipment])
        return " ".join([str(n) for n in sorted(records) if n != self.n]) if records else ""

    # --- the numbers of the head ----------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """The sequence number of the outgoing event given out last; 0 before the first."""
        return self._sequence

    def next_sequence(self, count: int = 1) -> int:
        """The sequence number of the next outgoing event; of the last one if there are several."""
        self._sequence += count
        return self._sequence

    def next_account(self) -> int:
        """The number of the next account to be opened."""
        self._accounts += 1
        return self._accounts

    def tick(self, instant: int) -> None:
        """Notes the instant of the latest tick."""
        self.ticked = instant

    def close(self, day: str) -> None:
        """Notes that every day up to this one is closed."""
        self.closed = max(self.closed or "", day)
        self.cache.closed = None

    def periods(self) -> Sequence[Period]:
        """The periods that are closed, in the order of closing."""
        if self.cache.closed is None:
            query = select(tables.snapshot.c.id).order_by(tables.snapshot.c.n)
            with stored("a snapshot"):
                self.cache.closed = list(map(period, self.connection.execute(query).scalars()))
        return self.cache.closed

    def read(self, *loads: Load) -> None:
        """Does loads side by side, so that the database is waited for as often as the longest of them asks."""
        side_by_side(self.store, self.connection, loads)

    # --- writing --------------------------------------------------------------------------------------------------

    def at_flush(self, write: Callable[[], None]) -> None:
        """Registers a function that writes changes at every flush, after those registered earlier."""
        self._writes.append(write)

    def before_write(self) -> None:
        """Makes sure that what is written goes nowhere, if this is only a check; before every change of a table."""
        if self._before_write is not None:
            self._before_write()

    def written(self, n: int) -> None:
        """Notes that records up to this number are written."""
        self._written = n

    def flush(self) -> None:
        """Writes what the registers have in memory, and the head."""
        self.before_write()
        with self.store.together(self.connection):
            for write in self._writes:
                write()
            recorded = self.recorded if self._written > self.start else self._recorded_before
            self.head = Head(self._written, recorded, self.head.epoch, self._accounts)
            _HEAD.change(
                self.store,
                self.connection,
                n=self._written,
                sequence=self._sequence,
                accounts=self._accounts,
                recorded=recorded,
                ticked=self.ticked,
                closed=self.closed,
            )
