"""Measures the turn at the ledger on PostgreSQL, which is one writer's at a time and so the limit of one ledger.

    python ops/bench_turn.py                    16,000 events, medians of five runs
    python ops/bench_turn.py --before COMMIT    the same of two commits in turn, and the ratios
    python ops/bench_turn.py --events 6000 --times 1    a quick look

Through the engine in a process of its own, in batches as a worker makes them, without Kafka (`ops/turn_alone.py`): the
time inside of the turn an event, the deciding thread's own CPU in it, and 1 by the turn, which is the ledger's ceiling
however many workers there are. Then the same events by two processes that take turns, beside one. PostgreSQL is found
as the tests find it. `TPP_LEDGER_URL` is set for the processes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import write_events
from measuring import ROOT, Side, cpu, end_together, in_turn, named, show, sides

sys.path.insert(0, str(ROOT / "tests"))

from databases import Server, postgresql

ALONE = ROOT / "ops" / "turn_alone.py"
SMALL = 1_000
FIRST_OF_OTHERS = 5_000
"""The round in which the events of the second of two processes begin."""
COMPARED = (
    "in the turn, us an event",
    "own CPU in the turn, us an event",
    "the ledger's ceiling, events/s",
    "one process, events/s",
    "two processes, events/s",
)


class Decided(NamedTuple):
    """What processes that began together took: seconds, seconds of the database's CPU, and what each of them tells."""

    seconds: float
    database: float
    told: list[dict[str, Any]]


def decide(side: Side, url: str, files: Sequence[Path], *batch: int) -> Decided:
    """Has the events of each file decided by a process of its own, all on one ledger."""
    command = [side.python(ALONE, file, *batch) for file in files]
    environment = side.environment(TPP_LEDGER_URL=url)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = []
    try:
        processes += [subprocess.Popen(one, env=environment, **pipes) for one in command]
        for one in processes:
            if one.stdout.readline() != "ready\n":
                raise SystemExit("a process failed before it began")
        began, used = time.perf_counter(), cpu(named("postgres"))
        for one in processes:
            one.stdin.write("\n")
            one.stdin.flush()
        told = [json.loads(one.stdout.readline()) for one in processes]
        decided = Decided(time.perf_counter() - began, cpu(named("postgres")) - used, told)
        for one in processes:
            one.communicate()
        return decided
    finally:
        for one in processes:
            one.kill()
            one.wait()


def of_one(server: Server, side: Side, events: Path, *batch: int) -> dict[str, float]:
    """What one process measures of the turn, on a ledger of its own."""
    url = server.create("template1")
    try:
        seconds, database, (told,) = decide(side, url, [events], *batch)
    finally:
        server.drop(url)
    each = 1_000_000 / told["events"]
    return {
        "in the turn, us an event": told["in turns"] * each,
        "own CPU in the turn, us an event": told["cpu in turns"] * each,
        "the ledger's ceiling, events/s": told["events"] / told["in turns"],
        "one process, events/s": told["events"] / seconds,
        "events a turn": told["events"] / told["turns"],
        "CPU of the process, us an event": told["cpu"] * each,
        "CPU of the database, us an event": database * each,
    }


def of_two(server: Server, side: Side, files: Sequence[Path]) -> float:
    """Events a second that two processes decide on one ledger."""
    url = server.create("template1")
    try:
        seconds, _, told = decide(side, url, files)
    finally:
        server.drop(url)
    return float(sum(one["events"] for one in told) / seconds)


def main() -> None:
    """Runs what was asked for and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=16_000)
    parser.add_argument("--times", type=int, default=5, help="the runs of which medians are printed [default: 5]")
    parser.add_argument("--before", metavar="COMMIT", help="measure this commit too, in turn with this working tree")
    given = parser.parse_args()
    end_together()
    with tempfile.TemporaryDirectory(prefix="tpp-turn-") as name, postgresql() as server:
        folder = Path(name)
        of, whole, halves = sides(given.before, folder), folder / "whole.jsonl", (folder / "a", folder / "b")
        write_events(whole, given.events)
        for number, half in enumerate(halves):
            write_events(half, given.events // 2, number * FIRST_OF_OTHERS)

        def small(side: Side, _: int) -> dict[str, float]:
            return of_one(server, side, whole, SMALL)

        def usual(side: Side, _: int) -> dict[str, float]:
            found = of_one(server, side, whole)
            two = of_two(server, side, halves)
            return found | {"two processes, events/s": two, "two beside one": two / found["one process, events/s"]}

        show(f"in batches of {SMALL:,}", in_turn(of, given.times, small), COMPARED[:-1])
        show("in batches of a worker", in_turn(of, given.times, usual), COMPARED)


if __name__ == "__main__":
    main()
