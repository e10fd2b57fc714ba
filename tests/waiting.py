"""Waiting for what must come: for a state that is seen, never for a time in which a machine should have got there."""

import time
from collections.abc import Callable

PATIENCE = 300.0
"""How long a test waits, in seconds, before it gives up: longer than the busiest machine may need. It measures nothing."""


def wait_until(true: Callable[[], object], told: Callable[[], str] = str, every: float = 0.05) -> None:
    """Returns once it is true, asking again and again; fails with what is told after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"nothing came within {PATIENCE:.0f} seconds: {told()}"
        time.sleep(every)
