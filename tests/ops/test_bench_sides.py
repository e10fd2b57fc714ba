"""The benchmarks that measure two commits in turn, at little length: each side runs its own code."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "ops"
sys.path.insert(0, str(OPS))

from bench import write_events  # noqa: E402  (the path is set above)
from measuring import Side, busy, cpu, in_turn, medians, show, sides  # noqa: E402


def script(*words: object, **more: str) -> str:
    """What a script of ops prints; it must succeed."""
    command = [sys.executable, *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | more
    done = subprocess.run(command, env=environment, input="\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_side_runs_its_own_code_through_its_own_console_script(tmp_path: Path) -> None:
    before, after = sides("HEAD", tmp_path)
    assert (before.name, after.name) == ("before", "after")
    for side, tree in ((before, tmp_path / "before"), (after, ROOT)):
        assert side.tree == tree
        asked = side.python("-c", "import services.cli.commands as one; print(one.__file__)")
        done = subprocess.run(asked, env=side.environment(), cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == str(tree / "services/cli/commands.py")
        done = subprocess.run(side.tpp("--version"), env=side.environment(), capture_output=True, text=True, check=True)
        assert done.stdout.startswith("tpp")


def test_a_commit_that_is_none_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no-such-commit is not a commit of this repository"):
        sides("no-such-commit", tmp_path)


def test_sides_take_turns_and_medians_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    taken: list[tuple[str, int]] = []
    rates = {"before": iter((1.0, 9.0, 4.0)), "after": iter((6.0, 1.0, 8.0))}

    def measure(side: Side, number: int) -> dict[str, float]:
        taken.append((side.name, number))
        return {"rate": next(rates[side.name])}

    found = in_turn([Side("before", ROOT, ""), Side("after", ROOT, "")], 3, measure)
    assert taken == [(name, number) for number in range(3) for name in ("before", "after")]
    show("title", found, ["rate"])
    told = json.loads(capsys.readouterr().out)["title"]
    assert told == {"before": {"rate": 4.0}, "after": {"rate": 6.0}, "after / before": {"rate": 1.5}}
    assert medians([{"a": 1.0, "b": 5.0}, {"a": 3.0, "b": 1.0}, {"a": 2.0, "b": 1.0}]) == {"a": 2.0, "b": 1.0}


def test_bench_prints_both_commits_and_their_ratio() -> None:
    told = script(OPS / "bench.py", "--events", 300, "--times", 1, "--before", "HEAD", "--only-screen")
    found = json.loads(told)["300 events"]
    assert list(found) == ["before", "after", "after / before"]
    assert found["before"]["tpp screen, events/s"] > 0 and found["after"]["tpp screen, most memory, MiB"] > 0


def test_turns_are_counted_without_the_first_batch(empty_url: str, tmp_path: Path) -> None:
    write_events(tmp_path / "events.jsonl", 250)
    ready, told = script(OPS / "turn_alone.py", tmp_path / "events.jsonl", 100, TPP_LEDGER_URL=empty_url).splitlines()
    found = json.loads(told)
    assert (ready, found["events"], found["turns"]) == ("ready", 150, 2)
    assert found["cpu in turns"] > 0 and 0 < found["in turns"] < found["seconds"]


def test_the_cpu_of_a_busy_process_is_seen() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with busy():
        began = time.monotonic()
        while cpu(map(int, children.read_text().split())) == 0:
            assert time.monotonic() < began + 60
            time.sleep(0.05)
