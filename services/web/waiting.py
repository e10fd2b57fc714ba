"""The requests that wait for their turn at the engine."""

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.engine.engine import Texts
from services.engine.message import ReadMessage

LARGE, MOST_OF_SIZE = 100, 1_000
"""A request of more events is large. A turn takes so many events of small and of large ones, so none waits long."""

FEWEST, ALONE, COMPANY = 2, 0.002, 0.005
"""The first request that waits is kept for as many as were decided last time, at least FEWEST: for so many seconds
where the last one was alone, and where it was not."""


@dataclass(eq=False, slots=True)
class WaitingRequest:
    """A request that waits for its turn, or was taken: what came of it until now."""

    read: Sequence[ReadMessage]
    follow: bool
    arrived: float
    future: "asyncio.Future[list[Texts]]"
    answers: list[Texts] = field(default_factory=list)
    complete: bool = False

    @property
    def answered(self) -> bool:
        """Whether every message has its answer; what follows may be missing."""
        return len(self.answers) == len(self.read)


class Queue:
    """The requests that wait, in the order of their arrival; every method may be called by any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: OrderedDict[WaitingRequest, None] = OrderedDict()
        self._events = 0
        self._expected = FEWEST
        self._changed = threading.Condition()
        self.closed = False
        """Whether nothing may wait any more."""

    def add(self, request: WaitingRequest) -> bool:
        """Lets a request wait; returns False, if there is no room for it, or the queue is closed."""
        with self._changed:
            if self.closed or self._events + len(request.read) > self._most:
                return False
            self._waiting[request] = None
            self._events += len(request.read)
            if len(self._waiting) == 1 or len(self._waiting) >= self._expected:
                self._changed.notify()
            return True

    def withdraw(self, request: WaitingRequest) -> bool:
        """Takes a request back; returns False if it was taken, and will be answered."""
        with self._changed:
            if request not in self._waiting:
                return False
            self._remove(request)
            return True

    def take(self) -> list[WaitingRequest]:
        """Removes the requests that are decided next: the oldest of the small and of the large ones."""
        with self._changed:
            chosen: list[WaitingRequest] = []
            room = {False: MOST_OF_SIZE, True: MOST_OF_SIZE}
            for request in self._waiting:
                size = len(request.read)
                large = size > LARGE
                if size <= room[large]:
                    chosen.append(request)
                    room[large] -= size
                else:
                    room[large] = 0
                if not any(room.values()):
                    break
            for request in chosen:
                self._remove(request)
            self._expected = max(FEWEST, len(chosen))
            return chosen

    def wait(self) -> bool:
        """Waits until a request is there, and a little for as many as last time; returns False where none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.closed)
            if not self._waiting:
                return False
            first = next(iter(self._waiting))
            left = first.arrived + (ALONE if self._expected == FEWEST else COMPANY) - time.monotonic()
            if left > 0:
                self._changed.wait_for(lambda: self.closed or len(self._waiting) >= self._expected, left)
            return True

    def close(self) -> list[WaitingRequest]:
        """Lets nothing wait any more; removes and returns what does."""
        with self._changed:
            left = list(self._waiting)
            for request in left:
                self._remove(request)
            self.closed = True
            self._changed.notify_all()
            return left

    def _remove(self, request: WaitingRequest) -> None:
        del self._waiting[request]
        self._events -= len(request.read)
