"""What is prepared before a turn: requests are screened by the facts of one moment, while others write.

Inside the turn the facts are formed afresh, and a prepared screening is used for a case that is equal in every part.
Screening is a function of the case and the book, so that the answer is the one that screening inside would give.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import perf_counter

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError
from ledger.journal import Journal, Ledger
from rulebook import Book
from schemas.kinds import FactKind
from schemas.models.facts import PartyRegistered
from schemas.models.incoming import Requested
from schemas.plan import Case
from schemas.wire.read import Rejection
from services.engine.context import DecisionContext
from services.engine.indexes import Indexes, Unprepared
from services.engine.message import ReadMessage
from services.engine.parties.screening import known_of

LEAST = 50
"""The requests in a batch for which it is worth to read facts beforehand."""
MOST_SECONDS = 1.0
"""How long the requests of a batch are screened beforehand: one with many parties and owners may take a second."""
RECENT = 4
"""Of how many batches the registrations count as stated that the ledger may not have yet."""


class Preparation:
    """Prepares batches, one after the other, in the order in which they will be decided."""

    def __init__(self, ledger: Ledger, book: Book, software: str, indexes: Indexes) -> None:
        self._ledger = ledger
        self._book = book
        self._software = software
        self._indexes = indexes
        self._registered: deque[list[PartyRegistered]] = deque(maxlen=RECENT)

    def prepare(self, batch: Sequence[ReadMessage]) -> list[ReadMessage]:
        """The messages, those that ask for a shipment to be screened with a screening; no answer depends on it.

        A party that a message of this batch or of one just before registers counts as registered. What cannot be
        prepared is left to the turn, and so are a few messages, which do not pay for a transaction of their own, and
        what is left of a batch after MOST_SECONDS of work.
        """
        self._registered.append([one for one in map(_data, batch) if isinstance(one, PartyRegistered)])
        if sum(isinstance(_data(one), Requested) for one in batch) < LEAST:
            return list(batch)
        try:
            return self._indexes.having_built(lambda: self._prepared(batch))
        except (DatabaseError, LedgerError, LedgerCorrupt):
            return list(batch)

    def _prepared(self, batch: Sequence[ReadMessage]) -> list[ReadMessage]:
        with self._ledger.shadow(0) as journal:
            self._load(journal, [asked for one in batch if isinstance(asked := _data(one), Requested)])
            context = DecisionContext(journal, self._book, self._software, self._indexes)
            left, prepared = MOST_SECONDS, list[ReadMessage]()
            for one in batch:
                if left <= 0:
                    break
                self._ledger.precedence.give_way()
                began = perf_counter()
                prepared.append(_screened(context, one))
                left -= perf_counter() - began
            return [*prepared, *batch[len(prepared) :]]

    def _load(self, journal: Journal, requests: Sequence[Requested]) -> None:
        """Reads what is known of the parties of requests, in a few queries, and adds what will be registered."""
        keys = {key for asked in requests for key in journal.parties.keys(asked)}
        journal.facts.load(keys)
        for made in self._expected():
            if made.id in keys:
                journal.facts.add(FactKind.PARTY, made.id, made)

    def _expected(self) -> Iterator[PartyRegistered]:
        for some in self._registered:
            yield from some


def _data(one: ReadMessage) -> object:
    return None if isinstance(one.event, Rejection) or one.barred is not None else one.event.data


def _screened(context: DecisionContext, one: ReadMessage) -> ReadMessage:
    asked = _data(one)
    if not isinstance(asked, Requested):
        return one
    try:
        screening = context.book.screen(Case(asked, known_of(context, asked), named=False))
        screening.ready()
    except (DatabaseError, LedgerError, LedgerCorrupt, Unprepared):
        raise
    except Exception:  # noqa: BLE001  the program fails on it again inside the turn, and it is answered there
        return one
    return replace(one, prepared=screening)
