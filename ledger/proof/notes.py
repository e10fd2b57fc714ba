"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint), and the Ed25519 keys that sign them."""

import base64
import binascii
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
"""The type of a key, before its bytes (C2SP signed-note)."""
PRIVATE = "PRIVATE+KEY+"
"""How the text of a private key begins."""
_MOST_SIGNATURES = 100
_CHECKPOINT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n")


class NoteError(ValueError):
    """A key, a note or a checkpoint is invalid; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public key of a signer of notes: a name and 32 bytes. Its text is `NAME+HASH+BASE64`."""

    name: str
    raw: bytes

    @property
    def id(self) -> bytes:
        """The key id in signatures: the first four bytes of SHA-256(NAME || 0x0A || 0x01 || key)."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    @property
    def short(self) -> str:
        """The key's name and hash, `NAME+HASH`, which tell it from others."""
        return f"{self.name}+{self.id.hex()}"

    def __str__(self) -> str:
        """The key as it is published."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.raw).decode()}"

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """The key of a text `NAME+HASH+BASE64`; raises NoteError."""
        name, identifier, raw = _key_parts(text)
        key = cls(name, raw)
        if key.id.hex() != identifier:
            raise NoteError("a key's hash does not match its name and bytes")
        return key


class SigningKey:
    """The private key that signs notes under a name; only `secret` reveals it."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        """Raises NoteError if the name is invalid."""
        _check_name(name)
        self._key = key
        self.public = PublicKey(name, key.public_key().public_bytes_raw())

    @classmethod
    def make(cls, name: str) -> "SigningKey":
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """The key of a text `PRIVATE+KEY+NAME+HASH+BASE64`; raises NoteError, which never contains the text."""
        if not text.startswith(PRIVATE):
            raise NoteError("a private key must begin with PRIVATE+KEY+")
        name, identifier, seed = _key_parts(text.removeprefix(PRIVATE))
        key = cls(name, Ed25519PrivateKey.from_private_bytes(seed))
        if key.public.id.hex() != identifier:
            raise NoteError("a private key's hash does not match its name and bytes")
        return key

    def secret(self) -> str:
        """The key as its file holds it: `PRIVATE+KEY+NAME+HASH+BASE64`."""
        seed = base64.b64encode(_ED25519 + self._key.private_bytes_raw()).decode()
        return f"{PRIVATE}{self.public.name}+{self.public.id.hex()}+{seed}"

    def signature(self, text: str) -> bytes:
        """The Ed25519 signature of a note's text."""
        return self._key.sign(text.encode())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A commitment to a log: its origin, its number of leaves and its root (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The checkpoint as the text of a note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint of a note's text, which has no extension lines; raises NoteError."""
        match = _CHECKPOINT.fullmatch(text)
        if match is None or len(match[2]) > 20:
            raise NoteError("a checkpoint must have three lines: its origin, its size, and its root in base64")
        return cls(match[1], int(match[2]), _unbase64(match[3], "the root of a checkpoint"))


def sign(text: str, key: SigningKey) -> bytes:
    """The signed note of a text, which ends with a newline; raises NoteError if the text is invalid."""
    if not text.endswith("\n") or _has_controls(text):
        raise NoteError("the text of a note must end with a newline and have no other control characters")
    try:
        signed = base64.b64encode(key.public.id + key.signature(text)).decode()
        return f"{text}\n— {key.public.name} {signed}\n".encode()
    except UnicodeEncodeError as error:
        raise NoteError("the text of a note must be UTF-8") from error


def open_note(raw: bytes, keys: Iterable[PublicKey]) -> str:
    """The text of a note that at least one of the keys has signed; raises NoteError.

    Signatures of other keys are ignored; an invalid signature of one of these keys is an error.
    """
    text, signatures = _read(raw)
    known = {(key.name, key.id): key for key in keys}
    verified = False
    for name, signed in signatures:
        key = known.get((name, signed[:4]))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signed[4:], text.encode())
        except (InvalidSignature, ValueError) as error:
            raise NoteError(f"the signature of {name} does not match the text of the note") from error
        verified = True
    if not verified:
        raise NoteError("the note is not signed by a known key")
    return text


def open_checkpoint(raw: bytes, keys: Iterable[PublicKey]) -> Checkpoint:
    """The checkpoint of a note that a key named after its origin has signed; raises NoteError."""
    checkpoint = Checkpoint.parse(_read(raw)[0])
    open_note(raw, [key for key in keys if key.name == checkpoint.origin])
    return checkpoint


def key_file(path: Path, name: str) -> SigningKey:
    """The key of a file that nobody but its owner may use; raises NoteError."""
    try:
        key = SigningKey.parse(_own(path).decode("ascii").strip())
    except (OSError, UnicodeDecodeError, NoteError) as error:
        why = error.strerror if isinstance(error, OSError) else error if isinstance(error, NoteError) else "not a key"
        raise NoteError(f"cannot read the signing key in {path}: {why}") from None
    if key.public.name != name:
        raise NoteError(f"{path} contains the signing key of {key.public.name}, not of {name}")
    return key


def _own(path: Path) -> bytes:
    """The first bytes of a file, more than a key has; raises NoteError if others may use it."""
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise NoteError(f"others may use the file, whose mode is {mode:04o}; run `chmod 600 {path}`")
        return file.read(4_096)


def make_key_file(path: Path, name: str) -> bool:
    """Creates a file of a new key with mode 0600; False if the file exists. Raises NoteError.

    The file appears complete or not at all, so that two processes that create it at once both read the same key.
    """
    try:
        return _make_key_file(path, name)
    except OSError as error:
        raise NoteError(f"cannot create the signing key in {path}: {error.strerror}") from None


def _make_key_file(path: Path, name: str) -> bool:
    """Creates a key file unless there is one; the file gets its name once the bytes are on disk."""
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # O_CREAT | O_EXCL, mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(SigningKey.make(name).secret().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)
        except FileExistsError:
            return False
    finally:
        Path(made).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _read(raw: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and the names and bytes of its signatures; nothing is verified."""
    try:
        note = raw.decode()
    except UnicodeDecodeError as error:
        raise NoteError("a note must be UTF-8") from error
    if _has_controls(note):
        raise NoteError("a note must not have control characters other than newlines")
    head, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteError("a note must be a text, a blank line and signature lines, each ending with a newline")
    lines = signatures[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise NoteError(f"a note must have at most {_MOST_SIGNATURES} signatures")
    return head + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—":
        raise NoteError("a signature line must begin with an em dash and a space")
    _check_name(name)
    signed = _unbase64(encoded, "a signature")
    if len(signed) < 5:
        raise NoteError("a signature is shorter than its key's hash")
    return name, signed


def _key_parts(text: str) -> tuple[str, str, bytes]:
    """The name, the hash and the 32 bytes of a key's text."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteError("a key must be NAME+HASH+BASE64")
    name, identifier, encoded = parts
    _check_name(name)
    raw = _unbase64(encoded, "a key")
    if raw[:1] != _ED25519 or len(raw) != 33:
        raise NoteError("a key must be the byte 1 and the 32 bytes of Ed25519")
    return name, identifier, raw[1:]


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        name = ""
    if not name or "+" in name or any(char.isspace() for char in name) or _has_controls(name):
        raise NoteError("the name of a key must not be empty or have spaces, control characters or +")


def _has_controls(text: str) -> bool:
    return any(char < " " and char != "\n" for char in text)


def _unbase64(text: str, what: str) -> bytes:
    """The bytes of a canonical base64 text."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or base64.b64encode(raw).decode() != text:
        raise NoteError(f"{what} is not base64")
    return raw
