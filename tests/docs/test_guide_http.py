"""The programs that the guide shows for HTTP send to a real `tpp serve`, and print the answers."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from consoles import ROOT
from containers import missing
from waiting import PATIENCE

sys.path.insert(0, str(ROOT / "tests/web"))
from web_run import TPP, Served, served

PAGE = (ROOT / "docs/integrate/http.md").read_text("utf-8")
RECIPE = ROOT / "examples/cookbook/lpp.jsonl"
ANSWERS = [
    "lpp-1 tpp.event.recorded.v1",
    "lpp-2 tpp.shipment.approved.v1",
    "lpp-3 tpp.shipment.held.v1 quota.exhausted authorization.none",
    "lpp-4 tpp.shipment.held.v1 certification.missing",
]


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Served]:
    """A running `tpp serve` on a new ledger."""
    with served(f"sqlite:///{tmp_path / 'ledger.db'}") as running:
        yield running


def _done(http: Served, *command: str | Path) -> str:
    token = http.token("publisher", "erp", "//wms.example", "//compliance.example")
    more = {"TPP_URL": http.url, "TPP_TOKEN": token}
    done = subprocess.run(
        command, env=os.environ | more, capture_output=True, text=True, timeout=PATIENCE, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def _saved(title: str, folder: Path) -> Path:
    """A program of the page, saved as the page says."""
    [text] = re.findall(rf'^```\w+ title="{title}"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
    (folder / title).write_text(text, "utf-8")
    return folder / title


def _lines(answers: list[dict[str, object]]) -> list[str]:
    found = []
    for answer in answers:
        data = json.loads(json.dumps(answer["data"]))
        codes = [reason["code"] for reason in data.get("reasons", [])]
        found.append(" ".join([data["causation"]["id"], str(answer["type"]), *codes]))
    return found


def test_the_program_in_python_gets_the_answer_to_each_event(http: Served, tmp_path: Path) -> None:
    assert _done(http, sys.executable, _saved("send.py", tmp_path), RECIPE).splitlines() == ANSWERS


def test_the_commands_with_curl_get_the_answer_to_each_event(http: Served, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        missing("no curl for the guide's commands")
    said = _done(http, "sh", _saved("send.sh", tmp_path), RECIPE)
    assert _lines(json.loads(said)) == ANSWERS


def _commands(section: str) -> list[str]:
    """The commands of a section of the page, each with the lines that continue it."""
    [text] = re.findall(rf"^## {section}$.*?^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line]


@pytest.fixture
def example(http: Served) -> Served:
    """A server on the ledger of the first example."""
    screen = [TPP, "screen", ROOT / "examples/quickstart.jsonl", "--ledger", http.ledger]
    done = subprocess.run(screen, capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    return http


def test_the_commands_that_read_give_what_the_page_says(example: Served) -> None:
    if not shutil.which("curl"):
        missing("no curl for the guide's commands")
    more = {"TPP_URL": example.url, "TPP_TOKEN": example.token("monitor", "desk")}
    answers = [
        json.loads(subprocess.run(["sh", "-c", one], env=os.environ | more, capture_output=True, check=True).stdout)
        for one in _commands("Read")
    ]
    assert answers[0]["items"] and answers[0]["next"] is None
    assert answers[1]["account"] == "lpp/CON-70/2025"
    assert answers[2] == {"items": [], "next": None}


def test_the_command_that_follows_gives_events_of_the_types_and_accounts_that_it_names(example: Served) -> None:
    if not shutil.which("curl"):
        missing("no curl for the guide's commands")
    more = {"TPP_URL": example.url, "TPP_TOKEN": example.token("monitor", "desk")}
    [command] = _commands("Follow")
    with subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        env=os.environ | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as following:
        assert following.stdout is not None
        try:
            event, data = (
                next(line for line in following.stdout if line.startswith(name)) for name in ("event:", "data:")
            )
        finally:
            following.terminate()
    assert event.strip() in ("event: shipment.held", "event: quota.alert")
    assert "lpp/" in data


def test_the_program_in_java_gets_the_answer_to_each_event(http: Served, tmp_path: Path) -> None:
    if not shutil.which("java"):
        missing("no Java for the guide's program")
    said = _done(http, "java", _saved("Send.java", tmp_path), RECIPE)
    assert _lines([one for line in said.splitlines() for one in json.loads(line)]) == ANSWERS
