"""Notes and keys against the example of Go's package and the rules of C2SP; two processes that need a key at once."""

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE

from ledger.proof.notes import (
    Checkpoint,
    NoteError,
    PublicKey,
    SigningKey,
    key_file,
    make_key_file,
    open_checkpoint,
    open_note,
    sign,
)

PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = f"""{TEXT}
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()
"""The example of the documentation of golang.org/x/mod/sumdb/note."""
KEY, SIGNER = PublicKey.parse(PUBLIC), SigningKey.parse(SECRET)
OTHER = SigningKey.make("other.example/log")
ROOT = Path(__file__).resolve().parents[2]


def test_the_example_of_the_format_is_made_and_read() -> None:
    assert (str(KEY), SIGNER.secret(), SIGNER.public) == (PUBLIC, SECRET, KEY)
    assert sign(TEXT, SIGNER) == NOTE
    assert open_note(NOTE, [KEY]) == TEXT
    assert "AYEK" not in repr(SIGNER)


@pytest.mark.parametrize("text", [PUBLIC, SECRET])
def test_every_mangled_key_is_refused(text: str) -> None:
    parse = PublicKey.parse if text == PUBLIC else SigningKey.parse
    mangled = {text[i:j] for i in range(len(text)) for j in range(i, len(text) + 1)} - {text}
    mangled |= {text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(len(text))}
    mangled |= {text + "\n", " " + text, text.replace("+c7", "+C7"), text + "="}
    for one in mangled:
        with pytest.raises(NoteError):
            parse(one)


@pytest.mark.parametrize("text", [
    "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
], ids=["too long", "unknown type"])  # fmt: skip
def test_a_key_of_another_type_or_length_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        PublicKey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2003b", "a\tb", "\x01", "\ud800"])
def test_a_name_that_a_note_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(NoteError, match="name of a key"):
        SigningKey.make(name)


@given(text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"])).map(lambda text: text + "\n"))
def test_what_is_signed_opens_to_the_same_text(text: str) -> None:
    note = sign(text, OTHER)
    assert open_note(note, [KEY, OTHER.public]) == text
    with pytest.raises(NoteError, match="not signed by a known key"):
        open_note(note, [KEY])


@pytest.mark.parametrize("text", ["", "no newline", "\r\n", "\x00\n", "\t\n", "\ud800\n"])
def test_a_text_that_a_note_cannot_hold_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign(text, OTHER)


def test_a_text_with_blank_lines_opens_whole() -> None:
    text = "one\n\n— a AAAAAAA=\n\ntwo\n\n"
    assert open_note(sign(text, OTHER), [OTHER.public]) == text


def test_other_signatures_are_passed_over_and_a_false_one_is_not() -> None:
    both = NOTE + sign(TEXT, OTHER).split(b"\n\n")[1]
    assert open_note(both, [KEY]) == open_note(both, [OTHER.public]) == open_note(both, [KEY, OTHER.public]) == TEXT
    false = NOTE + sign("another text\n", OTHER).split(b"\n\n")[1]
    assert open_note(false, [KEY]) == TEXT
    with pytest.raises(NoteError, match=r"signature of other\.example/log does not match"):
        open_note(false, [KEY, OTHER.public])
    short = f"{TEXT}\n— PeterNeumann {base64.b64encode(KEY.id + bytes(3)).decode()}\n".encode()
    with pytest.raises(NoteError, match="does not match"):
        open_note(short, [KEY])


@pytest.mark.parametrize("change", [
    lambda note: note[:-1], lambda note: note + b"\n", lambda note: note.replace(b"\n\n", b"\n"), lambda note: note[:0],
    lambda note: note.replace("—".encode(), b"-"), lambda note: note.replace("— ".encode(), "—".encode()),
    lambda note: note.replace(b"AM=\n", b"AN=\n"), lambda note: note.replace(b"AM=\n", b"AM\n"),
    lambda note: note.replace(b" x08", b"  x08"), lambda note: note.replace(b"AM=\n", b"AM= \n"),
    lambda note: note.replace(b"problem", b"prob\rlem"), lambda note: note.replace(b"problem", b"prob\xfflem"),
    lambda note: note.replace(b"\n", b"\r\n"), lambda note: note.replace(b"know", b"knew"),
    lambda note: note + "— name\n".encode(), lambda note: note + "— name AAAA\n".encode(),
    lambda note: note + "— na+me AAAAAAA=\n".encode(), lambda note: note + "— name AAAAAAA=\n".encode() * 100,
    lambda note: note[note.index(b"\n\n") + 2 :], lambda note: note[: note.index(b"\n\n") + 2],
])  # fmt: skip
def test_a_malformed_note_is_refused(change) -> None:
    with pytest.raises(NoteError):
        open_note(change(NOTE), [KEY])


def test_every_changed_byte_of_a_note_is_refused() -> None:
    for place in range(len(NOTE)):
        for flip in (1, 0x20, 0x80):
            changed = NOTE[:place] + bytes([NOTE[place] ^ flip]) + NOTE[place + 1 :]
            with pytest.raises(NoteError):
                open_note(changed, [KEY])


@given(size=st.integers(0, 2**53), root=st.binary(min_size=32, max_size=32))
def test_a_checkpoint_reads_as_it_was_written(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("tpp-ledger", size, root)
    assert Checkpoint.parse(checkpoint.text) == checkpoint
    assert checkpoint.text == f"tpp-ledger\n{size}\n{base64.b64encode(root).decode()}\n"


GOOD = "a.example\n12\n" + base64.b64encode(bytes(32)).decode() + "\n"


@pytest.mark.parametrize("text", [
    "", GOOD[:-1], GOOD + "extension\n", GOOD.replace("12", "012"), GOOD.replace("12", "+12"), GOOD.replace("12", "-1"),
    GOOD.replace("12", "1_2"), GOOD.replace("12", "\u0661"), GOOD.replace("12", "1" * 21), GOOD.replace("12", ""),
    GOOD[1:].removeprefix(".example"), GOOD.replace("A=\n", "B=\n"), GOOD.replace("A=\n", "AA\n"),
    GOOD.replace("A=\n", "=\n"), GOOD.replace("12\n", "12 \n"),
])  # fmt: skip
def test_another_text_is_no_checkpoint(text: str) -> None:
    assert Checkpoint.parse(GOOD).size == 12
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_a_checkpoint_is_signed_by_the_key_of_its_origin() -> None:
    good = Checkpoint("other.example/log", 3, bytes(32))
    assert open_checkpoint(sign(good.text, OTHER), [KEY, OTHER.public]) == good
    with pytest.raises(NoteError, match="not signed by a known key"):
        open_checkpoint(sign(good.text, SIGNER), [KEY, OTHER.public])


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "tpp-signing.key"
    old = os.umask(0)
    try:
        assert make_key_file(path, "tpp-ledger")
    finally:
        os.umask(old)
    made = key_file(path, "tpp-ledger")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == made.secret() + "\n"
    assert not make_key_file(path, "tpp-ledger"), "what is there stays"
    assert key_file(path, "tpp-ledger").public == made.public
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o660, 0o666, 0o644, 0o444, 0o755, 0o601, 0o620])
def test_a_key_file_that_others_may_use_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    path.chmod(mode)
    with pytest.raises(NoteError, match=f"whose mode is {mode:04o}; run `chmod 600"):
        key_file(path, "PeterNeumann")
    for good in (0o600, 0o400, 0o700):
        path.chmod(good)
        assert key_file(path, "PeterNeumann").public == KEY


def test_a_key_file_that_cannot_be_taken_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET.replace("c74f", "c74e"))
    path.chmod(0o600)
    with pytest.raises(NoteError, match="hash does not match") as refused:
        key_file(path, "PeterNeumann")
    assert "AYEK" not in str(refused.value)
    path.write_bytes(b"\xff\x00")
    with pytest.raises(NoteError, match="not a key"):
        key_file(path, "PeterNeumann")
    path.write_text(SECRET)
    with pytest.raises(NoteError, match="of PeterNeumann, not of tpp-ledger"):
        key_file(path, "tpp-ledger")
    for there in (tmp_path / "none" / "key", tmp_path, tmp_path / "other"):
        with pytest.raises(NoteError, match="cannot read"):
            key_file(there, "tpp-ledger")
    with pytest.raises(NoteError, match="cannot create"):
        make_key_file(tmp_path / "none" / "key", "tpp-ledger")
    with pytest.raises(NoteError, match="name of a key"):
        make_key_file(tmp_path / "other", "a b")
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_processes_that_need_a_key_at_once_read_the_same_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    code = (
        "import sys; from pathlib import Path; from ledger.proof.notes import key_file, make_key_file; sys.stdin.read();"
        "path = Path(sys.argv[1]); made = make_key_file(path, 'tpp-ledger');"
        "print({str(key_file(path, 'tpp-ledger').public) for _ in range(20)})"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in started:
        process.stdin.close()
    said = set()
    for process in started:
        with process.stdout as output:
            said.add(output.read())
        assert process.wait(timeout=PATIENCE) == 0
    assert said == {str({str(key_file(path, "tpp-ledger").public)}) + "\n"}
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
