"""Decides a batch of messages in one transaction: the one engine behind every door."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from itertools import count
from time import perf_counter
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from ledger.database.store import DatabaseError, LedgerCorrupt, LedgerError, retryable
from ledger.journal import Journal, Ledger
from ledger.registers.accounts import Overflow
from ledger.registers.records import AnsweredEvent
from rulebook import Book
from schemas.codes import ReasonCode, RejectionCode
from schemas.event_types import EVENT_REJECTED, LEDGER_SOURCE, LIST_LOADED
from schemas.times import microseconds
from schemas.wire.read import Error, Event, Rejection, same_content
from services.engine import auto_recheck
from services.engine.answers import rejection_text, to_text
from services.engine.before.ahead import prefetch
from services.engine.before.pace import Pace
from services.engine.before.prepare import Preparation
from services.engine.chunks import CHUNK, IN_CHUNKS, chunk_id, chunk_of, next_chunk
from services.engine.context import DecisionContext, HandledEvent, Observer
from services.engine.handlers import HANDLERS
from services.engine.handlers.rescreening import after_failure
from services.engine.indexes import Indexes, Unprepared
from services.engine.message import (
    EventFailed,
    EventRejected,
    Message,
    ReadMessage,
    Refusal,
    failed,
    read_message,
    rejected,
)
from services.engine.parties.resemblance import alert_resemblances
from services.engine.refusal import refuse_event, sentence

LONE_TRIES = 3
"""How many times an event on which the program fails is tried alone before it is rejected."""

RETRIES = 6

T = TypeVar("T")
Texts = Sequence[str]
"""The answer to one message and the events that follow from it, each a line of JSON."""


class Transactions:
    """The transactions in which events are decided, each tried once."""

    def __init__(
        self, ledger: Ledger, book: Book, clock: Callable[[], int], software: str, observer: Observer | None = None
    ) -> None:
        self._observer = observer or Observer()
        self._ledger = ledger
        self._book = book
        self._clock = clock
        self._software = software
        self.indexes = Indexes(ledger.store)
        self._preparation = Preparation(ledger, book, software, self.indexes)
        self.pace = Pace()
        self.pending: bool | None = None
        """Whether work was left when the ledger was last looked at; None before."""

    @property
    def ledger(self) -> Ledger:
        """The ledger on which it decides."""
        return self._ledger

    @contextmanager
    def deciding(self, journal: Journal, batch: Sequence[ReadMessage]) -> Iterator[DecisionContext]:
        """The context in which a batch is decided, in its own transaction."""
        prefetch(journal, self._book, batch)
        screened = {id(found.shipment.case.asked): found for one in batch if (found := one.prepared) is not None}
        yield DecisionContext(journal, self._book, self._software, self.indexes, prepared=screened)

    def _tried(self, decide: Callable[..., T], *arguments: Any) -> T:
        """Decides, and again where the database asks for it, or where the index of a list had to be built first."""
        return self.indexes.having_built(lambda: _retried(decide, *arguments))

    def _transact(self, take: Callable[[], Sequence[ReadMessage]], finish: bool, at_once: int = 0) -> list[Texts]:
        """Decides what is taken; `at_once`: about how many holds may be rechecked too, where no other work is left."""
        with ExitStack() as watched:
            with self._ledger.begin(self._clock()) as journal:
                batch = () if finish and journal.unfinished.next() is not None else take()
                watched.enter_context(self._observer.transaction(batch))
                since = journal.transaction.sequence
                with self.deciding(journal, batch) as context:
                    began = perf_counter()
                    texts = _answers(context, batch, finish, at_once)
                    self.pace.took(len(texts), perf_counter() - began)
                pending = journal.unfinished.next() is not None
            self.pending = pending
            self._observer.decided(batch[: len(texts)], texts, since)
        return texts

    def _check(self, batch: Sequence[ReadMessage]) -> list[Texts]:
        with self._ledger.shadow(self._clock()) as journal, self.deciding(journal, batch) as context:
            return [(*answer(context, one), *_chunks_of(context)) for one in batch]

    def _do_chunk(self, given_up: EventFailed | None) -> Texts | None:
        texts = done = None
        with self._ledger.begin(self._clock()) as journal:
            since = journal.transaction.sequence
            work, message = journal.unfinished.next(), next_chunk(journal)
            if work is not None and message is not None:
                read = read_message(message)
                done = not_taken(read, given_up) if given_up else read
                with self.deciding(journal, [read]) as context:
                    texts = answer(context, done)
                if given_up and done.refusal is None:
                    journal.unfinished.go_on(work, after_failure(journal, work.left))
            pending = journal.unfinished.next() is not None
        self.pending = pending
        if done is not None and texts is not None:
            self._observer.decided([done], [texts], since)
        return texts


class Engine(Transactions):
    """Decides events. `clock` returns the recorded time in microseconds since 1970 (UTC); no decision reads it.

    `software` is the version of the program, which decisions state; `observer` is told of each transaction.
    """

    def run(self, messages: Sequence[Message]) -> list[Texts]:
        """For each message, in order, its answer and what follows from it.

        All is decided in one transaction; where it raises, nothing is written. An event that the program itself fails
        on is tried alone, three times, and then rejected with `internal.error`; one whose amounts exceed the range is
        refused. What an event asks for in chunks is finished before the next event. Raises if the database fails.
        """
        return self.decide(self.read(messages))

    @staticmethod
    def read(messages: Sequence[Message]) -> list[ReadMessage]:
        """The messages as events or rejections; pure, so that another thread may call it ahead of time."""
        return [read_message(message) for message in messages]

    def read_ahead(self, messages: Sequence[Message]) -> list[ReadMessage]:
        """Like `read`, in another thread, which gives way to the one that decides."""
        read = []
        for message in messages:
            self._ledger.precedence.give_way()
            read.append(read_message(message))
        return read

    def prepare(self, batch: Sequence[ReadMessage]) -> list[ReadMessage]:
        """The messages with what can be worked out before the turn, so that it is short; no answer depends on it.

        One other thread may call it ahead of time, for one batch after the other.
        """
        return self._preparation.prepare(batch)

    def decide(self, batch: Sequence[ReadMessage]) -> list[Texts]:
        """Like `run`, for messages that are already read."""
        decided: list[Texts] = []
        while len(decided) < len(batch):
            some = self._some(batch[len(decided) :], finish=True)
            decided += some
            if self.pending:
                follows = self.finish()
                if some:
                    decided[-1] = (*decided[-1], *follows)
        return decided

    def decide_between(self, batch: Sequence[ReadMessage]) -> list[Texts]:
        """As `decide`, but in turns bounded by time; what events ask for in chunks is left to `go_on`, between batches.

        As far as nothing else is left, the holds that wait for what an event brings are rechecked at once, as in a
        file, a chunk's worth of them in all.
        """
        decided: list[Texts] = []
        while len(decided) < len(batch):
            some = batch[len(decided) : len(decided) + self.pace.fits()]
            decided += self._some(some, finish=False, at_once=CHUNK)
        return decided

    def take_turn(self, take: Callable[[], Sequence[ReadMessage]]) -> list[Texts]:
        """The answers to the first messages of what `take` returns, which is called with the lock on writing held.

        If work is left from before, it is not called, and there are none. It may be called again, and then returns the
        same messages. Otherwise like `decide`, up to a message that leaves work to `finish`.
        """
        try:
            return self._tried(self._transact, take, True)
        except EventFailed:
            return self._some(take(), finish=True)

    def finish(self) -> Texts:
        """Does all work that is left; what follows from it."""
        texts: list[str] = []
        while (chunk := self.go_on()) is not None:
            texts += chunk
        return texts

    def go_on(self) -> Texts | None:
        """Does the next chunk of work that is left, in a transaction of its own; None where everything is done.

        A chunk that the program itself fails on three times is given up, with a rejection, and its work ends; that of a
        rescreening goes on with all but what the program fails on.
        """
        for tried in range(1, LONE_TRIES + 1):
            try:
                return self._tried(self._do_chunk, None)
            except EventFailed as failure:
                if tried == LONE_TRIES:
                    return self._tried(self._do_chunk, failure)
        raise LedgerCorrupt("a chunk was tried and neither done nor given up")

    def check(self, messages: Sequence[Message]) -> list[Texts]:
        """What `run` would answer at this moment, with nothing written; nobody who writes waits for it."""
        return self.check_read(self.read(messages))

    def check_read(self, batch: Sequence[ReadMessage]) -> list[Texts]:
        """Like `check`, for messages that are already read. Several threads may check at once."""
        while True:
            try:
                return self._tried(self._check, batch)
            except EventFailed as failure:
                batch = [not_taken(one, failure) if one is failure.read else one for one in batch]

    def _some(self, batch: Sequence[ReadMessage], *, finish: bool, at_once: int = 0) -> list[Texts]:
        """The answers to the first messages of a batch: all, or up to one that leaves work to `finish`.

        There are none if work is left from before. `at_once` is as of `_transact`.
        """
        try:
            return self._tried(self._transact, lambda: batch, finish, at_once)
        except EventFailed as failure:
            at = next((index for index, one in enumerate(batch) if one is failure.read), None)
        if at is None:  # the program failed on a chunk, which `go_on` tries by itself
            return self._some(batch, finish=finish)
        before = self._some(batch[:at], finish=finish, at_once=at_once) if at else []
        whole = len(before) == at and not (finish and self.pending)
        return [*before, *self._alone(batch[at])] if whole else before

    def _alone(self, one: ReadMessage) -> list[Texts]:
        for tried in range(1, LONE_TRIES + 1):
            try:
                return self._try(one)
            except EventFailed as failure:
                if tried == LONE_TRIES or isinstance(failure.__cause__, Overflow):
                    return self._try(not_taken(one, failure))
        raise LedgerCorrupt("an event was tried and neither decided nor rejected")

    def _try(self, one: ReadMessage) -> list[Texts]:
        return self._tried(self._transact, lambda: [one], False)


_again = Retrying(
    retry=retry_if_exception(lambda error: isinstance(error, DatabaseError) and retryable(error)),
    stop=stop_after_attempt(RETRIES - 1),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)


def _retried(decide: Callable[..., T], *arguments: Any) -> T:
    """Decides, and again where the database asks for it: a deadlock, a lost connection."""
    try:
        return decide(*arguments)
    except DatabaseError as error:
        if not retryable(error):
            raise
    return _again(decide, *arguments)


def _answers(context: DecisionContext, batch: Sequence[ReadMessage], finish: bool, at_once: int) -> list[Texts]:
    """The answers to a batch in one transaction, or to its beginning; as of `_some` and `_transact`."""
    texts: list[Texts] = []
    journal = context.journal
    left = journal.unfinished.next() is not None
    for one in batch:
        texts.append(answer(context, one))
        if journal.unfinished.next() is None:
            left = False
            continue
        if finish:
            break
        if at_once > 0 and not left and (message := auto_recheck.next_recheck(journal)) is not None:
            chunk = answer(context, read_message(message))
            texts[-1] = (*texts[-1], *chunk)
            at_once -= auto_recheck.looked_at(chunk)
        left = journal.unfinished.next() is not None
    return texts


def _chunks_of(context: DecisionContext) -> Iterator[str]:
    """What follows from the work that is left, done in the same transaction."""
    while (message := next_chunk(context.journal)) is not None:
        yield from answer(context, read_message(message))


def answer(context: DecisionContext, read: ReadMessage) -> Texts:
    """The answers to one message, recorded. Raises EventFailed if the program fails on it."""
    journal, event = context.journal, read.event
    earlier = journal.records.answered((LEDGER_SOURCE, read.rejection))
    if earlier is not None:
        return earlier.answers
    if isinstance(event, Rejection):
        return _reject(journal, read, event)
    answered = journal.records.answered((event.source, event.id))
    if read.barred is not None and not (answered is not None and _repeats(read, event, answered)):
        return _reject(journal, read, read.barred)
    if answered is not None:
        return _repeat(journal, read, event, answered)
    journal.transaction.open_record(event.happened.date())
    if read.message.over_http:
        context = replace(context, over_http=True)
    try:
        handled = _handled(context, event, read.refusal)
        if event.type not in IN_CHUNKS:
            auto_recheck.begin(context, handled)
    except EventRejected as error:
        journal.transaction.abandon_record()
        return _reject(journal, read, rejected(event, error.errors))
    except (DatabaseError, LedgerError, LedgerCorrupt, Unprepared):
        raise
    except Exception as error:
        raise EventFailed(read) from error
    alert_resemblances(context, handled.answers)
    texts = tuple(handled.answers.texts)
    journal.records.add(
        (event.source, event.id), event.type, handled.shipment_id, microseconds(event.happened),
        to_text(read.message.position), event.raw, texts,
    )  # fmt: skip
    return texts


def _handled(context: DecisionContext, event: Event[Any], refusal: Refusal | None) -> HandledEvent:
    """What the handler of an event makes of it, or why it is refused."""
    if refusal is None:
        try:
            return HANDLERS[event.type](context, event)
        except Refusal as raised:
            refusal = raised
    return refuse_event(context, event, refusal)


def not_taken(read: ReadMessage, failure: EventFailed) -> ReadMessage:
    """The message with its end: refused if its amounts exceed the range, rejected if the program fails on it."""
    cause, event = failure.__cause__, read.event
    if isinstance(event, Rejection):
        return read
    if isinstance(cause, Overflow):
        return replace(read, refusal=Refusal(ReasonCode.AMOUNT_OVERFLOW, sentence(str(cause)), account=cause.account))
    return replace(read, event=rejected(event, (failed(cause),)))


def _repeat(journal: Journal, read: ReadMessage, event: Event[Any], answered: AnsweredEvent) -> Texts:
    if _repeats(read, event, answered):
        return (*answered.answers, *_chunks_since(journal, event, answered))
    message = f"{event.id!r} of {event.source!r} was already received with a different type, subject, time or data"
    return _reject(journal, read, rejected(event, (Error("", RejectionCode.EVENT_CONFLICT, message),)))


def _repeats(read: ReadMessage, event: Event[Any], answered: AnsweredEvent) -> bool:
    """Whether an event is the one that was answered, and not another under its id."""
    message = read.message
    return message.once or event.raw == answered.event or same_content(event.raw, answered.event, timed=not message.own)


def _chunks_since(journal: Journal, event: Event[Any], answered: AnsweredEvent) -> Iterator[str]:
    """The answers of the further chunks of the work that an event asked for; whether there is a first is prefetched.

    Of a load, which goes on after a chunk on which the program has failed, the rejection of such a chunk too.
    """
    records = journal.records
    for chunk in count(2):
        key = (LEDGER_SOURCE, chunk_id(event.source, event.id, chunk))
        found = records.answered(key) if chunk == 2 else records.find(key)
        if found is None and event.type == LIST_LOADED:
            failed = read_message(chunk_of(answered.n, answered.event, chunk))
            found = records.find((LEDGER_SOURCE, failed.rejection))
        if found is None:
            return
        yield from found.answers


def _reject(journal: Journal, read: ReadMessage, rejection: Rejection) -> Texts:
    transaction, message = journal.transaction, read.message
    transaction.open_record(None)
    sequence = transaction.next_sequence()
    text = rejection_text(read.rejection, rejection, message, sequence)
    happened = None
    with suppress(TypeError, ValueError):
        happened = microseconds(datetime.fromisoformat(str(rejection.time).upper()))
    key = (LEDGER_SOURCE, read.rejection)
    journal.records.add(key, EVENT_REJECTED, None, happened, to_text(message.position), rejection.raw, (text,))
    return (text,)
