"""Decides the recorded events of a ledger again, in a new ledger."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from ledger.database import tables
from ledger.database.store import Store
from ledger.journal import Journal, Ledger
from ledger.registers.accounts import Overflow
from rulebook import Book
from schemas.codes import RejectionCode
from schemas.event_types import EVENT_REJECTED, LIST_LOADED, SNAPSHOT_CLOSED
from schemas.periods import period
from services.engine.chunks import next_chunk
from services.engine.commands.period_close import close_period
from services.engine.engine import Engine, answer, not_taken
from services.engine.handlers.rescreening import after_failure
from services.engine.indexes import Unprepared
from services.engine.message import EventFailed, Message, ReadMessage

BATCH = 2_000
_FAILED = f'"code":"{RejectionCode.INTERNAL_ERROR}"'


@contextmanager
def replayed(connection: Connection, book: Book, software: str) -> Iterator[Connection]:
    """A ledger in which a rulebook and this program have decided every recorded event again, in the same order.

    Rejections are copied: they change no balance, and some depend on past states. Raises what handlers raise.
    """
    with tempfile.TemporaryDirectory(prefix="tpp-replay-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'replay.db'}")
        try:
            store.open()
            _copy_lists(connection, store)
            ledger = Ledger(store)
            engine = Engine(ledger, book, _no_clock, software)
            rows = connection.execute(
                tables.journal.select().order_by(tables.journal.c.n), execution_options={"yield_per": BATCH}
            )
            for apart, group in groupby(rows, key=lambda row: row.type in (SNAPSHOT_CLOSED, LIST_LOADED)):
                while batch := list(islice(group, 1 if apart else BATCH)):
                    (_close if batch[0].type == SNAPSHOT_CLOSED else _decide)(ledger, engine, batch)
            with store.read() as made:
                yield made
        finally:
            store.close()


def _copy_lists(connection: Connection, store: Store) -> None:
    """Copies the contents of lists, which loads name by their digests."""
    table = tables.list_content
    for row in connection.execute(table.select().order_by(table.c.sha256)):
        with store.begin() as made:
            store.insert(made, table, [tuple(row)])


def _close(ledger: Ledger, _: Engine, rows: Sequence[Any]) -> None:
    for row in rows:
        (closed,) = row.answers
        close_period(ledger, period(orjson.loads(closed)["data"]["period"]), int(row.recorded))


def _decide(ledger: Ledger, engine: Engine, rows: Sequence[Any]) -> None:
    """Decides a batch of records; one by one if the amounts of one exceed the range, which refuses that one."""
    messages = [Message(bytes(row.event), orjson.loads(row.position), recorded=True) for row in rows]
    pairs = list(zip(rows, engine.read(messages), strict=True))
    try:
        _transact(ledger, engine, pairs)
    except EventFailed:
        for row, one in pairs:
            try:
                _transact(ledger, engine, [(row, one)])
            except EventFailed as failure:
                if not isinstance(failure.__cause__, Overflow):
                    raise
                _transact(ledger, engine, [(row, not_taken(one, failure))])


def _transact(ledger: Ledger, engine: Engine, pairs: Sequence[tuple[Any, ReadMessage]]) -> None:
    try:
        _decide_all(ledger, engine, pairs)
    except Unprepared as needed:
        engine.indexes.prepare(needed.digests)
        _transact(ledger, engine, pairs)


def _decide_all(ledger: Ledger, engine: Engine, pairs: Sequence[tuple[Any, ReadMessage]]) -> None:
    batch = [one for _, one in pairs]
    with ledger.begin(pairs[-1][0].recorded) as journal, engine.deciding(journal, batch) as context:
        for row, one in pairs:
            if row.type != EVENT_REJECTED:
                answer(context, one)
                continue
            _end_given_up(journal, row)
            journal.transaction.open_record(None)
            journal.transaction.next_sequence(len(row.answers))
            journal.records.add(
                (row.source, row.id), row.type, row.shipment_id, row.happened, row.position, row.event, row.answers
            )


def _end_given_up(journal: Journal, row: Any) -> None:
    """Ends the work of which a rejection says that the program failed on its next chunk, or what is to end of it."""
    work = journal.unfinished.next()
    if work is None or _FAILED not in row.answers[0]:
        return
    chunk = next_chunk(journal)
    if chunk is not None and chunk.raw == bytes(row.event):
        journal.unfinished.go_on(work, after_failure(journal, work.left))


def _no_clock() -> int:
    """A clock that is not used: each record keeps its time."""
    return 0
