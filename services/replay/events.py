"""Decides the recorded events of a ledger anew, in a ledger of their own."""

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
from ledger.journal import Ledger
from rulebook import Book
from schemas.periods import period
from services.engine.answers import REJECTED
from services.engine.engine import Engine, Record, prefetch
from services.engine.period_close import CLOSED, close_period

BATCH = 2_000


@contextmanager
def replayed(connection: Connection, book: Book, software: str) -> Iterator[Connection]:
    """A ledger in which every recorded event was decided anew, by a book and this program, in the order of the records.

    Rejections are taken as they stand: they move nothing, and some tell of what is past. Raises what handlers raise.
    """
    with tempfile.TemporaryDirectory(prefix="tpp-replay-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'replay.db'}")
        try:
            store.open()
            ledger = Ledger(store)
            engine = Engine(ledger, book, _no_clock, software)
            rows = connection.execute(
                tables.journal.select().order_by(tables.journal.c.n), execution_options={"yield_per": BATCH}
            )
            for closes, group in groupby(rows, key=lambda row: row.type == CLOSED):
                while batch := list(islice(group, BATCH)):
                    (_close if closes else _decide)(ledger, engine, batch)
            with store.read() as made:
                yield made
        finally:
            store.close()


def _close(ledger: Ledger, _: Engine, rows: Sequence[Any]) -> None:
    for row in rows:
        chosen = period(orjson.loads(row.answers)["data"]["period"])
        close_period(ledger, chosen, int(row.recorded))


def _decide(ledger: Ledger, engine: Engine, rows: Sequence[Any]) -> None:
    parsed = engine.read([Record(bytes(row.event), orjson.loads(row.position)) for row in rows])
    with ledger.begin(rows[-1].recorded) as journal:
        turn = engine.turn(journal)
        prefetch(journal, turn.book, parsed)
        for row, one in zip(rows, parsed, strict=True):
            if row.type != REJECTED:
                engine.answer(turn, one)
                continue
            journal.open_record(None)
            journal.sequence += row.answers.count("\n") + 1
            journal.mail.remember(
                (row.source, row.id), row.type, row.shipment_id, row.happened, row.position, row.event, row.answers
            )


def _no_clock() -> int:
    """No time: each record is dated as it was."""
    return 0
