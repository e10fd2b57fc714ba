"""Prints the messages a second that Faust alone delivers: the worker's own loop with an engine that does nothing.

TPP_BROKER=host:port TPP_GROUP=alone python ops/faust_alone.py COUNT
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

from services import worker
from services.health import Health
from services.settings import Settings


class Idle:
    """Takes the place of the engine: counts, and ends the process when all came."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._count = count
        self._start = 0.0

    def run(self, records: Sequence[object]) -> list[list[str]]:
        """Nothing for each record."""
        if not self._start:
            self._start = time.perf_counter()
        self._left -= len(records)
        if self._left <= 0:
            print(round(self._count / (time.perf_counter() - self._start)), flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
        return [[""]] * len(records)


settings = Settings()
gate = worker.Gate(Idle(int(sys.argv[1])), settings, Health("alone"))  # type: ignore[arg-type]
app = worker._app(settings)  # noqa: SLF001
app.transport = worker._transport(app)  # noqa: SLF001
worker._agents(app, gate)  # noqa: SLF001
worker._run(app)  # noqa: SLF001
gate.close()
