"""What a part says of itself over HTTP where TPP_METRICS is set: /metrics, /health/live and /health/ready."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from services.failure import Failure

STALL_SECONDS = 60.0
"""A part that has work and does not get on with it for so long is stuck."""


class Health:
    """The figures of one part. It is ready while it gets on with its work, or has none; not by being there."""

    def __init__(self, part: str, stall: float = STALL_SECONDS) -> None:
        self.registry = CollectorRegistry()
        self.stall = stall
        self._part = part
        self._moved = time.monotonic()
        self._obstacle: str | None = "it is starting"
        self._done = Counter("tpp_records", "Records worked off", ["part", "result"], registry=self.registry)
        self._waiting = Gauge("tpp_lag_records", "Records that wait for this part", ["part"], registry=self.registry)
        self._when = Gauge(
            "tpp_last_progress_timestamp_seconds", "When a record was last worked off", ["part"], registry=self.registry
        )
        self.lag = 0

    def did(self, result: str, records: int = 1) -> None:
        """Counts records that were worked off, such as `decided` or `rejected`; this is progress."""
        self._done.labels(self._part, result).inc(records)
        self.moved()

    def moved(self) -> None:
        """Notes progress, and that nothing stands in the way."""
        self._moved = time.monotonic()
        self._obstacle = None
        self._when.labels(self._part).set_to_current_time()

    def waits(self, lag: int) -> None:
        """Notes how many records wait for this part; with none, time that passes is no standstill."""
        self.lag = lag
        self._waiting.labels(self._part).set(lag)
        if lag == 0:
            self._moved = time.monotonic()

    def blocked(self, why: str | None) -> None:
        """Notes what the part waits for, such as the broker; None where nothing."""
        self._obstacle = why

    @property
    def still_for(self) -> float:
        """For how many seconds there has been work and no progress."""
        return time.monotonic() - self._moved if self.lag else 0.0

    def unready(self) -> str | None:
        """Why the part is not ready, as a sentence; None where it is."""
        if self._obstacle is not None:
            return f"{self._part} is not ready: {self._obstacle}"
        if self.still_for > self.stall:
            return f"{self._part} has {self.lag} records to do and has done none for {self.still_for:.0f} seconds"
        return None


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            kind = "text/plain; charset=utf-8"
            if path == "/metrics":
                status, kind, text = 200, CONTENT_TYPE_LATEST, generate_latest(health.registry)
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
            """Says nothing of requests."""

    return _Handler


@contextmanager
def served(health: Health, address: str | None) -> Iterator[int | None]:
    """Serves a part's health on `host:port`; gives the port, or None where there is no address.

    Raises Failure where the address is none, or taken.
    """
    if not address:
        yield None
        return
    host, _, port = address.rpartition(":")
    try:
        server = ThreadingHTTPServer((host.strip("[]") or "127.0.0.1", int(port)), _handler(health))
    except (ValueError, OverflowError, OSError) as error:
        raise Failure(f"TPP_METRICS: nothing can be served on {address!r}: {error}") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
