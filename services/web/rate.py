"""How many requests each token may make: a bucket that refills by the second and holds twice as much."""

BURST = 2
"""How many seconds' worth of requests may come at once."""
MOST = 1_024
"""How many buckets are kept before the full ones are dropped, and how many new ones come before that is tried again."""


class Rate:
    """Counts requests by key. `per_second`: how many each may make; 0 for any number.

    Times are seconds of a clock that never goes back. A bucket that is full again is forgotten, so that memory is
    bounded by the keys that were used in the last two seconds.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._most = float(BURST * per_second)
        self._left: dict[str, tuple[float, float]] = {}
        self._sweep_at = MOST

    def take(self, key: str, now: float) -> float:
        """Takes a request from the bucket of a key; 0.0, or in how many seconds there will be one to take."""
        if not self._per_second:
            return 0.0
        left = self._refilled(key, now)
        if left < 1:
            self._left[key] = (left, now)
            return (1 - left) / self._per_second
        self._left[key] = (left - 1, now)
        if len(self._left) > self._sweep_at:
            self._sweep(now)
        return 0.0

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._left)

    def _refilled(self, key: str, now: float) -> float:
        left, since = self._left.get(key, (self._most, now))
        return min(self._most, left + max(0.0, now - since) * self._per_second)

    def _sweep(self, now: float) -> None:
        self._left = {key: kept for key, kept in self._left.items() if self._refilled(key, now) < self._most}
        self._sweep_at = len(self._left) + MOST
