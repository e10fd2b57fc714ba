"""Queries of a ledger; they never write."""
