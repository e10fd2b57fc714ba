"""One try to send an event, and what becomes of events that were set aside: tried every hour, in the end given up."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import orjson

from ledger.database.store import Store
from ledger.doors.notices import Notice, next_due, put_off, remove_notice
from ledger.queries.records import published_answer
from services.notify.receivers import Receiver
from services.notify.sending import Send
from services.notify.webhooks import Outcome
from services.telemetry.notices import NoticeMetrics

log = logging.getLogger("tpp.notify")

SECOND = 1_000_000
HOUR, DAYS = 3_600, 3
"""How often, in seconds, an event that was set aside is tried, and for how many days."""


class Tries:
    """Sends events to one receiver. `clock` gives the time in microseconds since 1970 (UTC).

    `turn`: held while something is written, so that receivers that write at once do not use up the database's
    connections.
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
        self.store = store
        self.receiver = receiver
        self.clock = clock
        self.metrics = metrics
        self.turn = turn
        self.is_off = False
        """Whether the receiver has answered that it wants nothing any more (410)."""
        self._send = send
        metrics.begin(receiver.name)

    def send(self, id: str, text: str) -> Outcome:
        """Sends an event once, and counts and logs how it ended."""
        name = self.receiver.name
        try:
            outcome = self._send(id, text, self.clock())
        except Exception as error:  # noqa: BLE001  what fails for one receiver must not end the others
            outcome = Outcome(False, f"it could not be sent ({type(error).__name__})")
        if outcome.taken:
            return outcome
        self.metrics.failed(name)
        log.warning("%s: event %s was not taken: %s", name, id, outcome.why)
        if outcome.gone:
            self.is_off = True
            log.error("%s answered 410: it gets nothing until the next start", name)
        return outcome

    def until(self, due: int | None, most: float) -> float:
        """How many seconds it is to an instant; 0 if it has come.

        Also where it lies further ahead than `most` seconds, to which it was set: the machine's clock was set back.
        """
        ahead = 0.0 if due is None else (due - self.clock()) / SECOND
        return ahead if 0 < ahead <= most else 0.0


class Aside:
    """The events that were set aside for one receiver."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    def step(self) -> float | None:
        """Tries the event that is due first; returns when the next one is due, None if there is none."""
        tries = self._tries
        if tries.is_off:
            return None
        with tries.store.read() as connection:
            notice = next_due(connection, tries.receiver.name)
            if notice is None:
                return None
            due = tries.until(notice.next, HOUR)
            if due > 0:
                return due
            text = published_answer(connection, notice.sequence)
        if text is None or orjson.loads(text)["id"] != notice.id:
            self._put_off(replace(notice, next=None, why="the ledger does not have this event any more"))
            return 0
        outcome = tries.send(notice.id, text)
        if outcome.taken:
            with tries.turn:
                remove_notice(tries.store, notice)
            tries.metrics.taken(tries.receiver.name)
        elif not outcome.gone:
            now = tries.clock()
            is_over = now >= notice.since + DAYS * 24 * HOUR * SECOND
            later = None if is_over else now + HOUR * SECOND
            self._put_off(replace(notice, tries=notice.tries + 1, next=later, why=outcome.why))
        return 0

    def _put_off(self, notice: Notice) -> None:
        """Notes a try in vain."""
        tries, name = self._tries, self._tries.receiver.name
        with tries.turn:
            put_off(tries.store, notice)
        if notice.next is None:
            tries.metrics.given_up(name)
            log.error(
                "%s: event %s is given up; send it again by `tpp notify retry %s`", name, notice.id, notice.id
            )  # fmt: skip
