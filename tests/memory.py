"""Runs the installed `tpp` and says how much memory it took at most."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from installed import INSTALLED

MOST = 300 << 20
"""Bytes of memory that a command may take, whatever it is given."""


_WAITER = """
import os, sys
report, *words = sys.argv[1:]
_, status, used = os.wait4(os.posix_spawn(words[0], words, os.environ), 0)
with open(report, "w") as file:
    file.write(f"{os.waitstatus_to_exitcode(status)} {used.ru_maxrss}")
"""
"""Runs a command from a process that is itself small: the memory of a process counts for what it starts."""


class Ran(NamedTuple):
    """What a run gave: its exit code, all of its output, and its peak memory in bytes."""

    code: int
    output: bytes
    memory: int


def measured(folder: Path, *words: str, stdin: Iterable[bytes] = ()) -> Ran:
    """Runs `tpp` in a folder, with standard input bit by bit."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    with tempfile.TemporaryFile() as kept, tempfile.NamedTemporaryFile("r") as report:
        waiter = [sys.executable, "-I", "-S", "-c", _WAITER, report.name, str(INSTALLED), *words]
        run = subprocess.Popen(waiter, cwd=folder, env=plain, stdin=subprocess.PIPE, stdout=kept, stderr=kept)
        assert run.stdin is not None
        with suppress(BrokenPipeError), run.stdin:
            for piece in stdin:
                run.stdin.write(piece)
        assert run.wait() == 0
        code, memory = map(int, report.read().split())
        kept.seek(0)
        return Ran(code, kept.read(), memory * (1 if sys.platform == "darwin" else 1024))
