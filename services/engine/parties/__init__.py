"""Restricted-party lists in the engine: their indexes, and the screening of parties."""
