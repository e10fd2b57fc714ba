"""Runs a part of the stream as a child of `tpp up`: `python -m services.stream PART`, with the settings of TPP_*.

It ends at the end of standard input, so that no part outlives its parent.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from services.failure import Failure
from services.resources import settings
from services.stream.signals import end_with_parent
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
    end_with_parent()
    log_to_stderr()
    if part not in PARTS:
        return _fail(f"no part {part!r}; the parts are {', '.join(PARTS)}")
    try:
        return PARTS[part](settings())
    except Failure as error:
        return _fail(str(error))


def _fail(why: str) -> int:
    print(f"Error: {visible(why)}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
