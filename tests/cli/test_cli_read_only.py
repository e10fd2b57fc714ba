"""A ledger in a folder that cannot be written, on a mount or by its mode, is read by every command that reads."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cli_events import kinds, lines, request
from cli_run import Tpp, runner

URL = "sqlite:///archive/tpp-ledger.db"
READING = (
    ["balance"], ["balance", "--known-at", "snapshot:2025-Q2"], ["statement", "lpp/*"], ["holds"], ["holds", "--summary"],
    ["obligations"], ["shipments"], ["alerts"], ["thresholds"], ["balance", "--sort", "used"],
    ["explain", "SHP-1"], ["snapshot", "list"], ["snapshot", "export", "2025-Q2", "--format", "csv"],
    ["reconcile", "s.csv"], ["audit", "verify"], ["audit", "prove", "SHP-1"], ["check", "in.jsonl"],
    ["retention"],
    ["audit", "export", "SHP-1", "--out", "pack"], ["audit", "key"],
)  # fmt: skip
WRITING = (
    ["screen", "in.jsonl"], ["snapshot", "close", "2025-07"], ["recheck", "--all"], ["migrate"],
    ["review", "SHP-3", "deny", "--reviewer", "a.one", "--reason", "no"],
    ["restore", "file.backup"],
    ["met", "left_without_approval", "SHP-3", "--due", "2025-07-01", "--by", "c.three", "--reference", "R"],
)  # fmt: skip


@pytest.fixture
def archive(made: Path, tmp_path: Path) -> Iterator[Tpp]:
    """Runs `tpp` beside a folder `archive`, read-only, with a ledger whose quarter is closed and two files."""
    tpp, folder = runner(tmp_path), tmp_path / "archive"
    folder.mkdir()
    shutil.copy(made, folder)
    assert tpp("snapshot", "close", "2025-Q2", "--ledger", URL).returncode == 0
    (tmp_path / "in.jsonl").write_bytes(lines(request("SHP-7")))
    (tmp_path / "s.csv").write_text("shipment_id,account,date,amount\n")
    assert tpp("backup", "file.backup", "--ledger", URL).returncode == 0
    with read_only(folder):
        yield tpp


class read_only:  # noqa: N801
    """Within it a folder cannot be written: by a mount of its own where this user may mount, else by its mode."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mounted = False

    def __enter__(self) -> None:
        bind = subprocess.run(["mount", "--bind", self._folder, self._folder], capture_output=True, check=False)
        self._mounted = bind.returncode == 0
        if self._mounted:
            subprocess.run(["mount", "-o", "remount,ro,bind", self._folder], check=True)
        self._folder.chmod(0o555) if not self._mounted else None
        if os.access(self._folder, os.W_OK):
            pytest.skip("this user can write every folder and mount none")

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            subprocess.run(["umount", self._folder], check=True)
        else:
            self._folder.chmod(0o755)


def test_every_reading_command_gives_its_whole_answer(archive: Tpp, tmp_path: Path) -> None:
    writable = tmp_path / "copy"
    shutil.copytree(tmp_path / "archive", writable)
    writable.chmod(0o755)
    for words in READING:
        done = archive(*words, "--ledger", URL)
        shutil.rmtree(tmp_path / "pack", ignore_errors=True)
        there = archive(*words, "--ledger", "sqlite:///copy/tpp-ledger.db")
        shutil.rmtree(tmp_path / "pack", ignore_errors=True)
        assert done.returncode == there.returncode, (words, done.stderr)
        assert done.returncode == (1 if words[0] in ("reconcile", "retention") else 0), (words, done.stderr)
        assert done.stdout == there.stdout or words[:2] == ["audit", "prove"], words
    for url, name in ((URL, "of-archive"), ("sqlite:///copy/tpp-ledger.db", "of-copy")):
        assert archive("backup", name, "--ledger", url).returncode == 0
        assert archive("restore", name, "--ledger", f"sqlite:///{name}.db").returncode == 0
    assert kinds(archive("check", "in.jsonl", "--ledger", URL).stdout) == ["approved"]


def test_what_writes_is_a_sentence(archive: Tpp) -> None:
    for words in WRITING:
        done = archive(*words, "--ledger", URL)
        assert (done.returncode, done.stdout, b"read-only" in done.stderr) == (2, b"", True), words


def test_without_the_operators_key_there_is_no_pack_but_there_are_proofs(archive: Tpp, tmp_path: Path) -> None:
    (tmp_path / "tpp-signing.key").unlink()
    assert archive("audit", "prove", "SHP-1", "--ledger", URL).returncode == 0
    assert not (tmp_path / "tpp-signing.key").exists()
    done = archive("audit", "export", "SHP-1", "--out", "pack", "--ledger", URL)
    assert (done.returncode, b"checkpoint" in done.stderr, (tmp_path / "pack").exists()) == (2, True, False)


def test_records_after_the_newest_checkpoint_are_not_proven(made: Path, tmp_path: Path) -> None:
    tpp, folder = runner(tmp_path), tmp_path / "archive"
    folder.mkdir()
    shutil.copy(made, folder)
    with read_only(folder):
        assert b"it has none" in tpp("audit", "prove", "SHP-1", "--ledger", URL).stderr
    assert tpp("audit", "checkpoint", "--ledger", URL).returncode == 0
    assert tpp("screen", "-", "--ledger", URL, stdin=lines(request("SHP-8"))).returncode == 0
    with read_only(folder):
        assert tpp("audit", "prove", "SHP-1", "--ledger", URL).returncode == 0
        for words in (
            ["prove", "SHP-8"],
            ["export", "SHP-8", "--out", "pack"],
            ["export", "SHP-1", "SHP-8", "--out", "p"],
        ):
            done = tpp("audit", *words, "--ledger", URL)
            assert (done.returncode, done.stderr.count(b"\n")) == (2, 1), (words, done)


def test_changes_that_wait_in_the_log_are_a_sentence(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    shutil.copy(made, folder)
    with closing(sqlite3.connect(folder / "tpp-ledger.db")) as connection:
        connection.execute("CREATE TABLE more (n)")
        assert (folder / "tpp-ledger.db-wal").stat().st_size
        with read_only(folder):
            done = runner(tmp_path)("balance", "--ledger", URL)
            assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
            assert b"writable folder" in done.stderr
