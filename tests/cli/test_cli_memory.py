"""Inputs that are far too large: each is answered in constant memory, and nothing behind it is lost."""

import base64
import gzip
from hashlib import sha256
from pathlib import Path

import pytest
from cli_events import answers, dispatch, kinds, lines, request
from cli_run import Tpp
from memory import MOST, measured

from schemas.wire.read import rejection_id

MEBIBYTE = 1 << 20
KEPT = 256 << 10


def _first(text: bytes) -> dict[str, object]:
    data: dict[str, object] = answers(text.splitlines()[0])[0]["data"]
    return data


def test_64_mebibytes_without_a_line_end_on_standard_input_are_one_rejection(tmp_path: Path) -> None:
    piece = b"x" * (1 << 16)
    code, told, memory = measured(
        tmp_path, "screen", "-", "--ledger", ":memory:", stdin=[piece] * 1024 + [b"\n" + request("SHP-1")]
    )
    assert code == 1
    data = _first(told)
    assert data["size"] == 64 * MEBIBYTE
    assert data["sha256"] == sha256(piece * 1024).hexdigest()
    assert data["original"] == base64.b64encode(b"x" * KEPT).decode()
    assert data["position"] == {"file": "-", "line": 1}
    assert b'"tpp.shipment.approved.v1"' in told.splitlines()[1]
    assert memory < MOST


def test_a_gz_that_unpacks_to_one_line_of_a_gibibyte_is_one_rejection(tmp_path: Path) -> None:
    size = 1 << 30
    with gzip.open(tmp_path / "bomb.jsonl.gz", "wb", compresslevel=1) as packed:
        for _ in range(size // MEBIBYTE):
            packed.write(bytes(MEBIBYTE))
        packed.write(b"\n" + request("SHP-1") + b"\n")
    code, told, memory = measured(tmp_path, "screen", "bomb.jsonl.gz", "--ledger", ":memory:")
    assert code == 1
    data = _first(told)
    assert (data["size"], data["errors"]) == (
        size, [{"pointer": "", "code": "message.too_large", "message": "the message has 1,073,741,824 bytes; at most 1,048,576 are allowed"}],
    )  # fmt: skip
    assert b'"tpp.shipment.approved.v1"' in told.splitlines()[1]
    assert memory < MOST


def test_a_batch_ends_by_bytes_too(tmp_path: Path) -> None:
    """Two thousand lines of almost a mebibyte would fill one batch by count."""
    line = request("SHP-1").ljust(MEBIBYTE - 1)
    code, told, memory = measured(
        tmp_path, "screen", "-", "--ledger", ":memory:", "--out", "out.jsonl", stdin=[line + b"\n"] * 600
    )
    assert (code, told.splitlines()[0]) == (0, b"600 events: 600 approved, 0 held, 0 rejected")
    assert memory < MOST


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"], ids=["none", "lf", "crlf", "cr"])
@pytest.mark.parametrize("more", [-1, 0, 1, 2, 3])
def test_a_line_is_kept_up_to_a_mebibyte_and_its_digest_is_that_of_the_whole(
    more: int, end: bytes, tpp: Tpp, tmp_path: Path
) -> None:
    """Its end, which may be split between two reads, counts for nothing."""
    text = b" " * (MEBIBYTE + more - 1) + b"x"
    (tmp_path / "in.jsonl").write_bytes(b"\n" + text + end + (b"" if end in (b"", b"\r") else request("SHP-1")))
    done = tpp("screen", "in.jsonl", "--ledger", ":memory:")
    found = answers(done.stdout)
    data = found[0]["data"]
    assert (data["size"], data["sha256"]) == (len(text), sha256(text).hexdigest())
    assert base64.b64decode(data["original"]) == text[:KEPT]
    assert (data["errors"][0]["code"] == "message.too_large") == (more > 0)
    assert found[0]["id"] == rejection_id({"file": "in.jsonl", "line": 2}, text)
    assert kinds(done.stdout)[1:] == ([] if end in (b"", b"\r") else ["approved"])


def test_a_long_line_that_comes_again_gets_its_first_rejection_and_the_ledger_verifies(
    tpp: Tpp, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(request("SHP-1"), b"\r" * (2 * MEBIBYTE), dispatch("SHP-1")))
    first = tpp("screen", "in.jsonl")
    assert kinds(first.stdout) == ["approved", "rejected", "recorded"]
    assert tpp("screen", "in.jsonl").stdout == first.stdout
    assert tpp("audit", "verify").returncode == 0
    assert (tmp_path / "tpp-ledger.db").stat().st_size < MEBIBYTE
