"""Prints the messages a second that Faust alone delivers to an agent that does nothing with them, and what one costs.

    TPP_BROKER=host:port python ops/faust_alone.py COUNT

Two figures: messages a second, and microseconds of this process's CPU a message, from the first to the last.
"""

import io
import os
import signal
import sys
import tempfile
import time
from typing import Any

import faust

from schemas.event_types import INPUTS
from services.kafka.access import faust_broker
from services.settings import Settings


def main(count: int, folder: str) -> None:
    """Counts what an agent is given, and ends the process when all came."""
    app = faust.App(
        "alone",
        broker=faust_broker(Settings()),
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        datadir=folder,
    )
    came: list[tuple[float, float]] = []

    async def take(stream: Any) -> None:
        async for _ in stream.noack().events():
            came.append((time.perf_counter(), time.process_time()))
            if len(came) == count:
                seconds, used = (last - first for first, last in zip(came[0], came[-1], strict=True))
                print(round(count / seconds), round(used / count * 1_000_000), flush=True)
                os.kill(os.getpid(), signal.SIGTERM)

    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw", "acks": False}
    for name in INPUTS:
        app.agent(app.topic(name, **raw), name=name)(take)
    faust.Worker(
        app, override_logging=False, quiet=True, redirect_stdouts=False, stdout=io.StringIO()
    ).execute_from_commandline()


with tempfile.TemporaryDirectory() as there:
    main(int(sys.argv[1]), there)
