"""The end of a part: SIGTERM or SIGINT."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue


class Ended:
    """Whether the end was asked for. A threading.Event may stand for ever where a signal sets it in its own wait."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._is = False

    def set(self) -> None:
        """Asks for the end; a signal handler may do so at any moment."""
        self._is = True
        self._asked.put(None)

    def is_set(self) -> bool:
        """Whether the end was asked for."""
        return self._is

    def wait(self, seconds: float) -> None:
        """Returns after so many seconds, or once the end was asked for."""
        if not self._is:
            with suppress(Empty):
                self._asked.get(timeout=max(0.0, seconds))


@contextmanager
def until_signal() -> Iterator[Ended]:
    """What SIGTERM or SIGINT sets."""
    ended = Ended()
    handlers = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
