"""Runs the installed `tpp` and says how much memory it took at most."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MOST = 300 << 20
"""Bytes of memory that a command may take, whatever it is given."""

TPP = Path(sys.executable).with_name("tpp")


class Ran(NamedTuple):
    """What a run gave: its exit code, all of its output, and its peak memory in bytes."""

    code: int
    output: bytes
    memory: int


def measured(folder: Path, *words: str, stdin: Iterable[bytes] = ()) -> Ran:
    """Runs `tpp` in a folder, with standard input bit by bit."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    with tempfile.TemporaryFile() as kept:
        run = subprocess.Popen([TPP, *words], cwd=folder, env=plain, stdin=subprocess.PIPE, stdout=kept, stderr=kept)
        assert run.stdin is not None
        with suppress(BrokenPipeError), run.stdin:
            for piece in stdin:
                run.stdin.write(piece)
        _, status, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        kept.seek(0)
        return Ran(run.returncode, kept.read(), used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
