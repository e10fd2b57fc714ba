"""The key of checkpoints and packs, and the keys that check them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.proof.notes import NoteError, PublicKey, SigningKey, key_file
from services.failure import Failure

if TYPE_CHECKING:
    from services.settings import Settings


def signer(settings: "Settings") -> SigningKey:
    """The key of TPP_SIGNING_KEY, made at first need; Failure where it cannot be had."""
    try:
        return key_file(Path(settings.signing_key), settings.origin)
    except NoteError as error:
        raise Failure(str(error)) from error


def public_keys(words: Iterable[str], settings: "Settings", recorded: Iterable[PublicKey]) -> list[PublicKey]:
    """The keys to check signatures with: those named, each a key or a file of keys, one a line.

    Where none is named: the operator's own, if its file is there, and those that the ledger's checkpoints name.
    """
    named = [key for word in words for key in _named(word)]
    if named:
        return named
    own = [signer(settings).public] if Path(settings.signing_key).exists() else []
    return list(dict.fromkeys([*own, *recorded]))


def _named(word: str) -> list[PublicKey]:
    try:
        path = Path(word)
        text = path.read_text("utf-8") if len(word) < 1024 and path.is_file() else word
        keys = [PublicKey.parse(line.strip()) for line in text.splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, NoteError) as error:
        raise Failure(f"{word!r} is neither a public key nor a file of public keys: {error}") from error
    if not keys:
        raise Failure(f"{word!r} holds no public key")
    return keys


def read_note(path: str) -> bytes:
    """The bytes of a checkpoint's file."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Failure(f"the checkpoint {path} cannot be read: {error.strerror}") from error


@contextmanager
def note_failures() -> Iterator[None]:
    """Raises Failure for what is wrong with a key, a signed note or a file."""
    try:
        yield
    except NoteError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from error
