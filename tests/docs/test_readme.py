"""README's commands do what it says, one after the other in one folder; those of the stream are left to its own tests."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TPP = Path(sys.executable).with_name("tpp")


class Shown(NamedTuple):
    """A command of README, and the lines that it prints there; none where README does not show them."""

    command: str
    answer: list[str]


def shown() -> Iterator[Shown]:
    """The commands of README's consoles, in order, without those of the stream."""
    for section in re.split(r"^## ", README, flags=re.MULTILINE):
        if section.startswith("The stream"):
            continue
        for console in re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
            for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
                command, *answer = part.splitlines()
                yield Shown(command, _lines("\n".join(answer)))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a clone after `make demo`, in which every command was run."""
    made = tmp_path_factory.mktemp("clone")
    (made / "examples").symlink_to(ROOT / "examples")
    (made / ".venv/bin").mkdir(parents=True)
    (made / ".venv/bin/tpp").symlink_to(TPP)
    (made / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    return made


@pytest.fixture(scope="module")
def ran(folder: Path) -> list[tuple[Shown, int, str]]:
    """Every command with its exit code and what it printed."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    found = []
    for one in shown():
        done = subprocess.run(
            ["sh", "-c", one.command], cwd=folder, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        found.append((one, done.returncode, done.stdout.decode()))
    return found


def test_every_command_is_done_and_prints_what_readme_shows(ran: list[tuple[Shown, int, str]]) -> None:
    assert len(ran) > 12
    for one, code, text in ran:
        assert code in (0, 1), (one.command, text)
        assert "Error: " not in text, (one.command, text)
        assert "Traceback" not in text, (one.command, text)
        if one.answer:
            assert _lines(text) == one.answer, one.command


def test_the_reason_that_readme_shows_is_in_the_answers(ran: list[tuple[Shown, int, str]], folder: Path) -> None:
    assert ran
    [reason] = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    answers = [json.loads(line)["data"] for line in (folder / "answers.jsonl").read_text("utf-8").splitlines()]
    assert json.loads(reason) in [one for data in answers for one in data.get("reasons", ())]


def test_what_the_commands_leave_is_ignored_by_git(ran: list[tuple[Shown, int, str]], folder: Path) -> None:
    assert ran
    left = sorted(path.name for path in folder.iterdir())
    assert {"2025-Q2", "answers.jsonl", "ledger.pub", "pack", "tour.db", "tpp-signing.key"} <= set(left)
    for words in (["init", "--quiet"], ["status", "--porcelain", "--untracked-files=all"]):
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert _lines(done.stdout) == ["?? .gitignore", "?? examples"]


def test_every_target_that_readme_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = re.findall(r"\bmake ([a-z-]+)", "\n".join(re.findall(r"`{1,3}[^`]+`{1,3}", README)))
    assert set(named) >= {"demo", "test-all", "bench"}
    assert set(named) <= targets
