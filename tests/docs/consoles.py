"""Runs the commands that pages show in their consoles, and compares what they print with what the page shows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from waiting import PATIENCE

ROOT = Path(__file__).parent.parent.parent
TPP = Path(sys.executable).with_name("tpp")


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


def run_all(commands: Iterator[Shown], folder: Path) -> list[Ran]:
    """Runs commands one after the other in a folder, with `tpp` on the path and without the caller's settings."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    plain["PATH"] = f"{TPP.parent}{os.pathsep}{plain['PATH']}"
    found = []
    for one in commands:
        done = subprocess.run(
            ["sh", "-c", one.command], cwd=folder, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        found.append(Ran(one, done.returncode, done.stdout.decode()))
    return found


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
