"""Runs a part of the stream as a child of `tpp up`: `python -m services.stream PART`, with the settings of TPP_*.

It ends at the end of standard input, so that no part outlives its parent.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from services.failure import Failure
from services.resources import settings
from services.telemetry.logs import log_to_stderr
from services.visible import visible

if TYPE_CHECKING:
    from services.settings import Settings


def _worker(chosen: "Settings") -> int:
    from services.stream.worker import run

    return run(chosen, None, None)


def _relay(chosen: "Settings") -> int:
    from services.stream.relay import run

    return run(chosen, None)


def _clock(chosen: "Settings") -> int:
    from services.stream.clock import run

    return run(chosen, None, None)


PARTS: dict[str, Callable[["Settings"], int]] = {"worker": _worker, "relay": _relay, "clock": _clock}


def main(part: str) -> int:
    """Runs a part until SIGTERM or the end of standard input; its exit code, 2 if it cannot run."""
    if part not in PARTS:
        return _fail(f"no part {part!r}; the parts are {', '.join(PARTS)}")
    return run_part(PARTS[part])


def run_part(run: Callable[["Settings"], int]) -> int:
    """Runs a part, given its function, as `main` does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log_to_stderr()
    try:
        return run(settings())
    except Failure as error:
        return _fail(str(error))


def _fail(why: str) -> int:
    print(f"Error: {visible(why)}", file=sys.stderr)  # noqa: T201
    return 2


def _end_with_parent() -> None:
    while os.read(sys.__stdin__.fileno() if sys.__stdin__ else 0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
