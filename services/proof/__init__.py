"""Verification of a ledger, packs and their verifier."""
