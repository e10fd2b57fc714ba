"""Stops a part, or interrupts a command, on SIGTERM or SIGINT."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue


class Ended:
    """Whether a stop was requested. A threading.Event may deadlock if a signal sets it during its own wait."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._is = False

    def set(self) -> None:
        """Requests the stop; a signal handler may do so at any moment."""
        self._is = True
        self._asked.put(None)

    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._is

    def wait(self, seconds: float) -> None:
        """Waits this many seconds, or until a stop is requested."""
        if not self._is:
            with suppress(Empty):
                self._asked.get(timeout=max(0.0, seconds))


@contextmanager
def until_signal() -> Iterator[Ended]:
    """An Ended that SIGTERM and SIGINT set."""
    ended = Ended()
    handlers = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Lets SIGTERM raise KeyboardInterrupt, as SIGINT does."""
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def end_with_parent() -> None:
    """Sends this process SIGTERM at the end of its standard input, so that it does not outlive its parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    while os.read(sys.__stdin__.fileno() if sys.__stdin__ else 0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
