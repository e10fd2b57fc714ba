"""README's commands do what it says, one after the other in one folder; those of the stream are in a test of their own."""

import json
import re
from pathlib import Path

import pytest
from consoles import ROOT, Ran, check, run_all
from readme_commands import README, STREAM, clone, consoles, not_ignored


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a clone after `make demo`, in which every command was run."""
    return clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def ran(folder: Path) -> list[Ran]:
    """Every command, in the order in which README has them."""
    return run_all([one for title, console in consoles() if title != STREAM for one in console], folder)


def test_every_command_is_done_and_prints_what_readme_shows(ran: list[Ran]) -> None:
    assert len(ran) > 12
    for one in ran:
        check(one)


def test_the_reason_that_readme_shows_is_in_the_answers(ran: list[Ran], folder: Path) -> None:
    assert ran
    [reason] = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    answers = [json.loads(line)["data"] for line in (folder / "answers.jsonl").read_text("utf-8").splitlines()]
    assert json.loads(reason) in [one for data in answers for one in data.get("reasons", ())]


def test_what_the_commands_leave_is_ignored_by_git(ran: list[Ran], folder: Path) -> None:
    assert ran
    left = {path.name for path in folder.iterdir()}
    assert {"2025-Q2", "answers.jsonl", "ledger.pub", "pack", "tour.db", "tpp-signing.key"} <= left
    assert not_ignored(folder) == []


def test_every_target_that_readme_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = re.findall(r"\bmake ([a-z-]+)", "\n".join(re.findall(r"`{1,3}[^`]+`{1,3}", README)))
    assert set(named) >= {"demo", "test-all", "bench"}
    assert set(named) <= targets
