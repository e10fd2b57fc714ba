"""`tpp screen` and `tpp check`: files in, answers out, exit codes, and what they leave behind."""

import gzip
import subprocess
from pathlib import Path

import pytest
from cli_events import answers, dispatch, kinds, lines, request
from cli_run import TPP, Tpp
from waiting import PATIENCE

BROKEN = b'{"specversion":"1.0","id":"x"'


def test_files_in_order_and_a_summary_on_standard_error(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_bytes(lines(request("SHP-1"), request("SHP-2", 1_700)))
    (tmp_path / "two.jsonl").write_bytes(lines(dispatch("SHP-1")))
    done = tpp("screen", "one.jsonl", "two.jsonl")
    assert done.returncode == 0
    assert kinds(done.stdout) == ["approved", "held", "alert", "recorded"]
    for words in (b"3 events", b"1 approved", b"1 held", b"0 rejected", b"quota.exhausted"):
        assert words in done.stderr
    assert (tmp_path / "tpp-ledger.db").is_file()


def test_gz_standard_input_and_empty_lines_give_what_the_file_gives(tpp: Tpp, tmp_path: Path) -> None:
    text = lines(request("SHP-1"), b"", dispatch("SHP-1"))
    (tmp_path / "in.jsonl").write_bytes(text)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(text))
    (tmp_path / "windows.jsonl").write_bytes(text.replace(b"\n", b"\r\n"))
    (tmp_path / "cut.jsonl").write_bytes(text.removesuffix(b"\n"))
    plain = tpp("screen", "in.jsonl", "--ledger", ":memory:")
    assert kinds(plain.stdout) == ["approved", "recorded"]
    for name in ("in.jsonl.gz", "windows.jsonl", "cut.jsonl"):
        assert tpp("screen", name, "--ledger", ":memory:").stdout == plain.stdout
    assert tpp("screen", "-", "--ledger", ":memory:", stdin=text).stdout == plain.stdout
    assert not (tmp_path / "tpp-ledger.db").exists()


def test_a_rejected_line_is_counted_where_it_stands_and_gives_exit_1(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(b"", BROKEN, request("SHP-1"), BROKEN))
    done = tpp("screen", "in.jsonl", "--ledger", ":memory:")
    assert done.returncode == 1
    assert kinds(done.stdout) == ["rejected", "approved", "rejected"]
    first, _, last = answers(done.stdout)
    assert first["data"]["position"] == {"file": "in.jsonl", "line": 2}
    assert last["data"]["position"] == {"file": "in.jsonl", "line": 4}
    assert first["id"] != last["id"]
    assert b"2 rejected" in done.stderr


def test_out_holds_the_same_bytes_after_a_run_that_was_cut_off(tpp: Tpp, tmp_path: Path) -> None:
    asked = [request(f"SHP-{n}", 300) for n in range(8)]
    (tmp_path / "all.jsonl").write_bytes(lines(*asked))
    whole = tpp("screen", "all.jsonl", "--ledger", "sqlite:///whole.db", "--out", "whole.jsonl")
    assert (whole.returncode, whole.stdout) == (0, b"")
    (tmp_path / "part.jsonl").write_bytes(lines(*asked[:3]))
    tpp("screen", "part.jsonl", "--ledger", "sqlite:///cut.db", "--out", "cut.jsonl")
    again = tpp("screen", "all.jsonl", "--ledger", "sqlite:///cut.db", "--out", "cut.jsonl")
    assert again.returncode == 0
    assert (tmp_path / "cut.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    once_more = tpp("screen", "all.jsonl", "--ledger", "sqlite:///cut.db")
    assert once_more.stdout == (tmp_path / "whole.jsonl").read_bytes()
    balances = [
        tpp("balance", "--ledger", f"sqlite:///{name}.db", "--format", "csv").stdout for name in ("whole", "cut")
    ]
    assert balances[0] == balances[1]


@pytest.mark.parametrize(
    "words",
    [
        ("screen",),
        ("screen", "missing.jsonl"),
        ("screen", "in.jsonl", "missing.jsonl"),
        ("screen", "in.jsonl", "--ledger", "nonsense://x"),
        ("screen", "in.jsonl", "--ledger", "not a url"),
        ("screen", "in.jsonl", "--rulebook", "no-such-book"),
        ("screen", "in.jsonl", "--nonsense"),
        ("screen", "in.jsonl", "--out", "no/such/folder/out.jsonl"),
        ("check", "missing.jsonl"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_2(tpp: Tpp, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(request("SHP-1")))
    done = tpp(*words)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.strip()
    assert not (tmp_path / "tpp-ledger.db").exists() or b"no/such" in done.stderr


def test_a_file_that_is_not_gzip_is_no_traceback(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl.gz").write_bytes(lines(request("SHP-1")))
    assert tpp("screen", "in.jsonl.gz", "--ledger", ":memory:").returncode == 2


def test_settings_come_from_the_environment_and_the_command_line_wins(tpp: Tpp, tmp_path: Path) -> None:
    text = lines(request("SHP-1", to="AE"))
    named = {"TPP_LEDGER_URL": "sqlite:///named.db"}
    done = tpp("screen", "-", stdin=text, env=named)
    assert kinds(done.stdout) == ["held"]
    assert (tmp_path / "named.db").is_file()
    done = tpp("screen", "-", "--ledger", ":memory:", stdin=text, env=named | {"TPP_SWITCHES": "lpp_in_d1_d4=true"})
    assert kinds(done.stdout) == ["approved"]
    (tmp_path / ".env").write_text("TPP_SWITCHES=lpp_in_d1_d4=true,lpp_5a002=true\n")
    assert kinds(tpp("screen", "-", "--ledger", ":memory:", stdin=text).stdout) == ["approved"]


@pytest.mark.parametrize("switches", ["no_such_switch=true", "lpp_5a002=maybe", "lpp_5a002"])
def test_a_switch_that_is_none_is_exit_2(tpp: Tpp, switches: str) -> None:
    done = tpp("screen", "-", "--ledger", ":memory:", stdin=lines(request("SHP-1")), env={"TPP_SWITCHES": switches})
    assert done.returncode == 2
    assert done.stdout == b""


def test_an_unknown_rulebook_in_the_environment_is_exit_2(tpp: Tpp) -> None:
    assert tpp("screen", "-", "--ledger", ":memory:", stdin=b"", env={"TPP_RULEBOOK": "nonsense"}).returncode == 2


def test_check_says_what_screen_would_say_and_writes_nothing(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / "first.jsonl").write_bytes(lines(request("SHP-1", 1_000)))
    (tmp_path / "next.jsonl").write_bytes(lines(request("SHP-2", 600), request("SHP-3", 100), BROKEN))
    assert kinds(tpp("check", "first.jsonl").stdout) == ["approved", "alert"]
    assert not (tmp_path / "tpp-ledger.db").exists()
    tpp("screen", "first.jsonl")
    before = tpp("balance", "--format", "json").stdout
    checked = tpp("check", "next.jsonl")
    assert checked.returncode == 1
    assert kinds(checked.stdout) == ["approved", "alert", "held", "alert", "rejected"]
    assert tpp("balance", "--format", "json").stdout == before
    assert tpp("screen", "next.jsonl").stdout == checked.stdout


def test_check_of_a_balance_that_would_overflow_is_a_refusal(tpp: Tpp) -> None:
    most = {"part": "P-1", "designer": "Nvidia Corporation", "quantity": 1, "tpp": 2**53 - 1, "density": 19}
    both = lines(*(request(f"SHP-{n}", to="DE", claim="AIA", papers=["aia 2025-02-01"], **most) for n in (1, 2)))
    for command in ("screen", "check"):
        done = tpp(command, "-", "--ledger", ":memory:", stdin=both)
        assert [kind for kind in kinds(done.stdout) if kind != "alert"] == ["approved", "refused"]
        assert done.returncode == 0


def test_two_screens_at_once_share_a_new_ledger(tmp_path: Path) -> None:
    for n in (1, 2):
        asked = [request(f"SHP-{n}-{k}", 20) for k in range(60)]
        (tmp_path / f"{n}.jsonl").write_bytes(lines(*asked))
    runs = [
        subprocess.Popen([TPP, "screen", f"{n}.jsonl"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for n in (1, 2)
    ]
    done = [run.communicate(timeout=PATIENCE) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], done
    approved = sum(kinds(out).count("approved") for out, _ in done)
    assert approved == 26_900_000 // (20 * 15_832)
