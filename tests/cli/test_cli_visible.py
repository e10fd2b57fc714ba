"""What people read drives no terminal, hides nothing and turns nothing around; spreadsheets get no formulas."""

import csv
import json
import os
import pty
import re
import subprocess
import tty
from io import StringIO
from pathlib import Path

import pytest
from cli_events import dispatch, event, lines, request
from cli_run import TPP, Tpp
from terminals import told_on
from waiting import PATIENCE

from schemas.columns import TABLES, csv_text
from services.views.event_lines import line
from services.views.proofs import verification
from services.visible import visible

NASTY = "A\x1b[2J\x1b]0;title\x07\x9b31m\u202edneL\u202c\u200bB\u2066C\u2069\x7f\u2028D"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]")


def _party(identifier: str) -> dict[str, object]:
    return {"id": identifier, "name": NASTY, "country": "PL", "headquarters": "PL"}


@pytest.fixture
def nasty(tpp: Tpp, tmp_path: Path) -> Tpp:
    """A ledger in whose names, references and reasons is what a terminal obeys."""
    asked = json.loads(request("SHP-1", 1_700))
    asked["data"]["ultimate_consignee"] = _party("CON-1")
    asked["data"]["items"][0]["part_number"] = NASTY
    asked["source"] = "//wms.example"
    review = {"shipment_id": "SHP-1", "action": "deny", "reviewer": NASTY, "reason": NASTY}
    text = lines(json.dumps(asked).encode(), dispatch("SHP-1"), event("r", "review.decided", review))
    (tmp_path / "in.jsonl").write_bytes(text)
    tpp("screen", "in.jsonl", "--out", "out.jsonl")
    return tpp


PEOPLE = [
    ["explain", "SHP-1"],
    ["holds"],
    ["balance"],
    ["obligations", "--all"],
    ["audit", "prove", "SHP-1"],
    ["audit", "verify"],
]


@pytest.mark.parametrize("words", PEOPLE, ids=" ".join)
def test_no_text_for_people_has_what_a_terminal_obeys(words: list[str], nasty: Tpp) -> None:
    done = nasty(*words)
    assert done.stdout
    assert OBEYED.findall((done.stdout + done.stderr).decode()) == []


def test_it_is_shown_as_escapes(nasty: Tpp) -> None:
    told = "".join(nasty("explain", "SHP-1").stdout.decode().split())
    assert "A\\x1b[2J\\x1b]0;title\\x07\\x9b31m\\u202edneL\\u202c\\u200bB\\u2066C\\u2069\\x7f\\u2028D" in told


@pytest.mark.parametrize(
    "words",
    [
        ["explain", NASTY], ["reconcile", NASTY], ["screen", NASTY], ["statement", NASTY], [NASTY], ["balance", f"--{NASTY}"],
        ["balance", "--format", NASTY], ["balance", "--as-of", NASTY], ["snapshot", "close", NASTY], ["snapshot", "export", NASTY, "--format", "csv"],
        ["audit", "verify", "--key", NASTY], ["obligations", "--due-by", NASTY], ["holds", "--ledger", f"sqlite:///{NASTY}"], [f"--{NASTY}"],
    ],
)  # fmt: skip
def test_no_error_sentence_has_what_a_terminal_obeys(words: list[str], nasty: Tpp) -> None:
    words = [word.replace("\x00", "") for word in words]
    done = nasty(*words)
    assert done.returncode in (1, 2)
    assert OBEYED.findall((done.stdout + done.stderr).decode()) == []
    assert re.search(r"\\x1b\[2J|%1B%5B2J", done.stderr.decode())


@pytest.mark.parametrize(
    "words",
    [["screen", "in.jsonl"], ["explain", "SHP-1", "--format", "json"], ["statement", "lpp/*", "--format", "csv"]],
)
def test_on_a_terminal_what_programs_read_is_visible_too(words: list[str], nasty: Tpp, tmp_path: Path) -> None:
    """In a file and in a pipe it stands as it is."""
    assert nasty(*words).stdout
    master, terminal = pty.openpty()
    tty.setraw(terminal)
    run = subprocess.Popen([TPP, *words], cwd=tmp_path, stdout=terminal, stderr=subprocess.DEVNULL)
    os.close(terminal)
    told = told_on(master)
    run.wait(PATIENCE)
    os.close(master)
    assert told
    assert OBEYED.findall(told.decode()) == []


def test_lines_of_events_and_of_a_verification_are_visible() -> None:
    event = {
        "type": "tpp.shipment.held.v1",
        "data": {"outcome": "held", "shipment_id": NASTY, "reasons": [{"message": NASTY}]},
    }
    assert OBEYED.findall(line(event)) == []
    bad = {"table": NASTY, "key": NASTY, "record": 1, "why": f"{NASTY}\nverified"}
    counts = dict.fromkeys(("records", "entries", "accounts", "snapshots", "checkpoints"), 1)
    told = verification({**counts, "ok": False, "root": "r", "bad": [bad], "not_records": []})
    assert OBEYED.findall(told) == []
    assert "\nverified" not in told


def test_letters_of_every_script_stand_as_they_are() -> None:
    text = "Zażółć 東京 Ωμέγα 😀 é نص עברית"
    assert visible(text) == text
    assert visible(text + "\n", keep="\n") == text + "\n"


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "=a,b", '="x"', "plain", "'=1", "", "a=b"]


def test_excel_puts_an_apostrophe_before_texts_that_begin_like_formulas() -> None:
    rows = [(text, -5, 1_749_000_000_000_000, text, 7) for text in FORMULAS]
    assert [column.kind.name for column in TABLES["holds"]] == ["TEXT", "NUMBER", "INSTANT", "TEXT", "AMOUNT"]
    plain = list(csv.reader(StringIO(b"".join(csv_text("holds", rows)).decode())))
    guarded = list(csv.reader(StringIO(b"".join(csv_text("holds", rows, excel=True)).decode())))
    assert [row[0] for row in plain[1:]] == FORMULAS
    assert [row[0] for row in guarded[1:]] == [f"'{text}" if text[:1] in [*"=+-@\t"] else text for text in FORMULAS]
    assert {row[1] for row in guarded[1:]} == {"-5"}


def test_excel_is_an_option_wherever_csv_is_written(filled: Tpp) -> None:
    for words in (["balance"], ["holds"], ["obligations"], ["statement", "*"]):
        assert (
            filled(*words, "--excel", "--format", "csv").stdout == filled(*words, "--format", "csv", "--excel").stdout
        )
        refused = filled(*words, "--excel")
        assert (refused.returncode, refused.stdout) == (2, b"")
        assert b"--excel needs --format csv" in refused.stderr
    assert filled("snapshot", "close", "2025-06").returncode == 0
    for words in ([], ["--excel"]):
        assert filled("snapshot", "export", "2025-06", "--format", "csv", "--out", "out", *words).returncode == 0
    assert filled("snapshot", "export", "2025-06", "--format", "xlsx", "--excel").returncode == 2


def test_excel_guards_what_a_publisher_wrote(tpp: Tpp, tmp_path: Path) -> None:
    asked = json.loads(request("SHP-1"))
    asked["id"] = "=HYPERLINK(0)"
    (tmp_path / "in.jsonl").write_text(json.dumps(asked) + "\n")
    tpp("screen", "in.jsonl", "--out", "out.jsonl")
    plain = tpp("statement", "lpp/*", "--format", "csv").stdout
    assert tpp("statement", "lpp/*", "--format", "csv", "--excel").stdout == plain.replace(
        b",=HYPERLINK", b",'=HYPERLINK"
    )
    assert b",=HYPERLINK" in plain
