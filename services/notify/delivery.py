"""Brings a receiver its events, in order; what it does not take is tried again, then set aside, then given up."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import orjson

from ledger.database.store import Connection, Store
from ledger.doors.notices import (
    Notice,
    Place,
    find_place,
    last_place,
    move_receiver,
    next_due,
    put_off,
    remove_notice,
)
from ledger.queries.records import OutboxRecord, outbox, published_answer
from services.notify.receivers import Receiver
from services.notify.sending import Send
from services.notify.wanted import is_wanted, sequence_of
from services.telemetry.notices import NoticeMetrics

log = logging.getLogger("tpp.notify")

SECOND = 1_000_000
WAITS = (5, 30, 120, 600)
"""After how many seconds an event that was not taken is tried again, while the later ones wait."""

HOUR, DAYS = 3_600, 3
"""How often, in seconds, an event that was set aside is tried, and for how many days."""

BATCH = 500
SAVE_SECONDS = 5
"""How long it may take until the database knows that events nobody wants were passed."""


class Behind(Exception):
    """The ledger ends before a receiver's place: it was restored while this part was running."""


class Delivery:
    """One receiver: what is due to it, step by step. `clock` gives the time in microseconds since 1970 (UTC).

    `turn`: held while it writes, so that receivers that write at once do not use up the database's connections.
    """

    def __init__(
        self,
        store: Store,
        receiver: Receiver,
        send: Send,
        clock: Callable[[], int],
        metrics: NoticeMetrics,
        turn: threading.Lock,
    ) -> None:
        self.receiver = receiver
        self.is_off = False
        """Whether the receiver has answered that it wants nothing any more (410)."""
        self._store = store
        self._send = send
        self._clock = clock
        self._metrics = metrics
        self._turn = turn
        self.place = self._kept = Place(0, 0)
        self._kept_at = 0
        self._read: deque[OutboxRecord] = deque()
        metrics.begin(receiver.name)

    def begin(self) -> None:
        """Takes up the place that the database has. Raises Behind if the ledger does not know the receiver."""
        with self._store.read() as connection:
            found = find_place(connection, self.receiver.name)
        if found is None:
            raise Behind(f"{self.receiver.name} has no place in the ledger")
        self.place = self._kept = found
        self._kept_at = self._clock()
        self._read.clear()

    def end(self) -> None:
        """Has the database know how far the receiver has come."""
        if self.place != self._kept:
            self._keep(self.place)

    def step(self) -> float | None:
        """Makes at most one try of the next event, and one of an event that was set aside, of those that are due.

        Returns after how many seconds something is due; 0 where more is due now, None where nothing is before the
        ledger has a new event. Raises Behind, and DatabaseError.
        """
        if self.is_off:
            return None
        waits = [wait for wait in (self._next(), self._again()) if wait is not None]
        return None if self.is_off else min(waits, default=None)

    def _next(self) -> float | None:
        """Tries the next event, if it is due; returns when the next try is due."""
        due = self._until(self.place.next, WAITS[-1])
        if due > 0:
            return due
        found = self._find()
        if found is None:
            return None
        place, text = found
        id = str(orjson.loads(text)["id"])
        outcome = self._send(id, text, self._clock())
        if outcome.taken:
            self._keep(place)
            self._metrics.taken(self.receiver.name)
            return 0
        self._failed(id, outcome.why, gone=outcome.gone)
        if outcome.gone:
            return None
        now, tries = self._clock(), self.place.tries + 1
        if tries <= len(WAITS):
            wait = WAITS[tries - 1]
            self._keep(replace(self.place, tries=tries, next=now + wait * SECOND))
            return wait
        aside = Notice(
            self.receiver.name, id, place.sequence, now, tries, next=now + HOUR * SECOND, why=outcome.why
        )  # fmt: skip
        self._keep(place, aside)
        self._metrics.set_aside(self.receiver.name)
        log.warning("%s: event %s is set aside, and tried every hour for %d days", self.receiver.name, id, DAYS)
        return 0

    def _again(self) -> float | None:
        """Tries the event that was set aside and is due first; returns when the next one is due."""
        if self.is_off:
            return None
        with self._store.read() as connection:
            notice = next_due(connection, self.receiver.name)
            if notice is None:
                return None
            due = self._until(notice.next, HOUR)
            if due > 0:
                return due
            text = published_answer(connection, notice.sequence)
        if text is None or orjson.loads(text)["id"] != notice.id:
            gone = replace(notice, next=None, why="the ledger does not have this event any more")
            with self._turn:
                put_off(self._store, gone)
            return 0
        outcome = self._send(notice.id, text, self._clock())
        if outcome.taken:
            with self._turn:
                remove_notice(self._store, notice)
            self._metrics.taken(self.receiver.name)
            return 0
        self._failed(notice.id, outcome.why, gone=outcome.gone)
        if not outcome.gone:
            self._put_off(notice, outcome.why)
        return 0

    def _put_off(self, notice: Notice, why: str) -> None:
        """Has an event that was set aside tried again in an hour, or gives it up."""
        now = self._clock()
        is_over = now >= notice.since + DAYS * 24 * HOUR * SECOND
        later = replace(notice, tries=notice.tries + 1, next=None if is_over else now + HOUR * SECOND, why=why)
        with self._turn:
            put_off(self._store, later)
        if is_over:
            self._metrics.given_up(self.receiver.name)
            log.error(
                "%s: event %s is given up; send it again by `tpp notify retry %s`",
                self.receiver.name, notice.id, notice.id,
            )  # fmt: skip

    def _until(self, due: int | None, most: float) -> float:
        """How many seconds it is to an instant; 0 if it has come, or lies further ahead than it was set.

        The machine's clock was set back in that case.
        """
        ahead = 0.0 if due is None else (due - self._clock()) / SECOND
        return ahead if 0 < ahead <= most else 0.0

    def _failed(self, id: str, why: str, *, gone: bool) -> None:
        self._metrics.failed(self.receiver.name)
        log.warning("%s: event %s was not taken: %s", self.receiver.name, id, why)
        if gone:
            self.is_off = True
            log.error("%s answered 410: it gets nothing until the next start", self.receiver.name)

    def _find(self) -> tuple[Place, str] | None:
        """The next event that the receiver wants, with the place after it; None if the ledger has none.

        Passes those that it does not want.
        """
        while True:
            with self._store.read() as connection:
                if not self._read and not self._read_on(connection):
                    break
                while self._read:
                    record = self._read[0]
                    for sequence, text in enumerate(record.answers, sequence_of(record.answers[0])):
                        if sequence <= self.place.sequence:
                            continue
                        place = Place(record.n, sequence)
                        if is_wanted(connection, self.receiver, text):
                            return place, text
                        self.place = place
                    self._read.popleft()
            self._save()
        self._save()
        return None

    def _read_on(self, connection: Connection) -> bool:
        """Reads the next records; returns whether there are any. Raises Behind."""
        last = last_place(connection)
        if last.sequence < self.place.sequence:
            raise Behind(
                f"the ledger ends at event {last.sequence}, but {self.receiver.name} has come to {self.place.sequence}"
            )
        if last.sequence > self.place.sequence:
            self._read.extend(one for one in outbox(connection, self.place.record - 1, BATCH) if one.answers)
        return bool(self._read)

    def _save(self) -> None:
        """Has the database know from time to time which events nobody wanted were passed."""
        if self._clock() - self._kept_at >= SAVE_SECONDS * SECOND:
            self.end()

    def _keep(self, place: Place, aside: Notice | None = None) -> None:
        with self._turn:
            move_receiver(self._store, self.receiver.name, place, aside)
        self.place = self._kept = place
        self._kept_at = self._clock()
