"""Brings a receiver its events, in order; what it does not take is tried again, and then set aside."""

import logging
from collections import deque
from dataclasses import replace

import orjson

from ledger.database.store import Connection
from ledger.doors.notices import Notice, Place, find_place, last_place, move_receiver
from ledger.queries.records import OutboxRecord, outbox
from services.notify.receivers import Receiver
from services.notify.tries import DAYS, HOUR, SECOND, Aside, Tries
from services.notify.wanted import is_wanted, sequence_of

log = logging.getLogger("tpp.notify")

WAITS = (5, 30, 120, 600)
"""After how many seconds an event that was not taken is tried again, while the later ones wait."""

BATCH = 500
SAVE_SECONDS = 5
"""How long it may take until the database knows that events nobody wants were passed."""


class Behind(Exception):
    """The ledger ends before a receiver's place: it was restored while this part was running."""


class Delivery:
    """One receiver: what is due to it, step by step; `place` is how far it has come."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries
        self._aside = Aside(tries)
        self.place = self._kept = Place(0, 0)
        self._kept_at = 0
        self._read: deque[OutboxRecord] = deque()

    @property
    def receiver(self) -> Receiver:
        """To whom the events go."""
        return self._tries.receiver

    @property
    def is_off(self) -> bool:
        """Whether the receiver has answered that it wants nothing any more (410)."""
        return self._tries.is_off

    def begin(self) -> None:
        """Takes up the place that the database has. Raises Behind if the ledger does not know the receiver."""
        with self._tries.store.read() as connection:
            found = find_place(connection, self.receiver.name)
        if found is None:
            raise Behind(f"{self.receiver.name} has no place in the ledger")
        self.place = self._kept = found
        self._kept_at = self._tries.clock()
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
        waits = [wait for wait in (self._next(), self._aside.step()) if wait is not None]
        return None if self.is_off else min(waits, default=None)

    def _next(self) -> float | None:
        """Tries the next event, if it is due; returns when the next try is due."""
        due = self._tries.until(self.place.next, WAITS[-1])
        if due > 0:
            return due
        found = self._find()
        if found is None:
            return None
        place, text = found
        name, id = self.receiver.name, str(orjson.loads(text)["id"])
        outcome = self._tries.send(id, text)
        if outcome.taken:
            self._keep(place)
            self._tries.metrics.taken(name)
            return 0
        if outcome.gone:
            return None
        now, tries = self._tries.clock(), self.place.tries + 1
        if tries <= len(WAITS):
            wait = WAITS[tries - 1]
            self._keep(replace(self.place, tries=tries, next=now + wait * SECOND))
            return wait
        self._keep(place, Notice(name, id, place.sequence, now, tries, now + HOUR * SECOND, outcome.why))
        self._tries.metrics.set_aside(name)
        log.warning("%s: event %s is set aside, and tried every hour for %d days", name, id, DAYS)
        return 0

    def _find(self) -> tuple[Place, str] | None:
        """The next event that the receiver wants, with the place after it; None if the ledger has none.

        Passes those that it does not want.
        """
        while True:
            with self._tries.store.read() as connection:
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
        if self._tries.clock() - self._kept_at >= SAVE_SECONDS * SECOND:
            self.end()

    def _keep(self, place: Place, aside: Notice | None = None) -> None:
        with self._tries.turn:
            move_receiver(self._tries.store, self.receiver.name, place, aside)
        self.place = self._kept = place
        self._kept_at = self._tries.clock()
