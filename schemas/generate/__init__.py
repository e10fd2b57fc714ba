"""Writes the wire contract out: JSON Schema files, an AsyncAPI document, and the tables of `docs/contract/`."""
