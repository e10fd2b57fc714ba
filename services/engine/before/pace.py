"""How many events a turn takes, so that nobody waits long for it.

What a turn costs by itself (reading ahead, writing, the commit) is left out: were it counted, a slow disk would make
turns small, and small turns would be all that the disk has time for.
"""

TARGET = 0.05
"""The seconds in which a turn should decide its events."""
LEAST = 20
"""The events that a turn takes however long they take, since others have to wait for what it costs by itself too."""
_FIRST = 0.000_5
"""The seconds that an event takes before any was measured."""
_SHARE = 0.3
"""How much the latest turn counts."""


class Pace:
    """The seconds in which the latest turns decided an event."""

    def __init__(self) -> None:
        self._each = _FIRST

    def fits(self) -> int:
        """How many events fit into a turn."""
        return max(LEAST, int(TARGET / self._each))

    def took(self, events: int, seconds: float) -> None:
        """Notes in how many seconds a turn decided so many events."""
        if events:
            self._each += _SHARE * (seconds / events - self._each)
