"""The Merkle tree over the journal, its checkpoints and signed notes."""
