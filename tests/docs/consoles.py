"""Runs the commands that pages show in their consoles, and compares what they print with what the page shows."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from installed import TPP
from waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TPP_") or name == "TPP_CACHE"}
"""The environment without settings, but with the folder in which the broker's files are kept."""


class Shown(NamedTuple):
    """A command of a page, and the lines that it prints there; none where the page does not show them."""

    command: str
    answer: list[str]


class Ran(NamedTuple):
    """A command that was run, with its exit code and what it printed."""

    shown: Shown
    code: int
    text: str


def shown_in(text: str) -> Iterator[Shown]:
    """The commands of the consoles in a text, in order."""
    for console in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
            command, *answer = part.splitlines()
            yield Shown(command, lines("\n".join(answer)))


def lines(text: str) -> list[str]:
    """The lines of a text that are not empty, without blanks at their ends."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def run(folder: Path, command: str, **settings: str) -> tuple[int, str]:
    """The exit code of a command, with `tpp` on the path, and what it prints."""
    path = f"{TPP.parent}{os.pathsep}{PLAIN['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=PLAIN | {"PATH": path} | settings, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


def run_all(commands: Iterable[Shown], folder: Path) -> list[Ran]:
    """Runs commands one after the other in a folder."""
    return [Ran(one, *run(folder, one.command)) for one in commands]


def check(ran: Ran) -> None:
    """A command that a page shows must succeed or find what it looks for, and print what the page shows.

    A line of the page that is `…` stands for any number of lines.
    """
    assert ran.code in (0, 1), (ran.shown.command, ran.text)
    assert "Error: " not in ran.text, (ran.shown.command, ran.text)
    assert "Traceback" not in ran.text, (ran.shown.command, ran.text)
    answer = ran.shown.answer
    if "…" not in answer:
        assert not answer or lines(ran.text) == answer, ran.shown.command
    else:
        pattern = "\n".join(".*" if line == "…" else re.escape(line) for line in answer)
        assert re.fullmatch(pattern, "\n".join(lines(ran.text)), re.DOTALL), (ran.shown.command, ran.text)
