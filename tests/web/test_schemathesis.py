"""schemathesis finds no fault in the interface, with the token of any role, reading the OpenAPI document alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from reading_run import screen, something_of_everything
from soak import much
from web_run import TPP, served

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
ALL = "examples,coverage,fuzzing,stateful"
QUICK = "examples,fuzzing,stateful"
PHASES = {"admin": ALL, "publisher": ALL, "monitor": QUICK, "reviewer": QUICK, "finance": QUICK}
"""What is tried in every run; `coverage` takes most of the time, and asks of a role what it may not do."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a ledger with shipments, holds, accounts, obligations, and a closed period."""
    folder = tmp_path_factory.mktemp("schemathesis")
    url = f"sqlite:///{folder / 'ledger.db'}"
    screen(url, (HERE.parents[1] / "examples/quickstart.jsonl").read_bytes().splitlines())
    screen(url, something_of_everything())
    close = [TPP, "snapshot", "close", "2025-06", "--force", "--ledger", url]
    subprocess.run(close, cwd=folder, check=True, capture_output=True)
    return url


@pytest.mark.soak
@pytest.mark.parametrize("role", PHASES)
def test_schemathesis_finds_no_fault(role: str, kept: str, tmp_path: Path) -> None:
    with served(kept, env={"TPP_RATE": "0"}) as web:
        sources = ["*"] if role == "publisher" else []
        command = [
            SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", f"{web.url}/openapi.json",
            "--header", f"Authorization: Bearer {web.token(role, 'tester', *sources)}", "--exclude-path", "/v1/stream",
            "--phases", ALL if much(0, 1) else PHASES[role], "--max-examples", str(much(4, 100)), "--seed", "1",
            "--workers", "1", "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off",
            "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    found = re.search(r"Scenarios: +(\d+)", done.stdout)
    assert found is not None and int(found[1]) > 2, done.stdout
