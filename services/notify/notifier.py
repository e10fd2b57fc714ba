"""Runs every receiver's delivery, each in a thread of its own; one process of a ledger is active at a time."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ledger.database.store import DatabaseError, Store, database_message, knock
from ledger.doors.notices import add_receivers, last_place
from ledger.registers.outbox import Lost, Right
from services.notify.delivery import Behind, Delivery
from services.notify.receivers import Receiver, read_receivers
from services.notify.sending import Send, sender
from services.notify.tries import Tries
from services.notify.webhooks import ANSWER_SECONDS
from services.resources import opened, wall_clock
from services.stream.signals import Ended, until_signal
from services.telemetry.health import DATABASE, Health, served
from services.telemetry.notices import NoticeMetrics

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.notify")

LOOK_SECONDS, CHECK_SECONDS, RETRY_SECONDS = 0.2, 1.0, 1.0
STALL_SECONDS = 1_800.0
"""An event is taken or set aside within this: five tries, of at most a minute each, and the waits between them."""

DUE_SECONDS, IDLE_SECONDS = 1.0, 5.0
"""The longest that a delivery sleeps while a try is set, so that a clock that was set is noticed, and while none is."""

END_SECONDS = ANSWER_SECONDS + 2
"""How long the end waits for tries that are under way, so that what was taken is noted."""


def run(settings: "Settings", ledger_url: str | None) -> int:
    """Sends receivers the events that they want until SIGTERM or SIGINT; returns 0.

    Raises Failure if the file of receivers is wrong.
    """
    quiet()
    receivers = read_receivers(settings.notify)
    health = Health("notify", stall=STALL_SECONDS)
    with (
        opened(ledger_url) as store,
        until_signal() as ended,
        served(health, settings.metrics, {DATABASE: partial(knock, store)}),
    ):
        sends = [(one, sender(one, settings.public_url)) for one in receivers]
        Notifier(store, sends, health, ended, wall_clock).run()
    return 0


def quiet() -> None:
    """Keeps the HTTP client from logging the URLs of receivers, which may hold a password."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _News:
    """Wakes deliveries when the ledger has new events, and tells them to stop."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.number = 0
        self.is_over = False
        self.error: Exception | None = None
        """Why a delivery ended, if one has ended by itself."""

    def tell(self) -> None:
        """Says that there is something new."""
        with self._changed:
            self.number += 1
            self._changed.notify_all()

    def stop(self, error: Exception | None = None) -> None:
        """Has every delivery end."""
        with self._changed:
            self.is_over = True
            self.error = self.error or error
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Waits until there is something newer than `seen`, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_over or self.number != seen, seconds)


class Notifier:
    """Runs deliveries while it has the lock, until `ended` is set."""

    def __init__(
        self,
        store: Store,
        receivers: Sequence[tuple[Receiver, Send]],
        health: Health,
        ended: Ended,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._health = health
        self._ended = ended
        self._right = Right(store, "notify")
        metrics, turn = NoticeMetrics(health.registry), threading.Lock()
        self._deliveries = [Delivery(Tries(store, one, send, clock, metrics, turn)) for one, send in receivers]
        self._said = ""

    def run(self) -> None:
        """Runs until `ended` is set; failures of the database are waited out."""
        try:
            while not self._ended.is_set():
                self._try()
        finally:
            self._right.give_back()

    def _try(self) -> None:
        try:
            if self._right.take():
                add_receivers(self._store, [one.receiver.name for one in self._deliveries])
                self._say(logging.INFO, f"sends to {', '.join(one.receiver.name for one in self._deliveries)}")
                self._deliver()
            else:
                self._say(logging.INFO, "another process sends; standing by")
                self._health.waits(0)
                self._health.blocked(None)
                self._ended.wait(RETRY_SECONDS)
        except Lost:
            self._say(logging.WARNING, "lost the notify lock; taking it again")
        except DatabaseError as error:
            self._pause(f"the ledger's database failed: {database_message(error)}")
        except Behind as error:
            self._pause(str(error))

    def _pause(self, why: str) -> None:
        self._say(logging.WARNING, f"{why}; trying again")
        self._health.blocked(why)
        self._ended.wait(RETRY_SECONDS)

    def _say(self, level: int, what: str) -> None:
        """Logs a state once, however long it lasts."""
        if what != self._said:
            log.log(level, "%s", what)
        self._said = what

    def _deliver(self) -> None:
        """Runs the deliveries; raises what ended one of them."""
        for one in self._deliveries:
            one.begin()
        news = _News()
        threads = [
            threading.Thread(target=_work, args=(one, news), name=one.receiver.name, daemon=True)
            for one in self._deliveries
        ]
        for thread in threads:
            thread.start()
        try:
            self._look(news)
        finally:
            news.stop()
            end = time.monotonic() + END_SECONDS
            for thread in threads:
                while thread.is_alive() and not (self._ended.is_set() and time.monotonic() >= end):
                    thread.join(LOOK_SECONDS)
        if news.error is not None:
            raise news.error

    def _look(self, news: _News) -> None:
        """Looks for new events until the end."""
        checked, last, least = time.monotonic(), -1, -1
        while not (self._ended.is_set() or news.is_over):
            if time.monotonic() - checked >= CHECK_SECONDS:
                self._right.check()
                checked = time.monotonic()
            with self._store.read() as connection:
                place = last_place(connection)
            if place.sequence != last:
                last = place.sequence
                news.tell()
            reached = [one.place.record for one in self._deliveries if not one.is_off]
            lowest = min(reached, default=place.record)
            if lowest != least:
                least = lowest
                self._health.moved()
            self._health.waits(max(0, place.record - lowest))
            self._health.blocked(None)
            self._ended.wait(LOOK_SECONDS)


def _work(delivery: Delivery, news: _News) -> None:
    """Runs one delivery until the news are over."""
    try:
        while not news.is_over:
            seen = news.number
            wait = delivery.step()
            if wait != 0:
                news.wait(seen, IDLE_SECONDS if wait is None else min(wait, DUE_SECONDS))
        delivery.end()
    except Exception as error:  # noqa: BLE001  the thread of the part raises it
        news.stop(error)
