"""A part's health over HTTP, if TPP_METRICS is set: /metrics, /health/live and /health/ready."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from services.failure import Failure

log = logging.getLogger("tpp.health")

disable_created_metrics()  # type: ignore[no-untyped-call]

STALL_SECONDS = 60.0
"""A part that has work and makes no progress for this long is stuck."""

ASK_SECONDS, SILENT_SECONDS = 1.0, 4.0
"""How often what a part needs is asked whether it is there, and how long without an answer the part stays ready."""

BROKER, DATABASE = "the broker", "the ledger's database"

Needs = Mapping[str, Callable[[], object]]
"""What a part needs, such as `the broker`, with a call that returns if it answers, and else raises or hangs."""


class Health:
    """The figures of one part. It is ready while it makes progress or has no work; running is not enough.

    What it needs must answer, too, whether it has work or not.
    """

    def __init__(self, part: str, stall: float = STALL_SECONDS) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.stall = stall
        self.part = part
        self._moved = time.monotonic()
        self._obstacle: str | None = "starting"
        self._done = Counter("tpp_records", "Records processed", ["part", "result"], registry=self.registry)
        self._waiting = Gauge("tpp_lag_records", "Records waiting for this part", ["part"], registry=self.registry)
        self._when = Gauge(
            "tpp_last_progress_timestamp_seconds",
            "Time at which the last record was processed, or the part started",
            ["part"],
            registry=self.registry,
        )
        self._when.labels(part).set_to_current_time()
        self._waiting.labels(part)
        self.lag = 0
        self._behind = 0
        self._answered: dict[str, float] = {}

    def did(self, result: str, records: int = 1) -> None:
        """Counts processed records by result, such as `decided` or `rejected`; this is progress."""
        self._done.labels(self.part, result).inc(records)
        self.moved()

    def moved(self) -> None:
        """Notes progress, and that nothing blocks the part."""
        self._moved = time.monotonic()
        self._obstacle = None
        self._when.labels(self.part).set_to_current_time()

    def waits(self, lag: int) -> None:
        """Notes how many records wait for this part; without any, it cannot stall."""
        self.lag = lag
        self._waiting.labels(self.part).set(lag)
        if lag == 0:
            self._moved = time.monotonic()

    def blocked(self, why: str | None) -> None:
        """Notes what blocks the part, such as the broker; None if nothing does."""
        self._obstacle = why

    def catches_up(self, partitions: int) -> None:
        """Notes in how many partitions messages that were lost have to be decided first."""
        self._behind = partitions

    def answers(self, need: str) -> None:
        """Notes that what the part needs has answered just now."""
        self._answered[need] = time.monotonic()

    def exposition(self) -> tuple[bytes, str]:
        """The metrics as Prometheus reads them, and their content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    @property
    def still_for(self) -> float:
        """How many seconds there has been work without progress."""
        return time.monotonic() - self._moved if self.lag else 0.0

    def unready(self) -> str | None:
        """Why the part is not ready, as a sentence; None if it is ready."""
        if self._obstacle is not None:
            return f"{self.part} is not ready: {self._obstacle}"
        for need, when in self._answered.items():
            silent = time.monotonic() - when
            if silent > SILENT_SECONDS:
                return f"{self.part} is not ready: {need} has not answered for {silent:.0f} seconds"
        if self._behind:
            many = f"{self._behind} partition{'' if self._behind == 1 else 's'}"
            return f"{self.part} is not ready: it is catching up in {many} after a loss"
        if self.still_for > self.stall:
            waiting = f"{self.lag} record{'' if self.lag == 1 else 's'} waiting"
            return f"{self.part} has {waiting} and has processed none for {self.still_for:.0f} seconds"
        return None


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            kind = "text/plain; charset=utf-8"
            if path == "/metrics":
                status, (text, kind) = 200, health.exposition()
            elif path == "/health/live":
                status, text = 200, b"alive\n"
            elif path == "/health/ready":
                why = health.unready()
                status, text = (200, b"ready\n") if why is None else (503, f"{why}\n".encode())
            else:
                status, text = 404, b"not found: /metrics, /health/live, /health/ready\n"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Logs no requests."""

    return _Handler


@contextmanager
def served(health: Health, address: str | None, needs: Needs) -> Iterator[int | None]:
    """Serves a part's health on `host:port`; yields the port, or None without an address.

    Meanwhile, what the part needs is asked every second whether it answers, each in a thread of its own, since one that
    hangs keeps its caller. Raises Failure if the address is invalid or in use.
    """
    if not address:
        yield None
        return
    host, _, port = address.rpartition(":")
    try:
        server = ThreadingHTTPServer((host.strip("[]") or "127.0.0.1", int(port)), _handler(health))
    except (ValueError, OverflowError, OSError) as error:
        raise Failure(f"TPP_METRICS: cannot listen on {address!r}: {error}") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    ended = threading.Event()
    for need, ask in needs.items():
        health.answers(need)
        threading.Thread(target=_ask, args=(health, need, ask, ended), name=need, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _ask(health: Health, need: str, ask: Callable[[], object], ended: threading.Event) -> None:
    while not ended.wait(ASK_SECONDS):
        try:
            ask()
        except Exception as error:  # noqa: BLE001  any failure means that it does not answer
            log.debug("%s does not answer: %r", need, error)
        else:
            health.answers(need)
