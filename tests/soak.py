"""How much the longest tests do: little in every run, much where `make soak` runs them."""

import os


def much(every_run: int, soak: int) -> int:
    """A number of such a test, which is marked `soak`."""
    return soak if os.environ.get("TPP_TEST_SOAK") else every_run
