"""Standard output that is closed, full, broken or in another encoding: the whole answer, or one sentence and exit 2."""

import os
import subprocess
from pathlib import Path

import orjson
import pytest
from cli_events import event, lines, request
from cli_run import TPP, Tpp
from waiting import PATIENCE

WORDS = (
    ["balance", "--help"], ["balance"], ["balance", "--format", "json"], ["explain", "SHP-1"], ["holds", "--format", "csv"],
    ["statement", "lpp/*"], ["statement", "lpp/*", "--format", "parquet"], ["snapshot", "close", "2025-Q2"],
    ["reconcile", "s.csv"], ["screen", "in.jsonl"], ["check", "in.jsonl"], ["audit", "verify"], ["audit", "checkpoint"],
    ["audit", "key"],
)  # fmt: skip
NAMES = "Société Générale Ünïted, Яндекс, 東京データ, ligature ﬁ"


@pytest.fixture
def folder(filled: Tpp, tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_bytes(lines(request("SHP-7")))
    (tmp_path / "s.csv").write_text("shipment_id,account,date,amount\n")
    party = {"id": "CON-9", "name": NAMES, "country": "PL", "headquarters": "CN"}
    data = orjson.loads(request("U-1"))
    data["data"]["ultimate_consignee"] = party
    (tmp_path / "u.jsonl").write_bytes(
        orjson.dumps(data) + b"\n" + event("m", "shipment.cancelled", {"shipment_id": "NO"})
    )
    assert filled("screen", "u.jsonl").returncode == 0
    assert filled("snapshot", "close", "2025-05").returncode == 0
    return tmp_path


def run(folder: Path, words: list[str], redirect: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a command with its standard output redirected by the shell."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    return subprocess.run(
        ["bash", "-c", f'"$0" "$@" {redirect}', TPP, *words],
        cwd=folder, env=plain | env, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("redirect", ["> /dev/full", ">&-"])
def test_full_and_closed_are_one_sentence_and_exit_2(folder: Path, redirect: str) -> None:
    for words in WORDS:
        done = run(folder, words, redirect)
        said = done.stderr.decode()
        assert (done.returncode, "Traceback" in said, "Exception" in said) == (2, False, False), (words, said)
        assert [line for line in said.splitlines() if line.startswith("Error: ")], (words, said)
        assert "standard output" in said, (words, said)


def test_what_was_done_first_is_said(folder: Path) -> None:
    assert b"the ledger is already at revision" in run(folder, ["migrate"], ">&-").stderr
    assert b"2025-Q2 is closed" in run(folder, ["snapshot", "close", "2025-Q2"], ">&-").stderr


def test_closed_errors_change_nothing(folder: Path) -> None:
    for redirect in ("2>&-", "2> /dev/full"):
        assert run(folder, ["balance", "--ledger", "sqlite:///none.db"], redirect).returncode == 2
        done = run(folder, ["balance"], redirect)
        assert (done.returncode, b"lpp/CON-1/2025" in done.stdout) == (0, True)


def test_closed_input_is_a_sentence(folder: Path) -> None:
    done = run(folder, ["screen", "-"], "<&-")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "POSIX"},
    ],
    ids=["latin-1", "cp1252", "posix"],
)
def test_other_encodings_get_the_whole_answer(folder: Path, env: dict[str, str]) -> None:
    for words in WORDS:
        plain, done = run(folder, words, ""), run(folder, words, "", **env)
        assert plain.returncode == done.returncode, (words, done.stderr)
        assert b"Traceback" not in done.stderr
        if words[-1] in ("json", "csv", "html", "xlsx", "parquet") or words[0] in ("screen", "check"):
            assert done.stdout == plain.stdout, words
    encoding = env.get("PYTHONIOENCODING", "ascii")
    told = run(folder, ["explain", "U-1"], "", **env).stdout.decode(encoding)
    assert NAMES.encode(encoding, "backslashreplace").decode(encoding).split(",")[1] in told
    assert run(folder, ["holds", "--format", "csv"], "", **env).stdout.decode().count("U-1") == 1


def test_screen_into_a_closed_pipe_says_how_far_it_came(tmp_path: Path) -> None:
    (tmp_path / "big.jsonl").write_bytes(lines(*(request(f"SHP-{n}", 1, to="AE") for n in range(6_000))))
    done = run(tmp_path, ["screen", "big.jsonl"], "| head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stdout.count(b"\n")) == (2, 1)
    assert (
        done.stderr == b"Error: the output was closed; 2,048 of 6,000 events are decided, run it again for the rest\n"
    )
    done = run(tmp_path, ["screen", "-", "--ledger", "sqlite:///b.db"], "< big.jsonl | head -1; exit ${PIPESTATUS[0]}")
    assert done.returncode == 2
    assert b" events are decided, run it again for the rest" in done.stderr
    assert b" of " not in done.stderr
    done = run(tmp_path, ["screen", "big.jsonl"], "> /dev/full")
    assert (done.returncode, b"No space left on device" in done.stderr) == (2, True)
