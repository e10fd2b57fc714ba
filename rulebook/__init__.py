"""The law: pure functions from the facts of a shipment to the ways in which it may go."""

from rulebook.screen import Book, load

__all__ = ["Book", "load"]
