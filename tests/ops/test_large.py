"""The script that sends odd messages to a large ledger, at little length: what each costs is for `make fuzz`."""

import subprocess
import sys
from pathlib import Path

import pytest
from soak import much
from waiting import PATIENCE

SCRIPT = Path(__file__).resolve().parents[2] / "ops/large.py"


@pytest.mark.soak
def test_every_message_is_answered_within_bounds_on_a_large_ledger() -> None:
    sizes = {
        "--accounts": much(300, 100_000), "--patterns": much(100, 10_000), "--holds": much(700, 50_000),
        "--messages": much(40, 400),
    }  # fmt: skip
    words = [str(word) for pair in sizes.items() for word in pair]
    done = subprocess.run(
        [sys.executable, SCRIPT, *words, "--most-seconds", str(PATIENCE)],
        capture_output=True, text=True, timeout=PATIENCE * much(1, 20), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {line[7:].split("  ")[0]: int(line[:6].replace(",", "")) for line in done.stdout.splitlines()[:-1]}
    assert counts["first chunk"] >= 2 and counts["further chunk"] >= 2
    assert counts["plain, approved"] + counts.get("plain, held", 0) == sizes["--messages"]
