"""Decides the recorded events anew, on an empty ledger of its own, and holds the derived tables against it."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Table, Text, func, select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt, LedgerError, Store
from ledger.journal import Ledger
from rulebook import Book
from schemas.periods import period
from services.engine.answers import REJECTED
from services.engine.engine import Engine, Failed, Record, prefetch, software
from services.engine.period_close import CLOSED, close_period
from services.proof.findings import FAILURES, Found, reason

DERIVED = (
    tables.journal, tables.entry, tables.account, tables.mention, tables.shipment, tables.waiting, tables.fact,
    tables.attestation, tables.obligation, tables.snapshot, tables.snapshot_hold, tables.head,
)  # fmt: skip
_NOT_DERIVED = {("journal", "recorded"), ("journal", "position"), ("head", "recorded")}
_REPLAYED_ONLY = (
    ("journal", "rests_on"),
    *((table, None) for table in ("shipment", "waiting", "fact", "attestation", "obligation", "mention")),
    *(("account", column) for column in ("limit", "leaving", "refused", "forecast")),
    ("head", "ticked"),
)
BATCH = 2_000


@contextmanager
def replayed(connection: Connection, book: Book) -> Iterator[Connection]:
    """A ledger in which every recorded event was decided anew, in the order of the records.

    Rejections are taken as they stand: they move nothing, and some tell of what is past. Raises what handlers raise.
    """
    with tempfile.TemporaryDirectory(prefix="tpp-replay-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'replay.db'}")
        try:
            store.open()
            ledger = Ledger(store)
            engine = Engine(ledger, book)
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
        (answer,) = row.answers
        chosen = period(orjson.loads(answer)["data"]["period"])
        close_period(ledger, chosen, int(row.recorded))


def _decide(ledger: Ledger, engine: Engine, rows: Sequence[Any]) -> None:
    parsed = engine.read([Record(bytes(row.event), orjson.loads(row.position)) for row in rows])
    with ledger.begin(rows[-1].recorded) as journal:
        turn = engine.turn(journal)
        prefetch(journal, parsed)
        for row, one in zip(rows, parsed, strict=True):
            if row.type != REJECTED:
                engine.answer(turn, one)
                continue
            journal.transaction.open_record(None)
            journal.transaction.next_sequence(len(row.answers))
            journal.records.add(
                (row.source, row.id), row.type, row.shipment_id, row.happened, row.position, row.event, row.answers
            )


def check_derived(connection: Connection, found: Found, book: Book, bases: Mapping[Any, int]) -> None:
    """Holds every derived table against what this program makes of the events anew.

    Records of another book or another version of the program may rightly have been decided otherwise, and a journal
    that is not whole cannot be decided: then what only this comparison covers is told as not covered.
    """
    others = [n for basis, n in bases.items() if basis != (book.digest, software())]
    if others or any(one.table in ("journal", "entry") for one in found.bad):
        why = "the journal itself is bad"
        if others:
            why = f"record {min(others)} was decided under another book of law or by another version of the program"
        found.not_records += [(table, column, why) for table, column in _REPLAYED_ONLY]
        return
    try:
        with replayed(connection, book) as made:
            first = _first_resting(connection, made, found)
            for table in DERIVED:
                with found.reading(connection, table.name):
                    _same(found, table, ordered(connection, table), ordered(made, table), first)
    except (Failed, LedgerError, LedgerCorrupt, *FAILURES) as error:
        found.add("journal", None, None, f"its events cannot be decided anew: {reason(error.__cause__ or error)}")


def _first_resting(connection: Connection, made: Connection, found: Found) -> int:
    """The first record that says what it rests on.

    A ledger of before `rests_on` was brought to this version with that of its records empty.
    """
    j = tables.journal
    first = connection.execute(select(func.min(j.c.n)).where(j.c.rests_on != "")).scalar()
    rests = select(func.max(j.c.n)).where(j.c.rests_on != "")
    last = made.execute(rests if first is None else rests.where(j.c.n < first)).scalar()
    if last is not None:
        why = f"records up to {last} are of before the ledger noted what they rest on"
        found.not_records.append(("journal", "rests_on", why))
    return (last or 0) + 1


def ordered(connection: Connection, table: Table) -> Iterator[Any]:
    """The rows of a table in the order of its primary key, texts by code points."""
    binary = connection.dialect.name == "postgresql"
    keys = [key.collate("C") if binary and isinstance(key.type, Text) else key for key in table.primary_key.columns]
    return iter(connection.execute(table.select().order_by(*keys), execution_options={"yield_per": 5_000}))


def _same(found: Found, table: Table, ours: Iterator[Any], theirs: Iterator[Any], first: int) -> None:
    keys = [column.name for column in table.primary_key.columns]
    names = [column.name for column in table.columns if (table.name, column.name) not in _NOT_DERIVED]

    def key(row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in keys)

    row, other = next(ours, None), next(theirs, None)
    while row is not None or other is not None:
        if other is None or (row is not None and key(row) < key(other)):
            _unlike(found, table, key(row), row, "the row was added: nothing in the journal gives it")
            row = next(ours, None)
        elif row is None or key(other) < key(row):
            _unlike(found, table, key(other), other, "the row is missing")
            other = next(theirs, None)
        else:
            unlike = [name for name in names if getattr(row, name) != getattr(other, name)]
            if unlike == ["rests_on"] and row.n < first:
                unlike = []
            if unlike:
                _unlike(found, table, key(row), other, f"not what the journal gives: {', '.join(unlike)}")
            row, other = next(ours, None), next(theirs, None)


def _unlike(found: Found, table: Table, key: Sequence[Any], row: Any, why: str) -> None:
    record = next((getattr(row, name) for name in ("n", "last") if hasattr(row, name)), None)
    found.add(table.name, "/".join(map(str, key)), record, why)
