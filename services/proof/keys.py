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
    """The key of TPP_SIGNING_KEY, created when first needed; raises Failure if it cannot be read or created."""
    try:
        return key_file(Path(settings.signing_key), settings.origin)
    except NoteError as error:
        raise Failure(str(error)) from error


def public_keys(words: Iterable[str], settings: "Settings", recorded: Iterable[PublicKey]) -> list[PublicKey]:
    """The keys to check signatures with: those given, each a key or a file of keys, one per line.

    If none is given: the operator's own, if its file exists, and those that the ledger's checkpoints name.
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
        raise Failure(f"{word!r} contains no public key")
    return keys


def read_note(path: str) -> bytes:
    """The bytes of a checkpoint's file."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Failure(f"cannot read checkpoint {path}: {error.strerror}") from error


@contextmanager
def note_failures() -> Iterator[None]:
    """Raises Failure for an invalid key or signed note, or an unreadable file."""
    try:
        yield
    except NoteError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from error
