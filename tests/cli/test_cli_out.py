"""`--out` destroys nothing: not an input, the ledger, the key or the settings, nor a file of somebody else."""

import gzip
import os
import subprocess
from pathlib import Path

import pytest
from cli_events import kinds, lines, request
from cli_run import TPP, Tpp, runner
from waiting import PATIENCE

LEDGER = "tpp-ledger.db"
PROTECTED = (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", f"{LEDGER}-journal", "tpp-signing.key", ".env")
WRITERS = {
    "screen": ["screen", "in.jsonl"],
    "statement": ["statement", "lpp/CON-1/2025", "--format", "csv"],
    "reconcile": ["reconcile", "s.csv", "--format", "json"],
    "checkpoint": ["audit", "checkpoint"],
}


@pytest.fixture
def folder(filled: Tpp, tmp_path: Path) -> Path:
    (tmp_path / "in.jsonl").write_bytes(lines(request("SHP-7")))
    (tmp_path / "s.csv").write_text("shipment_id,account,date,amount\nSHP-1,lpp/CON-1/2025,2025-06-05,126656\n")
    (tmp_path / ".env").write_text("TPP_ORIGIN=tpp-ledger\n")
    assert filled("audit", "key").returncode == 0
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_a_command_needs_is_never_its_output(filled: Tpp, folder: Path, writer: str, force: list[str]) -> None:
    (folder / "link").symlink_to(LEDGER)
    os.link(folder / "tpp-signing.key", folder / "hard")
    inputs = {"screen": ["in.jsonl"], "reconcile": ["s.csv"]}.get(writer, [])
    before = contents(folder)
    for name in (*PROTECTED, "link", "hard", f"./{LEDGER}", *inputs, *(str(folder / name) for name in inputs)):
        done = filled(*WRITERS[writer], "--out", name, *force)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1), name
        assert f"{name} is ".encode() in done.stderr
        assert contents(folder) == before, name


@pytest.mark.parametrize("writer", WRITERS)
def test_the_files_of_others_are_replaced_only_with_force(filled: Tpp, folder: Path, writer: str) -> None:
    for name, text in {"notes.txt": b"notes\n", "other.db": b"SQLite format 3\0", "other.jsonl": b'{"id":1}\n'}.items():
        (folder / name).write_bytes(text)
        done = filled(*WRITERS[writer], "--out", name)
        assert (done.returncode, (folder / name).read_bytes()) == (2, text)
        assert b"--force" in done.stderr
        assert filled(*WRITERS[writer], "--out", name, "--force").returncode in (0, 1)
        made = (folder / name).read_bytes()
        assert made != text
        assert filled(*WRITERS[writer], "--out", name).returncode in (0, 1), "its own output needs no --force"
        assert (folder / name).read_bytes() == made
    (folder / "empty").touch()
    assert filled(*WRITERS[writer], "--out", "empty").returncode in (0, 1)
    assert (folder / "empty").read_bytes() == made


def test_events_are_not_answers(filled: Tpp, folder: Path) -> None:
    (folder / "more.jsonl").write_bytes(lines(request("SHP-8")))
    assert filled("screen", "in.jsonl", "--out", "more.jsonl").returncode == 2


@pytest.mark.parametrize("form", ["table", "json", "csv", "xlsx", "parquet", "hledger"])
def test_a_statement_takes_the_place_of_the_one_before(filled: Tpp, folder: Path, form: str) -> None:
    words = ["statement", "*", "--format", form, "--out", "link"]
    (folder / "link").symlink_to("real")
    assert filled(*words).returncode == 0
    (folder / "real").chmod(0o640)
    assert filled(*words).returncode == 0
    assert (folder / "link").is_symlink()
    assert (folder / "real").stat().st_mode & 0o777 == 0o640
    assert not [path for path in folder.iterdir() if path.name.startswith(".tpp-")]


def test_what_fails_leaves_the_old_file(filled: Tpp, folder: Path) -> None:
    words = ["statement", "lpp/CON-1/2025", "--format", "csv", "--out", "s1.csv"]
    assert filled(*words).returncode == 0
    before = (folder / "s1.csv").read_bytes()
    assert filled(*words, "--ledger", "sqlite:///none.db").returncode == 2
    assert filled(*words, "--known-at", "snapshot:none").returncode != 0
    assert (folder / "s1.csv").read_bytes() == before


def test_a_snapshot_replaces_only_its_own_files(filled: Tpp, folder: Path) -> None:
    assert filled("snapshot", "close", "2025-Q2").returncode == 0
    (folder / "2025-Q2").mkdir()
    (folder / "2025-Q2" / "entries.csv").write_text("a,b\n1,2\n")
    export = ["snapshot", "export", "2025-Q2", "--format", "csv"]
    done = filled(*export)
    assert (done.returncode, [path.name for path in (folder / "2025-Q2").iterdir()]) == (2, ["entries.csv"])
    assert filled(*export, "--force").returncode == 0
    for form in ("csv", "xlsx", "parquet", "hledger"):
        for _ in range(2):
            assert filled("snapshot", "export", "2025-Q2", "--format", form).returncode == 0


def test_what_is_no_file_is_written_as_it_is(filled: Tpp, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with subprocess.Popen(["cat", "pipe"], cwd=folder, stdout=subprocess.PIPE) as reader:
        for words in (["screen", "in.jsonl"], ["statement", "*", "--format", "csv"]):
            assert filled(*words, "--out", os.devnull).returncode == 0
        assert filled("screen", "in.jsonl", "--out", "pipe").returncode == 0
        told, _ = reader.communicate(timeout=PATIENCE)
    assert kinds(told) == ["approved"]
    assert (folder / "pipe").is_fifo()
    assert not Path(os.devnull).is_file()


def test_gz_is_gzip_with_the_same_bytes_each_run(filled: Tpp, folder: Path) -> None:
    plain = filled("screen", "in.jsonl").stdout
    for words, text in ((["screen", "in.jsonl"], plain), (["statement", "*", "--format", "csv"], None)):
        made = []
        for name in ("one.gz", "two.gz", "one.gz"):
            assert filled(*words, "--out", name, "--force").returncode == 0
            assert filled(*words, "--out", name).returncode == 0, "a packed output is known by what it unpacks to"
            made.append((folder / name).read_bytes())
        assert made[0] == made[1] == made[2]
        assert made[0][4:8] == bytes(4)
        assert text is None or gzip.decompress(made[0]) == text
    (folder / "events.jsonl.gz").write_bytes(gzip.compress(lines(request("SHP-8"))))
    assert filled("screen", "in.jsonl", "--out", "events.jsonl.gz").returncode == 2


def test_answers_to_standard_input_do_not_go_into_the_file_it_comes_from(folder: Path) -> None:
    before = (folder / "in.jsonl").read_bytes()
    for words, out in (("screen - --out in.jsonl", None), ("screen -", "in.jsonl"), ("screen in.jsonl", "in.jsonl")):
        with (folder / "in.jsonl").open("rb") as read, (folder / (out or "other")).open("ab") as written:
            done = subprocess.run(
                [TPP, *words.split()],
                check=False,
                cwd=folder,
                stdin=read,
                stdout=written,
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
            )
        assert (done.returncode, b"Traceback" in done.stderr) == (2, False), words
        assert (folder / "in.jsonl").read_bytes() == before


def test_nothing_is_decided_where_the_output_is_refused(tmp_path: Path) -> None:
    tpp = runner(tmp_path)
    (tmp_path / "in.jsonl").write_bytes(lines(request("SHP-7")))
    (tmp_path / "folder").mkdir()
    for out in ("in.jsonl", LEDGER, f"{LEDGER}-wal", "tpp-signing.key", "folder", "no/such/folder"):
        assert tpp("screen", "in.jsonl", "--out", out).returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "in.jsonl"]
