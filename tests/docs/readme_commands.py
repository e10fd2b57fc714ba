"""Reads the commands that README shows, and runs them in a folder that is like a clone."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
STREAM = "The stream"
"""The title of the section whose commands need a broker."""

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TPP_") or name == "TPP_CACHE"}
"""The environment without settings, but with the folder in which the broker's files are kept."""


class Shown(NamedTuple):
    """A command of README, and the lines that it prints there; none where README does not show them."""

    command: str
    answer: list[str]


def consoles() -> Iterator[tuple[str, list[Shown]]]:
    """The commands of each console of README, in order, with the title of its section."""
    for section in re.split(r"^## ", README, flags=re.MULTILINE):
        for console in re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
            parts = [part.splitlines() for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]]
            yield section.splitlines()[0], [Shown(part[0], lines_of("\n".join(part[1:]))) for part in parts]


def lines_of(text: str) -> list[str]:
    """The lines of a text that are not blank, without blanks at their end."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def clone(folder: Path) -> Path:
    """Makes a folder like a clone after `make demo`."""
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/tpp").symlink_to(Path(sys.executable).with_name("tpp"))
    (folder / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    return folder


def run(folder: Path, command: str, **settings: str) -> tuple[int, str]:
    """The exit code of a command and what it prints."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=PLAIN | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


def not_ignored(folder: Path) -> list[str]:
    """What git would offer to add in this folder, except for what a clone has."""
    run(folder, "git init --quiet")
    code, text = run(folder, "git status --porcelain --untracked-files=all")
    assert code == 0, text
    return [line for line in lines_of(text) if line not in ("?? .gitignore", "?? examples")]
