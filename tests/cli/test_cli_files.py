"""Event files as they come: gzip by its bytes, pipes by name, blank lines, and what is no event file."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest
from cli_events import answers, dispatch, kinds, lines, request
from cli_run import Tpp, runner
from installed import INSTALLED
from waiting import PATIENCE

TEXT = lines(request("SHP-1"), dispatch("SHP-1"))


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[bytes]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    words = ["bash", "-c", command.replace("tpp ", f"{INSTALLED} ")]
    return subprocess.run(words, cwd=folder, env=plain, capture_output=True, timeout=PATIENCE, check=False)


def test_gzip_is_told_by_its_bytes(tpp: Tpp, tmp_path: Path) -> None:
    packed = gzip.compress(TEXT[:300]) + gzip.compress(TEXT[300:]) + bytes(7)
    (tmp_path / "plain-name.jsonl").write_bytes(packed)
    (tmp_path / "in.jsonl").write_bytes(TEXT)
    plain = tpp("screen", "in.jsonl", "--ledger", ":memory:").stdout
    assert kinds(plain) == ["approved", "recorded"]
    assert tpp("screen", "plain-name.jsonl", "--ledger", ":memory:").stdout == plain
    assert tpp("screen", "-", "--ledger", ":memory:", stdin=packed).stdout == plain


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jsonl.gz", b"", "empty"),
        ("plain.jsonl.gz", TEXT, "not gzip"),
        ("cut.jsonl.gz", gzip.compress(TEXT)[:-9], "cut off"),
        ("cut.jsonl", gzip.compress(TEXT)[:40], "cut off"),
        ("garbage.jsonl.gz", gzip.compress(TEXT) + b"garbage", "garbage.jsonl.gz"),
        ("in.zst", b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        ("in.zip", b"PK\x03\x04" + bytes(20), "zip"),
        ("in.xlsx", b"PK\x03\x04" + bytes(20), "XLSX"),
    ],
    ids=["empty", "plain", "cut", "cut plain", "garbage", "zstd", "zip", "xlsx"],
)
def test_what_is_no_event_file_is_a_sentence(tpp: Tpp, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    for words in (["screen", name], ["check", name]):
        done = tpp(*words, "--ledger", ":memory:")
        assert (done.returncode, done.stderr.count(b"\n"), said in done.stderr.decode()) == (2, 1, True), done.stderr


def test_pipes_by_name_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(TEXT)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(TEXT))
    for command in (
        "tpp screen <(zcat in.jsonl.gz) --ledger :memory:",
        "tpp screen <(cat in.jsonl.gz) --ledger :memory:",
        "cat in.jsonl | tpp screen /dev/stdin --ledger :memory:",
        "tpp check <(cat in.jsonl)",
        "mkfifo p; cat in.jsonl > p & tpp screen p --ledger :memory:",
    ):
        done = shell(tmp_path, command)
        assert (done.returncode, kinds(done.stdout)) == (0, ["approved", "recorded"]), (command, done.stderr)


def test_a_line_of_blanks_and_tabs_is_skipped_and_counts(tpp: Tpp, tmp_path: Path) -> None:
    long = b" \t" * (1 << 20)
    (tmp_path / "in.jsonl").write_bytes(lines(b" ", b"\t \t\r", request("SHP-1"), long, b"{") + b"  ")
    done = tpp("screen", "in.jsonl", "--ledger", ":memory:")
    assert kinds(done.stdout) == ["approved", "rejected"]
    assert answers(done.stdout)[1]["data"]["position"] == {"file": "in.jsonl", "line": 5}


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    names = [b"n\xff%.jsonl", b"n%FF%.jsonl"]
    for name in names:
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(lines(b"{", request("SHP-1")))
    tpp = runner(tmp_path)
    done = tpp("screen", *map(os.fsdecode, names))
    assert done.returncode == 1
    rejected = [one for one in answers(done.stdout) if one["type"].endswith("rejected.v1")]
    assert [one["data"]["position"]["file"] for one in rejected] == ["n%FF%25.jsonl", "n%FF%.jsonl"]
    assert rejected[0]["id"] != rejected[1]["id"]
    assert tpp("screen", *map(os.fsdecode, names), "--out", os.fsdecode(b"o\xfe.jsonl")).returncode == 1
    assert tpp("audit", "verify").returncode == 0
