"""`tpp audit check-pack` and `tpp audit verifier`: an examiner runs nothing of the pack, however hostile it is."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from proof_pack import FILE, KEY, VERIFIER, Key, Log, Pack, good
from waiting import PATIENCE

from services.cli.commands import main
from services.proof import verifier as verify
from services.proof.pack import README

ROOT = Path(__file__).resolve().parents[2]
GOOD = good()
OLD = sorted(Path(__file__).with_name("versions").glob("*.pack.zip"))
Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs `tpp audit check-pack` in a folder of its own; a signature is computed once."""
    monkeypatch.setattr(verify, "ed25519", lru_cache(verify.ed25519))
    monkeypatch.chdir(tmp_path)

    def run(folder: Path | str, *words: str, key: str = KEY.public) -> Result:
        done = CliRunner().invoke(main, ["audit", "check-pack", str(folder), "--key", key, *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def test_a_good_pack_is_valid_and_what_was_checked_is_said(check: Check, tmp_path: Path) -> None:
    folder = GOOD.write(tmp_path / "pack")
    done = check(folder)
    first, *others = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert first.startswith("valid: 2 shipments, 10 of 12 records proved under the checkpoint, ")
    assert [line.partition(": ")[0] for line in others] == ["checked"] * 7 + ["verifier"]
    told = json.loads(check(folder, "--format", "json").stdout)
    assert told["ok"] is True
    assert (told["file"], told["why"]) == (None, None)
    assert told["verifier"] == sha256(VERIFIER.read_bytes()).hexdigest()
    (tmp_path / "keys").write_text(f"{Key('other').public}\n\n{KEY.public}\n")
    assert check(folder, key=str(tmp_path / "keys")).exit_code == 0
    assert check(folder, key=f"{Key('other').public}\n{KEY.public}\n").exit_code == 0


@pytest.mark.parametrize("kept", OLD, ids=lambda kept: kept.name.removesuffix(".pack.zip"))
def test_packs_of_earlier_versions_are_valid(kept: Path, check: Check, tmp_path: Path) -> None:
    with zipfile.ZipFile(kept) as packed:
        packed.extractall(tmp_path)
    done = check("pack", key="key.pub")
    assert done.exit_code == 0, done.stdout
    assert done.stdout.startswith("valid: 35 shipments, 74 of 99 records proved")
    assert (tmp_path / "pack/verify.py").read_bytes() != VERIFIER.read_bytes()
    (tmp_path / "pack/verify.py").write_text("raise SystemExit(0)")
    assert check("pack", key="key.pub").exit_code == 1


def test_a_pack_of_the_first_version_is_kept() -> None:
    assert "0.1.0.pack.zip" in {kept.name for kept in OLD}


def test_what_cannot_be_checked_is_a_failure(check: Check, tmp_path: Path) -> None:
    folder = GOOD.write(tmp_path / "pack")
    (tmp_path / "empty").write_text("\n")
    for where, key in (
        ("nowhere", KEY.public), (folder / "README.txt", KEY.public), ("a\x00b", KEY.public), (folder, "nokey"),
        (folder, "empty"), (folder, str(folder)), (folder, KEY.public[:-4]), (folder, str(folder / "verify.py")),
        (folder, "a" * 5_000),
    ):  # fmt: skip
        done = check(where, key=key)
        assert (done.exit_code, done.stdout) == (2, ""), (where, key)
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1
    done = CliRunner().invoke(main, ["audit", "check-pack", str(folder)])
    assert done.exit_code == 2, "a key is required"


def test_a_private_key_given_for_a_public_one_is_not_repeated(check: Check, tmp_path: Path) -> None:
    folder, secret = GOOD.write(tmp_path / "pack"), f"PRIVATE+KEY+tpp-ledger+00000000+{'A' * 44}"
    (tmp_path / "file").write_text(secret)
    for key in (secret, "file"):
        done = check(folder, key=key)
        assert done.exit_code == 2
        assert "private key" in done.stderr
        assert "AAAA" not in done.output


# --- hostile packs


def bad(done: Result, file: str) -> None:
    """It is not valid, and one sentence names the file."""
    lines = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (1, "")
    assert lines[0].startswith(f"invalid: {file}: "), lines
    assert len(lines) == 2
    assert not [line for line in lines if line.startswith("checked")]


@pytest.mark.parametrize("signed", [True, False])
def test_the_verifier_of_the_pack_is_never_run(signed: bool, check: Check, tmp_path: Path) -> None:
    """Changed, it is named; changed by who signs the pack, it is still only a file."""
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\nprint('valid: all is well')\n".encode()
    if signed:
        assert check(GOOD.having(**{"verify.py": trap}).write(tmp_path / "pack")).exit_code == 0
    else:
        folder = GOOD.write(tmp_path / "pack")
        (folder / "verify.py").write_bytes(trap)
        bad(check(folder), "verify.py")
    for name in ("json.py", "re.py", "base64.py", "sitecustomize.py"):
        (tmp_path / "pack" / name).write_bytes(trap)
    assert check(tmp_path / "pack").exit_code == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "evidence/../../secret", "..", "", "a\x00b", "./checkpoint"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str, check: Check, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    files = json.loads(GOOD.list())["files"]
    raw = b"secret" if name != "/etc/passwd" else Path(name).read_bytes()
    entry = {"path": name, "bytes": len(raw), "sha256": sha256(raw).hexdigest()}
    for listed in ([*files, entry], [*files[1:], entry]):
        pack = replace(GOOD, listed={"files": listed})
        bad(check(pack.write(tmp_path / "pack")), "pack.json")


def test_links_pipes_and_folders_are_refused(check: Check, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/statement.pdf").write_bytes(FILE)
    bare = Pack(GOOD.files, GOOD.shipments)
    for name, make in {
        "README.txt": lambda path: path.symlink_to(tmp_path / "secret/statement.pdf"),
        "evidence": lambda path: path.symlink_to(tmp_path / "secret"),
        "evidence/statement.pdf": lambda path: path.symlink_to(tmp_path / "secret/statement.pdf"),
        "evidence/nowhere": lambda path: path.symlink_to("/nonexistent"),
        "evidence/pipe": os.mkfifo,
        "records.jsonl": os.mkfifo,
        "checkpoint": Path.mkdir,
    }.items():
        folder = bare.write(tmp_path / name.replace("/", "-"))
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)
        bad(check(folder), name)


@pytest.mark.parametrize(
    "name", ["records.jsonl", "pack.json", "pack.note", "evidence/much.pdf", "more.bin", "verify.py"]
)
def test_a_huge_file_is_not_read(name: str, check: Check, tmp_path: Path) -> None:
    folder = GOOD.write(tmp_path / "pack")
    with (folder / name).open("r+b" if (folder / name).exists() else "wb") as file:
        file.truncate(1 << 40)
    bad(check(folder), name)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("evidence.json", b"NaN"), ("evidence.json", b"[Infinity]"), ("evidence.json", b"-Infinity"), ("evidence.json", DEEP),
        ("evidence.json", b'[{"record":1,"record":2}]'), ("evidence.json", b"1e999"), ("evidence.json", b"9" * 5_000),
        ("evidence.json", b"\xff\xfe"), ("evidence.json", b'["\\ud800"]'), ("evidence.json", b""), ("evidence.json", b"null"),
        ("records.jsonl", b"NaN\n"), ("records.jsonl", b"{}\n"), ("records.jsonl", DEEP + b"\n"), ("records.jsonl", b"\n"),
        ("consistency.json", b'{"old":"","old":"","new":"","proof":[]}'), ("consistency.json", b'{"old":NaN}'),
        ("checkpoint", b"\xff"), ("checkpoint", b""), ("checkpoint", b"\n\n\n\n"),
    ],
    ids=lambda value: ascii(value)[:24],
)  # fmt: skip
def test_odd_json_that_is_signed_gives_a_sentence(name: str, raw: bytes, check: Check, tmp_path: Path) -> None:
    bad(check(GOOD.having(**{name: raw}).write(tmp_path / "pack")), name)


@pytest.mark.parametrize(
    "listed",
    [
        b"NaN", b"[]", b"", DEEP, b"\xff", GOOD.list().replace(b'"bytes"', b'"bytes": 1, "bytes"', 1),
        GOOD.list().replace(b'"period": null', b'"period": NaN'), GOOD.list().replace(b'"S-1": 12', b'"S-1": NaN'),
        GOOD.list().replace(b'"S-1": 12', b'"S-1": 12, "S-1": 12'), GOOD.list().replace(b'"S-1": 12', b'"S-1": "12"'),
    ],
    ids=lambda value: ascii(value)[:24],
)  # fmt: skip
def test_an_odd_list_that_is_signed_gives_a_sentence(listed: bytes, check: Check, tmp_path: Path) -> None:
    bad(check(GOOD.write(tmp_path / "pack", listed)), "pack.json")


def test_odd_members_of_an_answer_give_a_sentence(check: Check, tmp_path: Path) -> None:
    """The hash of such a record is right: who signs the checkpoint wrote it."""
    odd: list[Any] = [[], {"shipment_id": {}, "decision_id": 1}, {"debits": [1]}, {"entries": [{}]}, None]
    for number, data in enumerate(odd):
        log = Log()
        log.add("shipment.requested", {"shipment_id": "S-1"}, [("tpp.shipment.held.v1", data)], [], "S-1")
        files = {**GOOD.files, "checkpoint": log.checkpoint(), "evidence.json": b"[]"}
        files.pop("consistency.json")
        bad(check(Pack(files, {"S-1": 1}).with_lines([log.line(1)]).write(tmp_path / f"pack{number}")), "records.jsonl")


def test_a_file_named_like_the_key_does_not_stand_in_for_it(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forger's pack has a file whose name is the true key and whose content is the forger's key."""
    forger = Key(seed=b"8" * 32)
    truth = next(key for key in (Key(seed=bytes([n]) * 32) for n in range(50)) if "/" not in key.public)
    pack = Pack(GOOD.files | {"checkpoint": forger.note("x")}, GOOD.shipments)
    folder = pack.write(tmp_path / "pack", key=forger)
    (folder / truth.public).write_text(forger.public)
    monkeypatch.chdir(folder)
    done = check(".", key=truth.public)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        1, "invalid: pack.note: it is not signed by any given key of the name in its first line",
    )  # fmt: skip
    alone = [sys.executable, "-I", str(VERIFIER), truth.public]
    told = subprocess.run(alone, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (told.returncode, told.stdout) == (1, f"{done.stdout.splitlines()[0]}\n")


# --- the verifier of a release


def test_the_verifier_is_written_and_its_digest_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    digest = sha256(VERIFIER.read_bytes()).hexdigest()
    assert CliRunner().invoke(main, ["audit", "verifier"]).stdout == f"{digest}  verify.py\n"
    assert not list(tmp_path.iterdir())
    done = CliRunner().invoke(main, ["audit", "verifier", "--out", "v.py"])
    assert (done.exit_code, done.stdout) == (0, f"{digest}  v.py\n")
    assert (tmp_path / "v.py").read_bytes() == VERIFIER.read_bytes()
    folder = GOOD.write(tmp_path / "pack")
    for words in ((KEY.public, str(folder)), (KEY.public, "pack")):
        command = [sys.executable, "-I", "v.py", *words]
        told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (told.returncode, told.stdout[:7], told.stderr) == (0, "valid: ", "")
    for words in ((KEY.public, "nowhere"), (KEY.public, "v.py"), (KEY.public, "pack", "pack"), ("pack", KEY.public)):
        command = [sys.executable, "-I", "v.py", *words]
        told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (told.returncode, told.stdout) == (2, "")
        assert told.stderr.startswith("usage: ")
    done = CliRunner().invoke(main, ["audit", "verifier", "--out", "none/v.py"])
    assert (done.exit_code, done.stdout) == (2, "")


def test_the_changelog_names_the_digest_of_the_verifier() -> None:
    newest = (ROOT / "CHANGELOG.md").read_text("utf-8").split("\n## ")[1]
    assert sha256(VERIFIER.read_bytes()).hexdigest() in newest


def test_no_page_tells_an_examiner_to_run_what_the_pack_contains() -> None:
    texts = {name: (ROOT / name).read_text("utf-8") for name in ("README.md", "docs/contract/books.md")}
    texts |= {"README.txt": README, "help": CliRunner().invoke(main, ["audit", "export", "--help"]).stdout}
    for name, text in texts.items():
        assert "python3 -I verify.py KEY`" not in text, name
        assert "check-pack" in text, name
