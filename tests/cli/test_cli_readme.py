"""Every command of README but the stream's runs, and gives the answer that stands there."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import TPP
from waiting import PATIENCE

ROOT = Path(__file__).parents[2]
REJECTED = 1
"""The exit code of `screen` on the quickstart, one line of which is malformed on purpose."""


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each command, with the lines of its answer; none if README shows none."""
    text = (ROOT / "README.md").read_text("utf-8")
    for part in text.split("```console\n")[1:]:
        for block in ("\n" + part.partition("```")[0]).split("\n$ ")[1:]:
            command, *answer = block.rstrip("\n").split("\n")
            if "TPP_BROKER" not in command and "tpp up" not in command and "tpp reconcile" not in command:
                yield command, answer


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_the_commands_of_readme_give_their_answers(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "tpp").symlink_to(TPP)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    ran = 0
    for command, answer in commands():
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=plain, capture_output=True, timeout=PATIENCE, check=False
        )
        told = (done.stdout + done.stderr).decode()
        assert done.returncode == (REJECTED if "tpp screen" in command else 0), (command, told)
        if answer:
            assert [line.rstrip() for line in told.splitlines()] == answer, command
        ran += 1
    assert ran > 10
