"""Queues of events that are bounded in bytes as well as in number."""

import asyncio
from typing import Any


def size_of(event: Any) -> int:
    """The bytes of an event's message; 0 of what has none."""
    message = getattr(event, "message", None)
    return len(getattr(message, "value", None) or b"")


class BoundedInBytes(asyncio.Queue[Any]):
    """A queue whose size is the part of `most_bytes` that its events take, where that is more than their number.

    It is full, and a fetch from the broker pauses, by either. An event is taken in whole, so that it may hold one more.
    """

    most_bytes: int

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
        """The number of events, or what their bytes amount to of `maxsize`, whichever is more."""
        return max(super().qsize(), self._bytes * self.maxsize // self.most_bytes)
