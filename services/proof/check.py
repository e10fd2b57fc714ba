"""Verifies a pack with this program's own verifier; nothing in the pack is run (docs/contract/books.md)."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledger.proof.notes import PublicKey
from services.failure import Failure
from services.proof import verifier
from services.proof.pack import VERIFIER

CHECKS = (
    "the signature over the list of files",
    "the size and SHA-256 of each file",
    "the signature of the checkpoint",
    "each record's proof, event and answers",
    "that no record of a shipment is missing",
    "that an older checkpoint, if there is one, is a prefix",
    "the evidence that the records name",
)
"""What a verification checks, in this order, until something is wrong."""


@dataclass(frozen=True, slots=True)
class PackReport:
    """Whether a pack is valid, and what it proves, or the file that is wrong and why.

    `checked` is what held, empty where the pack is not valid. `verifier` is the SHA-256 of the verifier that checked.
    """

    ok: bool
    proved: str | None
    file: str | None
    why: str | None
    checked: tuple[str, ...]
    verifier: str

    def to_json(self) -> dict[str, Any]:
        """The report as `tpp audit check-pack` prints it."""
        return asdict(self)


def verifier_digest() -> str:
    """The SHA-256 of the verifier, hexadecimal."""
    return hashlib.sha256(VERIFIER.read_bytes()).hexdigest()


def check(folder: Path, keys: Iterable[PublicKey]) -> PackReport:
    """The report of a pack, signed by one of these keys; raises Failure if the folder or a key cannot be used."""
    try:
        known = verifier.keys_of("\n".join(map(str, keys)))
    except ValueError as error:
        raise Failure("a public key is not a point of Ed25519") from error
    try:
        next(folder.iterdir(), None)
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "not a path"
        raise Failure(f"cannot read folder {folder}: {why}") from error
    file, answer = verifier.outcome(folder, known)
    if file:
        return PackReport(False, None, file, answer, (), verifier_digest())
    return PackReport(True, answer, None, None, CHECKS, verifier_digest())
