"""Decides a batch of raw records in one transaction: the one engine behind every door."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from ledger.database.store import LedgerCorrupt, LedgerError, retryable
from ledger.journal import Journal, Ledger
from ledger.registers.accounts import Overflow
from ledger.registers.records import AnsweredEvent
from rulebook import Book
from schemas import accounts
from schemas.models.incoming import Requested
from schemas.wire.read import Error, Event, Rejection, parse, rejection_id, same_content
from services.engine.answers import REJECTED, SOURCE, Out, dumps, refused, rejection_text
from services.engine.context import Refused, Turn, microseconds
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


def wall_clock() -> int:
    """The time now, in microseconds since 1970 (UTC); it dates records and is read by no decision."""
    return microseconds(datetime.now(UTC))


def software() -> str:
    """The version of the program, which decisions name."""
    return version("tpp-quota-ledger")


class Engine:
    """Decides events. `clock` gives the recorded time in microseconds; no decision reads it."""

    def __init__(self, ledger: Ledger, book: Book, clock: Callable[[], int] = wall_clock) -> None:
        self._ledger = ledger
        self._book = book
        self._clock = clock
        self._software = software()

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
            retry=retry_if_exception(lambda error: isinstance(error, DBAPIError) and retryable(error)),
            stop=stop_after_attempt(RETRIES),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            reraise=True,
        )
        return attempts(self._decide, parsed, keep)

    def _decide(self, parsed: Sequence[Parsed], keep: bool) -> list[list[str]]:
        with self._ledger.begin(self._clock()) as journal:
            if not keep:
                journal.transaction.discard()
            turn = self.turn(journal)
            prefetch(journal, parsed)
            return [self.answer(turn, one) for one in parsed]

    def turn(self, journal: Journal) -> Turn:
        """What handlers work with in a transaction."""
        return Turn(journal, self._book, self._software)

    def answer(self, turn: Turn, parsed: Parsed) -> list[str]:
        """Everything given out for one message, its answer first. Raises Failed where the program fails on it."""
        records, transaction = turn.journal.records, turn.journal.transaction
        event = parsed.event
        earlier = records.answered((SOURCE, parsed.rejection))
        if earlier is not None:
            return list(earlier.answers)
        if isinstance(event, Rejection):
            return _reject(turn.journal, parsed, event)
        known = records.answered((event.source, event.id))
        if known is not None:
            return _repeat(turn.journal, parsed, event, known)
        transaction.open_record(event.happened.date())
        out = Out(transaction, event)
        try:
            shipment = HANDLERS[event.type](turn, event, out)
        except Refused as error:
            transaction.abandon_record()
            return _reject(turn.journal, parsed, refused(event, error.errors))
        except (DBAPIError, LedgerError, LedgerCorrupt):
            raise
        except Exception as error:
            raise Failed(parsed) from error
        records.add(
            (event.source, event.id), event.type, shipment, microseconds(event.happened),
            dumps(parsed.record.position), event.raw, tuple(out.texts),
        )  # fmt: skip
        return out.texts


def _repeat(journal: Journal, parsed: Parsed, event: Event, known: AnsweredEvent) -> list[str]:
    if event.raw == known.event or same_content(event.raw, known.event):
        return list(known.answers)
    message = f"{event.id!r} of {event.source!r} was already taken with another type, subject, time or data"
    return _reject(journal, parsed, refused(event, (Error("", "event.conflict", message),)))


def _reject(journal: Journal, parsed: Parsed, rejection: Rejection) -> list[str]:
    journal.transaction.open_record(None)
    sequence = journal.transaction.next_sequence()
    text = rejection_text(parsed.rejection, rejection, parsed.record.position, sequence, parsed.record.received)
    happened = None
    with suppress(TypeError, ValueError):
        happened = microseconds(datetime.fromisoformat(str(rejection.time).upper()))
    journal.records.add(
        (SOURCE, parsed.rejection), REJECTED, None, happened, dumps(parsed.record.position), rejection.raw, (text,)
    )
    return [text]


def prefetch(journal: Journal, parsed: Sequence[Parsed]) -> None:
    """Reads what a batch will need in a few queries: earlier answers, shipments, facts and likely accounts."""
    keys = [(SOURCE, one.rejection) for one in parsed]
    shipments, facts, paths = set(), set(), set()
    for one in parsed:
        event = one.event
        if isinstance(event, Rejection):
            continue
        keys.append((event.source, event.id))
        data: Any = event.data
        if isinstance(data, Requested):
            shipments.add(data.shipment_id)
            facts |= journal.parties.keys(data)
            consignee = data.ultimate_consignee
            paths.add(accounts.lpp(consignee.owner, data.export_date.year))
            paths.add(accounts.aia(consignee.id))
        elif hasattr(data, "shipment_id"):
            shipments.add(data.shipment_id)
        else:
            facts.update(getattr(data, name) for name in _FACT_KEYS if hasattr(data, name))
    shipments.discard(None)
    facts.discard(None)
    journal.records.recall(keys)
    journal.shipments.load(shipments)
    journal.facts.load(facts)
    journal.accounts.load(paths)
