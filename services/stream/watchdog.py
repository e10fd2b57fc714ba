"""Ends a worker that has work and does not get on with it; whoever runs it starts another."""

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from services.failure import BrokerError
from services.kafka.faust_app import assigned_to
from services.kafka.offsets import Offsets, Place
from services.telemetry.health import Health

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

EVERY_SECONDS = 5.0
EXIT_STUCK = 75


class Watchdog(threading.Thread):
    """Asks the broker every few seconds how far the group is behind, in a thread that no standing event loop stops.

    A worker answers for the partitions that it has; without any, for all.
    """

    def __init__(
        self, app: Any, settings: "Settings", health: Health, places: Sequence[Place], ended: threading.Event
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._app = app
        self._health = health
        self._offsets = Offsets(settings)
        self._places = places
        self._ended = ended
        self._empty: dict[Place, int] = {}
        """Up to where a partition was found to hold nothing more to read, such as markers of transactions."""
        self._at: dict[Place, int] = {}

    def run(self) -> None:
        """Watches until `ended` is set; ends the process where it is stuck."""
        from kafka.errors import KafkaError

        while not self._ended.wait(min(EVERY_SECONDS, self._health.stall / 3)):
            try:
                self._ask()
            except (KafkaError, BrokerError, OSError, ValueError) as error:
                log.warning("the broker does not say how much there is to do: %s", error)
                self._health.blocked("the broker does not answer")
                self._offsets.close()
                continue
            if self._health.still_for > self._health.stall:
                log.critical("%s; ending, so that another starts", self._health.unready())
                faulthandler.dump_traceback(sys.stderr)
                os._exit(EXIT_STUCK)
        self._offsets.close()

    def _mine(self) -> list[Place]:
        """The partitions that this worker has now."""
        assigned = [(tp.topic, tp.partition) for tp in assigned_to(self._app)]
        return [place for place in assigned if place in self._places]

    def _ask(self) -> None:
        places = self._mine() or list(self._places)
        ends = self._offsets.ends(places)
        at = self._offsets.committed(places)
        for place in places:
            if place not in at:
                at[place] = self._offsets.beginnings([place])[place]
        if any(at[place] > self._at.get(place, -1) for place in places):
            self._health.moved()
        lag = 0
        for place in places:
            if (
                at[place] < ends[place]
                and at[place] == self._at.get(place)
                and self._is_empty(place, at[place], ends[place])
            ):
                continue
            lag += ends[place] - at[place]
        self._at = at
        self._health.blocked(None)
        self._health.waits(lag)

    def _is_empty(self, place: Place, first: int, end: int) -> bool:
        """Whether nothing that must be decided stands from `first` to before `end`."""
        if self._empty.get(place, -1) >= end:
            return True
        if next(self._offsets.messages(place, first, end), None) is not None:
            return False
        self._empty[place] = end
        return True
