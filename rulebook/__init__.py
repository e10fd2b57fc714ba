"""The law: pure functions from the facts of a shipment to the ways in which it may go."""

from rulebook.law.contents import Terms
from rulebook.parties.names import keys as name_forms
from rulebook.screening.book import Book, Screening, load
from rulebook.screening.description import Description

__all__ = ["Book", "Description", "Screening", "Terms", "load", "name_forms"]
