"""What the parts count for Prometheus: the engine's decisions, the relay's lag, the requests of the HTTP interface.

Names follow Prometheus' conventions: `tpp_`, base units, `_total`. docs/operate/metrics.md lists them.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

import orjson
from prometheus_client import Counter, Gauge, Histogram

from ledger.journal import Turn
from schemas.codes import RejectionCode
from schemas.event_types import INCOMING, OUTGOING
from schemas.wire.read import Event
from services.engine.context import Observer
from services.engine.message import ReadMessage

if TYPE_CHECKING:
    from services.telemetry.health import Health

log = logging.getLogger("tpp.metrics")

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)

UNREADABLE, OTHER, REPEATED = "unreadable", "other", "repeated"
"""The type of a message that is not an event, a type that does not come in, and the outcome of a repeat."""

_ANSWER = re.compile(r'"type":"([^"]*)".*?"sequence":"([0-9]+)"')
_WITH_REASONS = ("held", "denied", "refused", "rejected")


class EngineMetrics(Observer):
    """Counts what an engine decides, for the part of which `health` is; `others` are told of each transaction too."""

    def __init__(self, health: "Health", others: Sequence[Observer] = ()) -> None:
        part, registry = health.part, health.registry
        self._part = part
        self._others = others
        self._events = Counter(
            "tpp_events", "Events answered, by type and outcome", ["part", "type", "outcome"], registry=registry
        )
        self._answers = Counter("tpp_answers", "Events given out, by type", ["part", "type"], registry=registry)
        self._reasons = Counter(
            "tpp_reasons", "Reasons of holds, refusals and rejections, by code", ["part", "code"], registry=registry
        )
        self._reasons.labels(part, RejectionCode.INTERNAL_ERROR.value)
        self._batch = _sizes("tpp_batch_events", "Events decided in one transaction", health)
        self._wait = _seconds("tpp_turn_wait_seconds", "Time a transaction waited for its turn at the ledger", health)
        self._turn = _seconds("tpp_turn_seconds", "Time a transaction kept the turn, to the end of its commit", health)
        self._statement = _seconds("tpp_database_statement_seconds", "Time of one statement or commit", health)

    def turn(self) -> Turn:
        """Measures how long a transaction waits for its turn, and keeps it."""
        return _Turn(self._wait.observe, self._turn.observe)

    def timed(self) -> AbstractContextManager[None]:
        """Measures how long the database works."""
        return _Timed(self._statement.observe)

    @contextmanager
    def transaction(self, batch: Sequence[ReadMessage]) -> Iterator[None]:
        """Lets the others surround the transaction."""
        with ExitStack() as surrounding:
            for other in self._others:
                surrounding.enter_context(other.transaction(batch))
            yield

    def decided(self, batch: Sequence[ReadMessage], answers: Sequence[Sequence[str]], since: int) -> None:
        """Counts a transaction and tells the others of it. What fails is logged: the decisions stand in the ledger."""
        for tell in (self._count, *(other.decided for other in self._others)):
            try:
                tell(batch, answers, since)
            except Exception:
                log.exception("what was decided could not be counted, logged or traced")

    def _count(self, batch: Sequence[ReadMessage], answers: Sequence[Sequence[str]], since: int) -> None:
        """Counts the events of a transaction, by type and outcome, and the reasons that were given."""
        self._batch.observe(len(batch))
        for read, texts in zip(batch, answers, strict=True):
            outcome = outcome_of(texts[0], since)
            self._events.labels(self._part, type_of(read), outcome).inc()
            if outcome == REPEATED:
                continue
            for text in texts:
                given, reasons = _given(text)
                self._answers.labels(self._part, given).inc()
                for code in reasons:
                    self._reasons.labels(self._part, code).inc()


class _Timed(AbstractContextManager[None]):
    """Measures a block; a generator would take three times as long, for each statement."""

    __slots__ = ("_began", "_note")

    def __init__(self, note: Callable[[float], None]) -> None:
        self._note = note

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._note(time.perf_counter() - self._began)


class _Turn(Turn):
    """Measures one turn."""

    def __init__(self, waited: Callable[[float], None], kept: Callable[[float], None]) -> None:
        self._waited, self._kept = waited, kept
        self._since = time.perf_counter()
        self._has = False

    def taken(self) -> None:
        """Notes how long it took to get the turn."""
        self._has = True
        self._waited(self._lap())

    def ended(self) -> None:
        """Notes how long the turn was kept; one that was never had does not count."""
        if self._has:
            self._kept(self._lap())

    def _lap(self) -> float:
        now = time.perf_counter()
        since, self._since = self._since, now
        return now - since


def type_of(read: ReadMessage) -> str:
    """The type of a message's event, of those that come in; a bounded number of names, whatever is sent."""
    if not isinstance(read.event, Event):
        return UNREADABLE
    return read.event.type if read.event.type in INCOMING else OTHER


def outcome_of(answer: str, since: int) -> str:
    """The outcome that an answer tells, such as `approved`, `held` or `recorded`; `repeated` if it was given before."""
    found = _ANSWER.search(answer)
    if found is None:
        return OTHER
    return REPEATED if int(found[2]) <= since else _outcome(found[1])


def _outcome(type: str) -> str:
    """The word of an outgoing type that says what became of the event: `held` of `tpp.shipment.held.v1`."""
    return type.split(".")[2] if type in OUTGOING else OTHER


def _given(text: str) -> tuple[str, list[str]]:
    """The type of an outgoing event, and the codes of its reasons."""
    found = _ANSWER.search(text)
    if found is None or found[1] not in OUTGOING:
        return OTHER, []
    return found[1], codes_of(text) if _outcome(found[1]) in _WITH_REASONS else []


def codes_of(answer: str) -> list[str]:
    """The codes of the reasons, or of the errors, that an answer gives."""
    data = orjson.loads(answer)["data"]
    return [str(one["code"]) for one in (data.get("reasons") or data.get("errors") or ())]


class StreamMetrics:
    """What a worker measures of the stream: how long messages took from their publication to their decision."""

    def __init__(self, health: "Health") -> None:
        self._waited = _seconds(
            "tpp_publish_to_decision_seconds",
            "Time from a message's timestamp in Kafka to the commit of its decision",
            health,
        )

    def decided(self, published: Sequence[float | None]) -> None:
        """Notes messages that are decided now; `published`: when each was, in seconds since 1970 (UTC)."""
        now = time.time()
        for when in published:
            if when is not None and when > 0:
                self._waited.observe(max(0.0, now - when))


class RelayMetrics:
    """How far the relay is behind the ledger: in records, which `health` has, and in seconds."""

    def __init__(self, health: "Health") -> None:
        lag = Gauge("tpp_relay_lag_seconds", "Age of the oldest record that is not published", registry=health.registry)
        self._health = health
        self._oldest: int | None = None
        lag.set_function(self._seconds)

    def waits(self, records: int, oldest: int | None) -> None:
        """Notes how many records wait, and when the oldest of them was made, in microseconds; None without any."""
        self._health.waits(records)
        self._oldest = oldest

    def _seconds(self) -> float:
        oldest = self._oldest
        return 0.0 if oldest is None else max(0.0, time.time() - oldest / 1_000_000)


class WebMetrics:
    """What the HTTP interface counts: requests, and tokens that it refused."""

    def __init__(self, health: "Health") -> None:
        registry = health.registry
        self._requests = Counter(
            "tpp_http_requests", "Requests answered, by method and status", ["method", "status"], registry=registry
        )
        self._took = Histogram(
            "tpp_http_request_duration_seconds",
            "Time from a request's headers to the end of its answer; of a stream, to its first byte",
            registry=registry,
            buckets=SECONDS,
        )
        self._refused = Counter(
            "tpp_tokens_refused", "Requests refused for their token, by problem", ["problem"], registry=registry
        )

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        known = method if method in ("GET", "HEAD", "POST", "OPTIONS") else OTHER
        self._requests.labels(known, str(status)).inc()
        self._took.observe(seconds)

    def refused(self, problem: str) -> None:
        """Counts a request that its token does not open, or that has none; `problem` is the last part of its type."""
        self._refused.labels(problem).inc()

    def expect(self, problems: Sequence[str]) -> None:
        """Begins at 0 with these problems, so that the first one is seen as an increase."""
        for problem in problems:
            self._refused.labels(problem)


def _seconds(name: str, text: str, health: "Health") -> Histogram:
    return Histogram(name, text, ["part"], registry=health.registry, buckets=SECONDS).labels(health.part)


def _sizes(name: str, text: str, health: "Health") -> Histogram:
    return Histogram(name, text, ["part"], registry=health.registry, buckets=SIZES).labels(health.part)
