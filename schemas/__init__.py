"""The shared vocabulary: what crosses the boundary, and what passes between law and ledger."""
