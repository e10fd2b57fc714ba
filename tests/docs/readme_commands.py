"""The commands that README shows, and a folder that is like a clone, in which to run them."""

import re
from collections.abc import Iterator
from pathlib import Path

from consoles import ROOT, TPP, Shown, lines, run, shown_in

README = (ROOT / "README.md").read_text("utf-8")
STREAM = "The stream"
"""The title of the section whose commands need a broker."""


def consoles() -> Iterator[tuple[str, list[Shown]]]:
    """The commands of each console of README, in order, with the title of its section."""
    for section in re.split(r"^## ", README, flags=re.MULTILINE):
        for console in re.findall(r"^```console\n.*?^```", section, re.MULTILINE | re.DOTALL):
            yield section.splitlines()[0], list(shown_in(console))


def clone(folder: Path) -> Path:
    """Makes a folder like a clone after `make demo`."""
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/tpp").symlink_to(TPP)
    (folder / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    return folder


def not_ignored(folder: Path) -> list[str]:
    """What git would offer to add in this folder, except for what a clone has."""
    run(folder, "git init --quiet")
    code, text = run(folder, "git status --porcelain --untracked-files=all")
    assert code == 0, text
    return [line for line in lines(text) if line not in ("?? .gitignore", "?? examples")]
