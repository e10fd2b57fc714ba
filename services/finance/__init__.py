"""Exports and statements of the books."""
