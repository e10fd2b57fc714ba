"""The image: hadolint finds nothing where it is installed, and its rules that matter to us hold in any case."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "ops" / "Dockerfile"


@dataclass(frozen=True)
class Instruction:
    """An instruction of a stage: its word and what follows, on one line."""

    stage: int
    word: str
    rest: str


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[Instruction] = []
    stage = -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        found.append(Instruction(stage, word, rest))
    return found


def faults(text: str) -> set[str]:
    """What is wrong with a Dockerfile, by hadolint's rules of these names, and by our own."""
    all_ = instructions(text)
    last = max(one.stage for one in all_)
    found = set()
    for one in all_:
        image = one.rest.partition(" ")[0]
        if one.word == "FROM" and (":" not in image or image.endswith(":latest")):
            found.add("DL3006 DL3007: an image without a version")
        if one.word == "FROM" and not re.search(r":\d+\.\d+\.\d+-", image):
            found.add("an image whose version is not exact")
        if one.word == "ADD":
            found.add("DL3020: ADD in the place of COPY")
        if one.word in ("CMD", "ENTRYPOINT") and not one.rest.startswith("["):
            found.add("DL3025: a command that is not in JSON")
        if one.word == "WORKDIR" and not one.rest.startswith("/"):
            found.add("DL3000: a folder that is not absolute")
        if one.word == "RUN":
            found |= _run(one.rest)
    users = [one.rest for one in all_ if one.word == "USER" and one.stage == last]
    if not users or users[-1].partition(":")[0] in ("root", "0"):
        found.add("DL3002: the last user is root")
    if not any(one.word == "ENTRYPOINT" and one.stage == last for one in all_):
        found.add("no entry point")
    return found


def _run(command: str) -> set[str]:
    found = set()
    if re.search(r"\bsudo\b", command):
        found.add("DL3004: sudo")
    if "apt-get install" in command:
        if "--no-install-recommends" not in command:
            found.add("DL3015: recommended packages")
        if "rm -rf /var/lib/apt/lists/*" not in command:
            found.add("DL3009: lists of packages are kept")
        if not re.search(r"--yes|-y\b", command):
            found.add("DL3014: apt-get asks")
        if "apt-get update" not in command:
            found.add("DL3009: lists of packages of another layer")
    for part in command.split("&&"):
        if re.search(r"\bpip install\b", part) and not re.search(r"--require-hashes|--no-deps .*\.\s*$", part):
            found.add("DL3013: a package without its hash")
    if re.search(r"\b(curl|wget)\b", command):
        found.add("something is downloaded that no hash holds")
    return found


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(["hadolint", "--no-color", FILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_keeps_the_rules() -> None:
    assert faults(FILE.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    ("kept", "broken", "fault"),
    [
        ("FROM python:3.11.14-slim-trixie\n", "FROM python:latest\n", "DL3006 DL3007: an image without a version"),
        ("FROM python:3.11.14-slim-trixie\n", "FROM python:3.11-slim\n", "an image whose version is not exact"),
        ("COPY schemas", "ADD schemas", "DL3020: ADD in the place of COPY"),
        ('["tpp"]', "tpp", "DL3025: a command that is not in JSON"),
        ("WORKDIR /tmp", "WORKDIR tmp", "DL3000: a folder that is not absolute"),
        ("--no-install-recommends ", "", "DL3015: recommended packages"),
        ("rm -rf /var/lib/apt/lists/*", "true", "DL3009: lists of packages are kept"),
        ("--require-hashes ", "", "DL3013: a package without its hash"),
        ("USER 10001:10001", "USER root", "DL3002: the last user is root"),
        ("USER 10001:10001", "", "DL3002: the last user is root"),
        ("RUN useradd", "RUN curl -O https://example.org && useradd", "something is downloaded that no hash holds"),
    ],
)
def test_a_rule_that_is_broken_is_found(kept: str, broken: str, fault: str) -> None:
    text = FILE.read_text("utf-8")
    assert kept in text
    assert fault in faults(text.replace(kept, broken))


def test_both_lock_files_have_a_hash_for_each_package() -> None:
    for name in ("requirements.lock", "requirements-extras.lock"):
        text = (ROOT / name).read_text("utf-8")
        packages = re.findall(
            r"^[a-zA-Z0-9._-]+(?:\[[^\]]*\])?==[^\n]*\n(?:[ ]+--hash=sha256:[0-9a-f]{64}.*\n?)+", text, re.MULTILINE
        )
        assert len(packages) == len(re.findall(r"^[a-zA-Z0-9]", text, re.MULTILINE)) > 50, name
