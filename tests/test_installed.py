"""The quick `tpp` of the tests answers as the installed one does, and ends as its copy ends."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from installed import INSTALLED, TPP
from waiting import PATIENCE, wait_until

ROOT = Path(__file__).parent.parent
EXAMPLE = str(ROOT / "examples/quickstart.jsonl")


def run(program: Path, words: list[str], folder: Path, **environment: str) -> tuple[int, bytes, bytes]:
    folder.mkdir()
    done = subprocess.run(
        [program, *words], cwd=folder, env=os.environ | environment, capture_output=True, timeout=PATIENCE, check=False,
        input=b"{}\n", umask=0o077,
    )  # fmt: skip
    modes = b"".join(b"%s %o\n" % (os.fsencode(one.name), one.stat().st_mode) for one in sorted(folder.iterdir()))
    return done.returncode, done.stdout, done.stderr + modes


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["check", EXAMPLE], {}),
        (["screen", "-", "--ledger", "sqlite:///one.db", "--out", "answers.jsonl"], {}),
        (["screen", "-"], {"TPP_LEDGER_URL": "sqlite:///two.db"}),
        (["balance", "--ledger", "sqlite:///none.db"], {}),
        (["nonsense", "\udcff"], {"PYTHONIOENCODING": "latin-1"}),
        (["--version"], {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}),
    ],
    ids=["answers", "files", "settings", "refused", "encoding", "of its own"],
)
def test_it_answers_as_the_installed_one(tmp_path: Path, words: list[str], environment: dict[str, str]) -> None:
    told = run(INSTALLED, words, tmp_path / "installed", **environment)
    quick = run(TPP, words, tmp_path / "quick", **environment)
    assert quick[0] == told[0] and quick[2] == told[2]
    assert [line[:20] for line in quick[1].splitlines()] == [line[:20] for line in told[1].splitlines()]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_signals_reach_the_copy(tmp_path: Path, number: int, code: int) -> None:
    words = ["serve", "--listen", "127.0.0.1:0", "--ledger", f"sqlite:///{tmp_path / 'l.db'}"]
    with subprocess.Popen([TPP, *words], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None and "listening" in running.stderr.readline()
        running.send_signal(number)
        assert running.wait(PATIENCE) == code
        running.stderr.read()  # ends only once the copy has ended


def test_copies_do_not_wait_for_each_other() -> None:
    many = [subprocess.Popen([TPP, "check", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for one in reversed(many):
        answered, _ = one.communicate(b"{}\n", PATIENCE)
        assert one.returncode == 1 and answered.count(b"\n") == 1
    wait_until(lambda: all(one.poll() is not None for one in many))
