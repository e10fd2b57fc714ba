"""The law: pure functions from the facts of a shipment to the ways in which it may go."""

from rulebook.screening.book import Book, load

__all__ = ["Book", "load"]
