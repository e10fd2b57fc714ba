"""Ends a worker that has work and makes no progress; its supervisor starts another."""

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from services.failure import BrokerError
from services.kafka.faust_app import assigned_to, is_placed
from services.kafka.offsets import Offsets, Place
from services.stream.gate import Gate
from services.telemetry.health import Health

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

EVERY_SECONDS = 5.0
EXIT_STUCK = 75


class Watchdog(threading.Thread):
    """Asks the broker every few seconds for the group's lag, in a thread that a blocked event loop does not stop.

    A worker answers for the partitions that it has; without any, for all.
    """

    def __init__(
        self,
        app: Any,
        gate: Gate,
        settings: "Settings",
        health: Health,
        places: Sequence[Place],
        ended: threading.Event,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._app = app
        self._gate = gate
        self._health = health
        self._offsets = Offsets(settings)
        self._places = places
        self._ended = ended
        self._empty: dict[Place, int] = {}
        """The offset up to which a partition has nothing more to read, only markers of transactions."""
        self._at: dict[Place, int] = {}
        self._beyond: set[Place] = set()
        """The partitions that ended before the committed offset when they were last asked about."""

    def run(self) -> None:
        """Watches until `ended` is set; ends the process if it is stuck."""
        from kafka.errors import KafkaError

        while not self._ended.wait(min(EVERY_SECONDS, self._health.stall / 3)):
            try:
                self._ask()
            except (KafkaError, BrokerError, OSError, ValueError) as error:
                log.warning("cannot read the lag from the broker: %s", error)
                self._health.blocked("the broker does not answer")
                self._offsets.close()
                continue
            if self._health.still_for > self._health.stall:
                log.critical("%s; ending so that a supervisor can restart the worker", self._health.unready())
                faulthandler.dump_traceback(sys.stderr)
                os._exit(EXIT_STUCK)
        self._offsets.close()

    def _mine(self) -> list[Place]:
        """The partitions that this worker has now."""
        assigned = [(tp.topic, tp.partition) for tp in assigned_to(self._app)]
        return [place for place in assigned if place in self._places]

    def _ask(self) -> None:
        mine = self._mine()
        placed = is_placed(self._app)
        places = mine or list(self._places)
        ends = self._offsets.ends(places)
        at = self._offsets.committed(places)
        for place in places:
            if place not in at:
                at[place] = self._offsets.beginnings([place])[place]
        if placed:
            self._check_ends(mine, at, ends)
        if any(at[place] > self._at.get(place, -1) for place in places):
            self._health.moved()
        waiting = {place: self._lag(place, at[place], ends[place]) for place in places}
        self._at = at
        if placed:
            self._gate.catch_up({place: at[place] if waiting[place] else ends[place] for place in mine})
        self._health.blocked(None if placed else "it waits for its partitions")
        self._health.waits(sum(waiting.values()))

    def _lag(self, place: Place, at: int, end: int) -> int:
        """How many offsets of a partition have to be read; none if only markers of transactions are left."""
        if at < end and at == self._at.get(place) and self._is_empty(place, at, end):
            return 0
        return max(0, end - at)

    def _check_ends(self, mine: Sequence[Place], at: Mapping[Place, int], ends: Mapping[Place, int]) -> None:
        """Ends the worker if the broker lost the end of a partition while it ran.

        The next worker sees it when the partition is assigned to it, and goes on from the right place. The broker has
        to say it twice, since a new leader may report an end that is too low for a moment.
        """
        beyond = {place for place in mine if at[place] > ends[place]}
        if lost := sorted(beyond & self._beyond):
            topic, partition = lost[0]
            log.critical(
                "%s/%d: the broker lost offsets %d to %d; ending so that a supervisor can restart the worker",
                topic, partition, ends[lost[0]], at[lost[0]] - 1,
            )  # fmt: skip
            os._exit(EXIT_STUCK)
        self._beyond = beyond

    def _is_empty(self, place: Place, first: int, end: int) -> bool:
        """Whether there is nothing to decide from offset `first` up to, but not including, `end`."""
        if self._empty.get(place, -1) >= end:
            return True
        if next(self._offsets.messages(place, first, end), None) is not None:
            return False
        self._empty[place] = end
        return True
