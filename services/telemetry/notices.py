"""Metrics of what is sent to people."""

from prometheus_client import CollectorRegistry, Counter


class NoticeMetrics:
    """How many tries to send an event ended how, by receiver, in the registry of a part's health."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._taken = Counter("tpp_notices_taken", "Events that a receiver has taken", ["receiver"], registry=registry)
        self._failures = Counter(
            "tpp_webhook_failures", "Tries to send an event that failed", ["receiver"], registry=registry
        )
        self._set_aside = Counter(
            "tpp_notices_set_aside", "Events that were set aside after five tries", ["receiver"], registry=registry
        )
        self._given_up = Counter(
            "tpp_notices_given_up", "Events that are not tried any more", ["receiver"], registry=registry
        )

    def begin(self, receiver: str) -> None:
        """Shows a receiver's counts from 0 on, so that the first failure is seen as a rise."""
        for counter in (self._taken, self._failures, self._set_aside, self._given_up):
            counter.labels(receiver)

    def taken(self, receiver: str) -> None:
        """Counts an event that a receiver has taken."""
        self._taken.labels(receiver).inc()

    def failed(self, receiver: str) -> None:
        """Counts a try that failed."""
        self._failures.labels(receiver).inc()

    def set_aside(self, receiver: str) -> None:
        """Counts an event that was set aside."""
        self._set_aside.labels(receiver).inc()

    def given_up(self, receiver: str) -> None:
        """Counts an event that is not tried any more."""
        self._given_up.labels(receiver).inc()
