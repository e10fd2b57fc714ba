"""The key of checkpoints and packs, and the keys that check them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.proof.checkpoints import present_keys
from ledger.proof.notes import PRIVATE, NoteError, PublicKey, SigningKey, key_file, make_key_file
from services.failure import Failure

if TYPE_CHECKING:
    from ledger.database.store import Store
    from services.settings import Settings


def signer(
    settings: "Settings", store: "Store | None", tell: Callable[[str], None], *, rotate: bool = False
) -> SigningKey:
    """The key of TPP_SIGNING_KEY, which is the one that signs the ledger; raises Failure.

    If nothing was signed yet, or the ledger changes to another key (`rotate`), a missing key is created, and `tell` is
    given a sentence about it.
    """
    path = _path(settings)
    with note_failures():
        present = [] if store is None else _present(store)
        if present and not path.exists() and not rotate:
            raise Failure(f"the signing key {path} does not exist, and {_wanted(present)}")
        if not path.exists() and make_key_file(path, settings.origin):
            tell(f"created the signing key {key_file(path, settings.origin).public.short} in {path}")
        key = key_file(path, settings.origin)
        if present and key.public not in present and not rotate:
            raise Failure(f"{path} contains the key {key.public.short}, but {_wanted(present)}")
    return key


def new_key(settings: "Settings") -> SigningKey:
    """A new key in the file of TPP_SIGNING_KEY; raises Failure if the file exists."""
    path = _path(settings)
    with note_failures():
        if not make_key_file(path, settings.origin):
            raise Failure(f"{path} exists; move it away, or set TPP_SIGNING_KEY to another file")
        return key_file(path, settings.origin)


def _path(settings: "Settings") -> Path:
    if PRIVATE in settings.signing_key:
        raise Failure("TPP_SIGNING_KEY contains a private key; it must be the name of a file")
    return Path(settings.signing_key)


def _present(store: "Store") -> list[PublicKey]:
    with store.read() as connection:
        return present_keys(connection)


def _wanted(present: Sequence[PublicKey]) -> str:
    return (
        f"this ledger is signed with the key {present[0].short}: put that key there, or set TPP_SIGNING_KEY to its "
        "file; if it is lost or replaced, run `tpp audit checkpoint --rotate` once"
    )


def public_keys(words: Iterable[str], settings: "Settings", recorded: Iterable[PublicKey]) -> list[PublicKey]:
    """The keys to check signatures with: those given, each a key or a file of keys, one per line.

    If none is given: the operator's own, if its file exists, and those that the ledger's checkpoints name.
    """
    named = [key for word in words for key in _named(word)]
    if named:
        return named
    path = _path(settings)
    with note_failures():
        own = [key_file(path, settings.origin).public] if path.exists() else []
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
