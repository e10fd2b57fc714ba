"""The key of checkpoints and packs, and the keys that check them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.proof.notes import PRIVATE, NoteError, PublicKey, SigningKey, key_file
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
    """The keys of a text, else of the file that it names: a pack may contain a file whose name is a key."""
    try:
        return _keys_of(word)
    except NoteError as error:
        why = str(error)
    if PRIVATE in word:
        raise Failure(why)
    try:
        return _keys_of(Path(word).read_text("utf-8"))
    except NoteError as error:
        why = str(error)
    except OSError as error:
        why = why if "+" in word else error.strerror or why
    except ValueError:
        why = "it is not a text"
    raise Failure(f"{word!r} is neither a public key nor a file of public keys: {why}")


def _keys_of(text: str) -> list[PublicKey]:
    """The public keys of a text, one in each line; raises NoteError."""
    if PRIVATE in text:
        raise NoteError("a private key was given where a public key is expected; `tpp audit key` prints the public key")
    keys = [PublicKey.parse(line) for line in map(str.strip, text.splitlines()) if line]
    if not keys:
        raise NoteError("there is no key in it")
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
