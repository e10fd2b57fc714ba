"""What the benchmarks share: one or two commits to measure in turn, medians, the CPU of processes, a busy core.

A side is a commit with its files: this working tree (`after`), and with `--before COMMIT` that commit, unpacked as
`ops/same_bytes.py` does it. Both are run by this Python, each through its own console script.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from same_bytes import CannotCompare, unpack

ROOT = Path(__file__).resolve().parent.parent
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Side:
    """A commit that is measured: `before` or `after`, its files, and its console script as `module:function`."""

    name: str
    tree: Path
    entry: str

    def tpp(self, *words: object) -> list[str]:
        """The command that runs the commit's `tpp`."""
        module, _, function = self.entry.partition(":")
        return self.python(
            "-c", f"import sys; from {module} import {function}; sys.argv[0] = 'tpp'; {function}()", *words
        )

    def python(self, *words: object) -> list[str]:
        """The command that runs a script with the commit's packages."""
        return [sys.executable, "-P", *map(str, words)]

    def environment(self, **more: str) -> dict[str, str]:
        """The environment in which its commands run."""
        return os.environ | {"PYTHONPATH": str(self.tree)} | more


def sides(before: str | None, folder: Path) -> list[Side]:
    """This working tree, after the commit `before` if one is named; ends the program if it is not a commit."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    found = [Side("after", ROOT, scripts["tpp"])]
    if before is not None:
        tree = folder / "before"
        try:
            found.insert(0, Side("before", tree, unpack(before, tree)))
        except CannotCompare as error:
            sys.exit(str(error))
    for side in found:
        packages = [side.tree / name for name in ("schemas", "rulebook", "ledger", "services")]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *packages], check=True)
    return found


def end_together() -> None:
    """Has SIGTERM end the program as Ctrl-C does: with the servers and the processes that it has started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def in_turn(of: Sequence[Side], times: int, measure: Callable[[Side, int], Figures]) -> dict[str, dict[str, float]]:
    """The medians of what is measured of each side, so many times, one side after the other."""
    taken: dict[str, list[Figures]] = {side.name: [] for side in of}
    for number in range(times):
        for side in of:
            taken[side.name].append(measure(side, number))
    return {name: medians(runs) for name, runs in taken.items()}


def medians(runs: Sequence[Figures]) -> dict[str, float]:
    """The median of each figure of several runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def show(title: str, found: Mapping[str, Figures], compared: Sequence[str] = ()) -> None:
    """Prints figures as JSON: of one side plain, of two with the ratio after / before of those that are `compared`."""
    sheet: dict[str, Any] = {name: {key: rounded(value) for key, value in one.items()} for name, one in found.items()}
    if "before" in found:
        old, new = found["before"], found["after"]
        sheet["after / before"] = {name: round(new[name] / old[name], 3) for name in compared if old[name]}
    print(json.dumps({title: sheet if "before" in found else sheet["after"]}, indent=1), flush=True)


def rounded(value: float) -> float:
    """A figure with as many digits as it is good for."""
    return round(value) if abs(value) >= 1_000 else round(value, 1) if abs(value) >= 10 else round(value, 3)


@dataclass(frozen=True)
class Used:
    """What a process took: seconds, seconds of CPU, and the most memory in KiB."""

    seconds: float
    cpu: float
    kibibytes: int


def run(side: Side, *words: object, **more: str) -> Used:
    """Runs a side's `tpp`, and says what it took; exit 1, an event that was rejected, is not a failure."""
    began = time.perf_counter()
    process = subprocess.Popen(
        side.tpp(*words), env=side.environment(**more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = process.stderr.read() if process.stderr else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(said.decode(errors="replace"))
    return Used(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss)


def cpu(processes: Iterator[int]) -> float:
    """Seconds of CPU that processes have used until now, with those of their children that have ended."""
    ticks = 0
    for pid in processes:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def named(name: str) -> Iterator[int]:
    """The ids of all processes of a program, such as `postgres` or `java`, on this machine."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if (folder / "comm").read_text().strip() == name:
                    yield int(folder.name)


def resident(pid: int) -> int:
    """The memory of a process in MiB; 0 once it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024
    return 0


@contextmanager
def busy() -> Iterator[None]:
    """A process that takes a core, as long as the block lasts."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
