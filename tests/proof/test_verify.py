"""The verifier of a pack: good packs, and every changed byte."""

import ast
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from proof_pack import FILE, KEY, VERIFIER, Key, Pack, good, story
from waiting import PATIENCE

from services.proof import verifier as verify

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("rfc8032.json").read_text("utf-8"))
SHOWN = (
    "valid: shipments 2, records 10 of 12 under the checkpoint, of the older one the first 5, "
    "evidence digests 2, of which files are here 1\n"
)
GOOD = good()


def alone(folder: Path, *arguments: str, python: str = sys.executable) -> tuple[int, str, str]:
    """Runs the pack's own verifier, as the contract says."""
    done = subprocess.run(
        [python, "-I", "verify.py", *arguments], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={"LANG": "C", "PATH": os.environ["PATH"]},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


# --- the program itself


def test_the_verifier_is_one_file_for_python_3_9_and_the_standard_library() -> None:
    tree = ast.parse(VERIFIER.read_text("utf-8"), feature_version=(3, 9))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert imported <= {"__future__", "base64", "hashlib", "json", "pathlib", "re", "sys", "typing"}


def test_a_good_pack_is_valid_and_a_key_is_asked_for(tmp_path: Path) -> None:
    folder, key = GOOD.write(tmp_path / "pack"), tmp_path / "keys"
    key.write_text(f"{Key('other').public}\n{KEY.public}\n\n")
    before = sorted(folder.rglob("*"))
    assert alone(folder, KEY.public) == (0, SHOWN, "")
    assert alone(folder, str(key)) == (0, SHOWN, "")
    assert sorted(folder.rglob("*")) == before
    for arguments in ((), ("",), ("nothing",), (KEY.public, KEY.public), (KEY.public[:-4],), (str(folder),)):
        status, out, error = alone(folder, *arguments)
        assert (status, out) == (2, "")
        assert error.startswith("usage: python3 -I verify.py KEY")
    (folder / "evidence/statements/CON-1.pdf").write_bytes(b"another")
    assert alone(folder, KEY.public)[:2] == (
        1,
        "invalid: evidence/statements/CON-1.pdf: evidence.json has no digest of it\n",
    )


def test_other_keys_show_nothing(tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    folder = GOOD.write(tmp_path)
    for key in (Key(seed=b"8" * 32), Key("other")):
        assert said(folder, key.public) == (
            1, "invalid: pack.note: no key that was given, of the name in its first line, has signed it\n",
        )  # fmt: skip


@pytest.mark.parametrize("test", VECTORS["tests"], ids=["TEST 1", "TEST 2", "TEST 3"])
def test_ed25519_of_rfc_8032(test: dict[str, str]) -> None:
    public, message, signature = (bytes.fromhex(test[name]) for name in ("public", "message", "signature"))
    assert verify.ed25519(public, message, signature)
    assert not verify.ed25519(public, message + b"x", signature)
    for place in range(0, 64, 5):
        assert not verify.ed25519(public, message, _flipped(signature, place))
    s = int.from_bytes(signature[32:], "little") + verify.ORDER
    assert not verify.ed25519(public, message, signature[:32] + s.to_bytes(32, "little"))
    assert not verify.ed25519(public, message, signature[:-1])
    assert not verify.ed25519(public, message, signature + b"\x00")


@pytest.mark.parametrize("raw", [
    verify.P.to_bytes(32, "little"), (verify.P + 1).to_bytes(32, "little"), b"\xff" * 32,
    (1 | 1 << 255).to_bytes(32, "little"), (verify.P - 1 | 1 << 255).to_bytes(32, "little"), (2).to_bytes(32, "little"),
], ids=["p", "p + 1", "largest", "-0", "-0 of -1", "not on the curve"])  # fmt: skip
def test_bytes_that_are_not_the_one_encoding_of_a_point_are_refused(raw: bytes) -> None:
    signature = bytes.fromhex(VECTORS["tests"][0]["signature"])
    assert not verify.ed25519(raw, b"", signature)
    assert not verify.ed25519(bytes.fromhex(VECTORS["tests"][0]["public"]), b"", raw + signature[32:])


@settings(max_examples=25)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_ed25519_agrees_with_the_library(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    signature = key.sign(message)
    assert verify.ed25519(key.public_key().public_bytes_raw(), message, signature)
    assert not verify.ed25519(
        key.public_key().public_bytes_raw(), message, _flipped(signature, message[0] % 64 if message else 0)
    )


# --- every changed byte


def _flipped(raw: bytes, place: int, bits: int = 1) -> bytes:
    return raw[:place] + bytes([raw[place] ^ bits]) + raw[place + 1 :]


@pytest.mark.parametrize("name", sorted([*GOOD.files, *GOOD.beside, "pack.json", "pack.note"]))
def test_every_changed_byte_is_seen_and_its_file_named(
    name: str, tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    folder = GOOD.write(tmp_path)
    assert said(folder) == (0, SHOWN)
    raw = (folder / name).read_bytes()
    chance = random.Random(name)
    places = range(len(raw)) if len(raw) < 700 else sorted(chance.sample(range(len(raw)), 150))
    changed = [_flipped(raw, place, 1 << chance.randrange(8)) for place in places]
    changed += [raw[:-1], raw[1:], raw + b"\n", raw + b" ", b"", raw.replace(b"\n", b"\r\n") if b"\n" in raw else b"x"]
    for one in changed:
        (folder / name).write_bytes(one)
        status, out = said(folder)
        assert status == 1, one
        assert out.startswith(f"invalid: {name}: ")
        assert out.count("\n") == 1


@pytest.mark.parametrize("name", sorted([*GOOD.files, "pack.json", "pack.note"]))
def test_a_missing_file_is_named(name: str, tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    folder = GOOD.write(tmp_path)
    (folder / name).unlink()
    status, out = said(folder)
    assert status == 1
    assert out.startswith(f"invalid: {name}: ")


@pytest.mark.parametrize(
    "name", ["more.txt", ".hidden", "evidence.pdf", "other/file", "evidence/none", "a\nb", "caf\u00e9"]
)
def test_another_file_is_named(name: str, tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    folder = GOOD.write(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    status, out = said(folder)
    assert status == 1
    assert out.startswith(f"invalid: {ascii(name.split('/', 1)[0])[1:-1]}")
    assert out.count("\n") == 1


def test_links_and_evidence_in_the_place_of_a_folder_are_refused(
    tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    folder = Pack(GOOD.files, GOOD.shipments).write(tmp_path / "pack")
    (folder / "evidence").write_bytes(FILE)
    assert said(folder) == (1, "invalid: evidence: pack.json does not list it\n")
    (folder / "evidence").unlink()
    (tmp_path / "README.txt").write_bytes(GOOD.files["README.txt"])
    (folder / "README.txt").unlink()
    (folder / "README.txt").symlink_to(tmp_path / "README.txt")
    assert said(folder) == (1, "invalid: README.txt: it is not a file that pack.json lists\n")


def test_evidence_need_not_lie_there_and_a_pack_need_not_be_older(
    tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    files = {name: raw for name, raw in GOOD.files.items() if name != "consistency.json"}
    folder = Pack(files, GOOD.shipments, {"period": "2025-Q2"}).write(tmp_path)
    assert said(folder) == (0, SHOWN.replace(", of the older one the first 5", "").replace("here 1", "here 0"))


@pytest.mark.parametrize("old", range(13))
def test_every_older_checkpoint_is_shown_to_be_the_beginning(
    old: int, tmp_path: Path, said: Callable[..., tuple[int, str]]
) -> None:
    folder = good().having(consistency=story().consistency(old)).write(tmp_path)
    assert said(folder)[1] == SHOWN.replace("first 5", f"first {old}")


def test_all_records_of_a_log_and_none(tmp_path: Path, said: Callable[..., tuple[int, str]]) -> None:
    (tmp_path / "all").mkdir()
    assert said(good(chosen=range(1, 13)).write(tmp_path / "all"))[0] == 0
    none = Pack(GOOD.files | {"records.jsonl": b"", "evidence.json": b"[]"}, {})
    assert said(none.write(tmp_path / "none"))[1].startswith("valid: shipments 0, records 0 of 12")
