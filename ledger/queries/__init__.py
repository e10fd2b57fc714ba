"""Questions to a ledger that never write."""
