"""The law: pure functions from the facts of a shipment to the ways in which it may go."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rulebook.law.contents import Terms
from rulebook.parties.names import keys as name_forms
from rulebook.screening.book import Book, Screening, load
from rulebook.screening.description import Description

if TYPE_CHECKING:
    from rulebook.parties.matching import Asked, ListIndex, Match

__all__ = ["Asked", "Book", "Description", "ListIndex", "Match", "Screening", "Terms", "load", "name_forms"]

_WHEN_ASKED_FOR = {"Asked", "ListIndex", "Match"}
"""What matches names, which is imported when it is first needed: its tables take longer to load than all else."""


def __getattr__(name: str) -> Any:
    if name in _WHEN_ASKED_FOR:
        return getattr(import_module("rulebook.parties.matching"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
