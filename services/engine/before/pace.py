"""How many events a turn takes, so that it is about as long as it may be and nobody waits for it any longer."""

TARGET = 0.05
"""The seconds that a turn should take."""
LEAST = 20
"""The events that a turn takes however long they take, so that what a turn costs by itself is shared."""
_FIRST = 0.000_5
"""The seconds that an event takes before any was measured."""
_SHARE = 0.3
"""How much the latest turn counts."""


class Pace:
    """The seconds that an event took inside the latest turns, each with its part of what a turn costs by itself."""

    def __init__(self) -> None:
        self._each = _FIRST

    def fits(self) -> int:
        """How many events fit into a turn."""
        return max(LEAST, int(TARGET / self._each))

    def took(self, events: int, seconds: float) -> None:
        """Notes how long a turn of so many events was."""
        if events:
            self._each += _SHARE * (seconds / events - self._each)
