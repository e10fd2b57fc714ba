"""`tpp screen` is killed anywhere while one limit frees many holds, and run again: the same bytes, and a good ledger."""

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from cli_run import runner
from databases import Databases
from events import Line, shipment
from installed import INSTALLED
from soak import much
from waiting import PATIENCE

pytestmark = [pytest.mark.kills]

HOLDS, KILLS = much(900, soak=10_000), much(2, soak=30)
ACCOUNT = "lpp/CON-1/2025"


def story() -> bytes:
    """Holds that wait for one account, of which one limit frees two thirds; a registration rechecks the others."""
    line = Line()
    papers = ["lpp 2025-01-20"]
    raws = [line.allotted(ACCOUNT, 0)]
    raws += [
        line.event("shipment.requested", shipment({"id": f"SHP-{n}", "quantity": 1, "claim": "LPP", "papers": papers}))
        for n in range(HOLDS)
    ]
    raws.append(line.allotted(ACCOUNT, HOLDS * 2 // 3 * 15_832))
    raws.append(line.cancelled("SHP-0"))
    raws.append(line.attested(ACCOUNT, 0))
    return b"\n".join(raws) + b"\n"


def test_a_run_that_is_killed_and_begun_again_gives_the_bytes_of_one_that_is_not(
    databases: Databases, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_bytes(story())
    tpp, url, other = runner(tmp_path, INSTALLED), databases.ledger(), databases.ledger()
    begun = time.monotonic()
    assert tpp("screen", "in.jsonl", "--ledger", url, "--out", "whole.jsonl").returncode == 0
    took, chance = time.monotonic() - begun, random.Random()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    command = [str(INSTALLED), "screen", "in.jsonl", "--ledger", other, "--out", "again.jsonl"]
    for _ in range(KILLS):
        process = subprocess.Popen(
            command, cwd=tmp_path, env=plain, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(took * chance.uniform(0.2, 0.95))
        process.kill()
        process.wait(PATIENCE)
    assert tpp(*command[1:]).returncode == 0
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    for one in (url, other):
        assert json.loads(tpp("audit", "verify", "--ledger", one, "--format", "json").stdout)["bad"] == []
        (balance,) = json.loads(tpp("balance", ACCOUNT, "--ledger", one, "--format", "json").stdout)
        assert balance["balance"] == balance["limit"] == HOLDS * 2 // 3 * 15_832
        databases.drop(one)
