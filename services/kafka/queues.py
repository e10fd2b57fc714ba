"""Queues of events that are bounded in bytes as well as in number."""

import asyncio
from collections.abc import Collection
from typing import Any


def size_of(event: Any) -> int:
    """The bytes of an event's message; 0 if it has none."""
    message = getattr(event, "message", None)
    return len(getattr(message, "value", None) or b"")


class BoundedInBytes(asyncio.Queue[Any]):
    """A queue whose size is the share of `most_bytes` that its events take, if that is more than their number.

    Either makes it full and pauses the fetch from the broker. Events are not split, so it may contain one more.
    """

    most_bytes: int
    _queue: Collection[Any]
    _maxsize: int

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    def _put(self, item: Any) -> None:
        super()._put(item)
        self._bytes += size_of(item)

    def _get(self) -> Any:
        item = super()._get()
        self._bytes -= size_of(item)
        return item

    def qsize(self) -> int:
        """The number of events, or the share of `maxsize` that their bytes take, whichever is more."""
        return max(len(self._queue), self._bytes * self._maxsize // self.most_bytes)
