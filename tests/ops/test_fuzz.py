"""The fuzz script, at little length: `make fuzz` sends 30,000 messages."""

import subprocess
import sys
from pathlib import Path

import pytest
from soak import much
from waiting import PATIENCE

SCRIPT = Path(__file__).resolve().parents[2] / "ops/fuzz.py"


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_no_message_stops_the_engine(seed: int) -> None:
    messages = much(1_500, 30_000)
    words = [sys.executable, SCRIPT, "--messages", str(messages), "--seed", str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE * much(1, 20), check=False)
    assert done.returncode == 0, done.stderr
    counts = {kind: int(count.replace(",", "")) for count, kind in map(str.split, done.stdout.splitlines()[1:])}
    assert {"tpp.event.rejected.v1", "tpp.event.refused.v1", "tpp.event.recorded.v1"} < counts.keys()
    assert sum(counts.values()) - counts["accounts"] == messages
