"""A command that finds nothing says what it looked for; what is named exactly and is not there is exit 1."""

from pathlib import Path

import orjson
import pytest
from cli_events import lines, request
from cli_run import Tpp


@pytest.mark.parametrize(
    ("words", "sought"),
    [
        (["balance", "lpp/NO*"], "lpp/NO*"),
        (["statement", "lpp/NO*"], "lpp/NO*"),
        (["obligations", "--due-by", "2020-01-01"], "2020-01-01"),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_a_pattern_that_matches_nothing_is_said(filled: Tpp, words: list[str], sought: str, form: str) -> None:
    done = filled(*words, "--format", form)
    assert (done.returncode, done.stdout) == (0, b"[]\n" if form == "json" else b"")
    assert sought in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_list_that_is_empty_is_an_answer(filled: Tpp) -> None:
    done = filled("snapshot", "list")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"no snapshot exists\n", b"")
    done = filled("snapshot", "list", "--format", "json")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[]\n", b"")


@pytest.mark.parametrize(
    "words",
    [
        ["balance", "lpp/NO/2025"], ["balance", "lpp/NO/2025", "lpp/NEITHER/2025"], ["statement", "lpp/NO/2025"],
        ["explain", "NO"], ["audit", "prove", "NO"], ["balance", "--known-at", "snapshot:NO"],
        ["statement", "*", "--known-at", "snapshot:NO"],
    ],
)  # fmt: skip
def test_what_is_named_and_is_not_there_is_exit_1_and_the_empty_list(filled: Tpp, words: list[str]) -> None:
    done = filled(*words, "--format", "json")
    assert (done.returncode, done.stdout) == (1, b"[]\n")
    assert b"NO" in done.stderr
    done = filled(*words)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)


def test_what_is_there_is_shown_beside_what_is_not(filled: Tpp) -> None:
    done = filled("balance", "lpp/CON-1/2025", "lpp/NO/2025", "--format", "json")
    assert (done.returncode, [one["account"] for one in orjson.loads(done.stdout)]) == (1, ["lpp/CON-1/2025"])
    assert b"lpp/NO/2025" in done.stderr
    assert filled("balance", "lpp/CON-1/2025", "lpp/NO*").returncode == 0
    assert filled("balance", "flow/PL/2025").returncode == 0


def test_a_reconciliation_of_no_account_is_said(filled: Tpp, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("shipment_id,account,date,amount\nSHP-9,lpp/CON-9/2025,2025-06-05,1\n")
    done = filled("reconcile", "s.csv", "--account", "lpp/NO*", "--format", "json")
    assert (done.returncode, orjson.loads(done.stdout)["matched"]) == (0, 0)
    assert done.stderr == b"no account of this ledger or the statement matches 'lpp/NO*'\n"
    done = filled("reconcile", "s.csv", "--account", "lpp/NO/2025")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"Error: no account 'lpp/NO/2025' exists in this ledger or the statement\n"
    for there in ("lpp/CON-9/2025", "lpp/CON-9*", "lpp/CON-1/*"):  # in the statement, or in the ledger
        done = filled("reconcile", "s.csv", "--account", there)
        assert (done.returncode, done.stderr) == (1, b"")


def test_exports_of_what_is_not_there(filled: Tpp, tmp_path: Path) -> None:
    for words in (["snapshot", "export", "NO", "--format", "csv"], ["audit", "export", "NO", "--out", "pack"]):
        done = filled(*words)
        assert (done.returncode, done.stdout, b"NO" in done.stderr) == (1, b"", True)
    assert not (tmp_path / "NO").exists()


def test_a_summary_names_the_codes_and_first_lines_of_rejections(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(b"", b"{", request("SHP-1"), b"[]", b"{"))
    said = tpp("screen", "in.jsonl").stderr.decode()
    assert "rejected with json.invalid: 2, first in in.jsonl line 2\n" in said
    assert ": 1, first in in.jsonl line 4\n" in said
