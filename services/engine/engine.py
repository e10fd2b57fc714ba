"""Decides a batch of raw records in one transaction: the one engine behind every door."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError, retryable
from ledger.journal import Journal, Ledger
from ledger.registers.accounts import Overflow
from ledger.registers.records import Known
from rulebook import Book
from schemas.models.incoming import Requested
from schemas.times import microseconds
from schemas.wire.read import Error, Event, Rejection, parse, rejection_id, same_content
from services.engine.answers import REJECTED, SOURCE, Out, dumps, refused, rejection_text
from services.engine.context import Refused, Turn
from services.engine.handlers import HANDLERS

LONE_TRIES = 3
"""How often an event that the program fails on is tried alone before it is rejected."""

RETRIES = 6
_FACT_KEYS = ("id", "party", "number", "exporter", "holder")
"""The members of an event's data under which facts are kept."""


@dataclass(frozen=True, slots=True)
class Record:
    """A message as received: its bytes, and where it came from.

    `position` is `{file, line}`, `{topic, partition, offset}` or `{request}`. `value`: what a rejection tells of, where
    `raw` was put together from headers and a value (binary mode).
    """

    raw: bytes
    position: Mapping[str, Any]
    value: bytes | None = None

    @property
    def received(self) -> bytes:
        """The bytes that a rejection tells of."""
        return self.raw if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message that was read: an event, or what is wrong with it."""

    record: Record
    event: Event | Rejection
    rejection: str
    """The id that a rejection of this message has."""


class Failed(Exception):
    """An event could not be handled; its batch was rolled back. The cause is the exception that it raised."""

    def __init__(self, parsed: Parsed) -> None:
        super().__init__()
        self.parsed = parsed


def _rejected(parsed: Parsed, failure: Failed) -> Parsed:
    """The message as the rejection that it gets: its amounts lead out of range, or the program fails on it."""
    cause, event = failure.__cause__, parsed.event
    if isinstance(event, Rejection):
        return parsed
    if isinstance(cause, Overflow):
        error = Error("/data", "amount.overflow", str(cause))
    else:
        error = Error("", "internal.error", f"the program failed on this event: {type(cause).__name__}: {cause}")
    return Parsed(parsed.record, refused(event, (error,)), parsed.rejection)


class Engine:
    """Decides events.

    `clock` gives the recorded time in microseconds since 1970 (UTC); no decision reads it. `software` is the version of
    the program, which decisions name.
    """

    def __init__(self, ledger: Ledger, book: Book, clock: Callable[[], int], software: str) -> None:
        self._ledger = ledger
        self._book = book
        self._clock = clock
        self._software = software

    def run(self, records: Sequence[Record]) -> list[list[str]]:
        """For each record, in order, everything given out for it: its answer first, each a line of JSON.

        All is decided in one transaction; where it raises, nothing is written. An event that the program itself fails
        on is tried alone, three times, and then rejected with `internal.error`. Raises where the database fails.
        """
        return self.decide(self.read(records))

    @staticmethod
    def read(records: Sequence[Record]) -> list[Parsed]:
        """The messages as events or rejections; pure, so that it may be done ahead in another thread."""
        return [Parsed(record, parse(record.raw), rejection_id(record.position, record.received)) for record in records]

    def decide(self, parsed: Sequence[Parsed]) -> list[list[str]]:
        """As `run`, of messages that were read."""
        try:
            return self._transact(parsed)
        except Failed:
            return [self._alone(one) for one in parsed]

    def check(self, records: Sequence[Record]) -> list[list[str]]:
        """What `run` would give out, with nothing written."""
        parsed = self.read(records)
        while True:
            try:
                return self._transact(parsed, keep=False)
            except Failed as failure:
                parsed = [_rejected(one, failure) if one is failure.parsed else one for one in parsed]

    def _alone(self, parsed: Parsed) -> list[str]:
        for tried in range(1, LONE_TRIES + 1):
            try:
                return self._transact([parsed])[0]
            except Failed as failure:
                if tried == LONE_TRIES or isinstance(failure.__cause__, Overflow):
                    return self._transact([_rejected(parsed, failure)])[0]
        raise LedgerCorrupt("an event was tried and neither decided nor rejected")

    def _transact(self, parsed: Sequence[Parsed], keep: bool = True) -> list[list[str]]:
        """Decides a batch, and again where the database asks for it: a deadlock, a lost connection."""
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, DatabaseError) and retryable(error)),
            stop=stop_after_attempt(RETRIES),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            reraise=True,
        )
        return attempts(self._decide, parsed, keep)

    def _decide(self, parsed: Sequence[Parsed], keep: bool) -> list[list[str]]:
        with self._ledger.begin(self._clock(), keep) as journal:
            turn = self.turn(journal)
            prefetch(journal, self._book, parsed)
            return [self.answer(turn, one) for one in parsed]

    def turn(self, journal: Journal) -> Turn:
        """What handlers work with in a transaction."""
        return Turn(journal, self._book, self._software)

    def answer(self, turn: Turn, parsed: Parsed) -> list[str]:
        """Everything given out for one message, its answer first. Raises Failed where the program fails on it."""
        mail = turn.journal.mail
        event = parsed.event
        earlier = mail.known((SOURCE, parsed.rejection))
        if earlier is not None:
            return earlier.answers.split("\n")
        if isinstance(event, Rejection):
            return _reject(turn.journal, parsed, event)
        known = mail.known((event.source, event.id))
        if known is not None:
            return _repeat(turn.journal, parsed, event, known)
        turn.journal.open_record(event.happened.date())
        out = Out(turn.journal, event)
        try:
            shipment = HANDLERS[event.type](turn, event, out)
        except Refused as error:
            turn.journal.n -= 1
            return _reject(turn.journal, parsed, refused(event, error.errors))
        except (DatabaseError, LedgerError, LedgerCorrupt):
            raise
        except Exception as error:
            raise Failed(parsed) from error
        mail.remember(
            (event.source, event.id), event.type, shipment, microseconds(event.happened),
            dumps(parsed.record.position), event.raw, "\n".join(out.texts),
        )  # fmt: skip
        return out.texts


def _repeat(journal: Journal, parsed: Parsed, event: Event, known: Known) -> list[str]:
    if event.raw == known.event or same_content(event.raw, known.event):
        return known.answers.split("\n")
    message = f"{event.id!r} of {event.source!r} was already taken with another type, subject, time or data"
    return _reject(journal, parsed, refused(event, (Error("", "event.conflict", message),)))


def _reject(journal: Journal, parsed: Parsed, rejection: Rejection) -> list[str]:
    journal.open_record(None)
    journal.sequence += 1
    text = rejection_text(parsed.rejection, rejection, parsed.record.position, journal.sequence, parsed.record.received)
    happened = None
    with suppress(TypeError, ValueError):
        happened = microseconds(datetime.fromisoformat(str(rejection.time).upper()))
    journal.mail.remember(
        (SOURCE, parsed.rejection), REJECTED, None, happened, dumps(parsed.record.position), rejection.raw, text
    )
    return [text]


def prefetch(journal: Journal, book: Book, parsed: Sequence[Parsed]) -> None:
    """Reads what a batch will need in a few queries: earlier answers, shipments, facts and likely accounts."""
    keys = [(SOURCE, one.rejection) for one in parsed]
    shipments, facts = set(), set()
    paths: set[str] = set()
    for one in parsed:
        event = one.event
        if isinstance(event, Rejection):
            continue
        keys.append((event.source, event.id))
        data: Any = event.data
        if isinstance(data, Requested):
            shipments.add(data.shipment_id)
            facts |= journal.facts.keys(data)
            paths.update(book.likely_accounts(data))
        elif hasattr(data, "shipment_id"):
            shipments.add(data.shipment_id)
        else:
            facts.update(getattr(data, name) for name in _FACT_KEYS if hasattr(data, name))
    shipments.discard(None)
    facts.discard(None)
    journal.mail.recall(keys)
    journal.shipments.load(shipments)
    journal.facts.load(facts)
    journal.load(paths)
