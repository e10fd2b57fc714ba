"""Proofs out of the tree: that records stand in the journal, and that one checkpoint is the beginning of another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.database.store import Store
from ledger.proof import checkpoints
from ledger.proof.leaves import sealed
from ledger.proof.notes import PublicKey, SigningKey, open_checkpoint
from services.failure import Failure

Keys = Callable[[Sequence[PublicKey]], Sequence[PublicKey]]
"""Gives the keys to check signatures with, of those that the ledger's checkpoints name."""


@dataclass(frozen=True, slots=True)
class ShipmentProof:
    """The records of a shipment, each with the proof that it stands in the journal, and the checkpoint over them."""

    shipment: str
    checkpoint: bytes
    records: Sequence[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The proof as `tpp audit prove` prints it."""
        return {"shipment_id": self.shipment, "checkpoint": self.checkpoint.decode(), "records": self.records}


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """Two checkpoints as signed notes, and the hashes that prove that the old one is the beginning of the new one."""

    old: bytes
    new: bytes
    proof: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """The proof as `tpp audit consistency` prints it, and as a pack has it."""
        return {"old": self.old.decode(), "new": self.new.decode(), "proof": list(self.proof)}


def prove(store: Store, key: SigningKey, shipment: str) -> ShipmentProof:
    """The records of a shipment with their proofs; raises Failure where it has none."""
    note = checkpoints.cover(store, key)
    size = open_checkpoint(note, [key.public]).size
    with store.read() as connection:
        records = checkpoints.of_shipment(connection, shipment, size)
        if not records:
            raise Failure(f"no shipment {shipment} was ever presented to this ledger")
        tree = checkpoints.tree(connection, size)
        found = list(checkpoints.proven(connection, store, records, tree, size))
    return ShipmentProof(shipment, note, found)


def consistency(store: Store, old: bytes, new: bytes, keys: Keys) -> ConsistencyProof | None:
    """The proof that one checkpoint is the beginning of another; None where it is not, or the ledger has less.

    Raises NoteError where one of them is signed by none of the keys.
    """
    with store.read() as connection:
        known = keys(checkpoints.keys(connection))
        earlier, later = open_checkpoint(old, known), open_checkpoint(new, known)
        if not earlier.size <= later.size <= sealed(connection):
            return None
        proof = checkpoints.consistency(checkpoints.tree(connection, later.size), earlier, later)
    return None if proof is None else ConsistencyProof(old, new, proof)
