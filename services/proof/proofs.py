"""Proofs from the tree: that the journal contains records, and that one checkpoint is a prefix of another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.database.store import Store
from ledger.proof import checkpoints
from ledger.proof.leaves import sealed
from ledger.proof.notes import PublicKey, SigningKey, open_checkpoint
from services.failure import NotFound

Keys = Callable[[Sequence[PublicKey]], Sequence[PublicKey]]
"""Returns the keys to check signatures with, given those that the ledger's checkpoints name."""


@dataclass(frozen=True, slots=True)
class ShipmentProof:
    """The records of a shipment, each with the proof that it is in the journal, and the checkpoint that covers them."""

    shipment: str
    checkpoint: bytes
    records: Sequence[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The proof as `tpp audit prove` prints it."""
        return {"shipment_id": self.shipment, "checkpoint": self.checkpoint.decode(), "records": self.records}


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """Two checkpoints as signed notes, and the hashes that prove that the old one is a prefix of the new one."""

    old: bytes
    new: bytes
    proof: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """The proof as `tpp audit consistency` prints it, and as a pack has it."""
        return {"old": self.old.decode(), "new": self.new.decode(), "proof": list(self.proof)}


def prove(store: Store, key: Callable[[], SigningKey], shipment: str) -> ShipmentProof:
    """The records of a shipment with their proofs; raises NotFound if it has none.

    Of a read-only ledger, the newest checkpoint covers them; raises LedgerError if there is none that does.
    """
    if store.read_only:
        note, public = checkpoints.newest(store)
    else:
        signer = key()
        note, public = checkpoints.cover(store, signer), signer.public
    size = open_checkpoint(note, [public]).size
    with store.read() as connection:
        if store.read_only:
            checkpoints.check_covered(connection, [shipment], size)
        records = checkpoints.of_shipment(connection, shipment, size)
        if not records:
            raise NotFound(f"shipment {shipment} does not exist in this ledger")
        tree = checkpoints.tree(connection, size)
        found = list(checkpoints.proven(connection, store, records, tree, size))
    return ShipmentProof(shipment, note, found)


def consistency(store: Store, old: bytes, new: bytes, keys: Keys) -> ConsistencyProof | None:
    """The proof that one checkpoint is a prefix of another; None if it is not, or the ledger has fewer records.

    Raises NoteError if one of them is signed by none of the keys.
    """
    with store.read() as connection:
        known = keys(checkpoints.keys(connection))
        earlier, later = open_checkpoint(old, known), open_checkpoint(new, known)
        if not earlier.size <= later.size <= sealed(connection):
            return None
        proof = checkpoints.consistency(checkpoints.tree(connection, later.size), earlier, later)
    return None if proof is None else ConsistencyProof(old, new, proof)
