"""What handlers work with while a batch is decided."""

from collections.abc import Sequence
from typing import Any

from ledger.journal import Journal
from rulebook import Book
from schemas.wire.read import Error


class Turn:
    """What handlers work with while a batch is decided: the ledger in its transaction, and the book of law."""

    def __init__(self, journal: Journal, book: Book, software: str) -> None:
        self.journal = journal
        self.book = book
        self._software = software

    def basis(self, lists: Sequence[str]) -> dict[str, Any]:
        """What a decision rests on besides the events: the law's values, the lists that were searched, the program."""
        return {
            "rulebook_digest": self.book.digest,
            "lists": [{"name": name} for name in lists],
            "software": self._software,
        }


class Refused(Exception):
    """An event that reads well and cannot be taken as things stand; raised before anything is moved."""

    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(message)
        self.errors = (Error(pointer, code, message),)
