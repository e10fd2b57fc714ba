"""schemathesis finds no fault in the interface, with the token of any role, reading the OpenAPI document alone."""

import subprocess
import sys
from pathlib import Path

import pytest
from soak import much
from web_run import served

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
ROLES = ("publisher", "monitor", "reviewer", "finance", "admin")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a ledger with the decisions of the first example."""
    folder = tmp_path_factory.mktemp("schemathesis")
    url = f"sqlite:///{folder / 'ledger.db'}"
    tpp = Path(sys.executable).with_name("tpp")
    done = subprocess.run(
        [tpp, "screen", ROOT / "examples/quickstart.jsonl", "--ledger", url],
        capture_output=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 1, done.stderr
    return url


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
def test_schemathesis_finds_no_fault(role: str, kept: str, tmp_path: Path) -> None:
    with served(kept, env={"TPP_RATE": "0"}) as web:
        sources = ["//*"] if role == "publisher" else []
        command = [
            SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", f"{web.url}/openapi.json",
            "--header", f"Authorization: Bearer {web.token(role, 'tester', *sources)}",
            "--exclude-path", "/v1/stream", "--max-examples", str(much(2, 100)), "--seed", "1", "--workers", "1",
            "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
