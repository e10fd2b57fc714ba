"""Work that one event asks for and that is done in several records: what is left of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, select

from ledger.database import tables
from ledger.database.rows import stored
from ledger.database.statements import Statement
from ledger.registers.transaction import Transaction

_FIRST = Statement(lambda _: select(tables.unfinished).order_by(tables.unfinished.c.n).limit(1))


@dataclass(frozen=True, slots=True)
class Work:
    """Work that is not finished: the record of the event that asks for it, the chunk that comes next, what is left."""

    n: int
    chunk: int
    left: Mapping[str, Any]


class Unfinished:
    """The unfinished work of a ledger, in the order in which it was asked for."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._first: tuple[Work | None] | None = None  # the work that was asked for first, once it was read

    def begin(self, left: Mapping[str, Any]) -> None:
        """Notes that the event of the record being made asks for more than its own record does."""
        self._put(Work(self._transaction.n, 1, left))
        self._transaction.cache.unfinished = True

    def next(self) -> Work | None:
        """The work that was asked for first; None where everything is done."""
        transaction = self._transaction
        if transaction.cache.unfinished is False:
            return None
        if self._first is None:
            self._first = (self._read(),)
        return self._first[0]

    def _read(self) -> Work | None:
        transaction = self._transaction
        rows = _FIRST.run(transaction.store, transaction.connection)
        transaction.cache.unfinished = bool(rows)
        if not rows:
            return None
        row = rows[0]
        with stored(f"what is left of record {row.n}"):
            return Work(row.n, row.chunk + 1, {**orjson.loads(row.work)})

    def go_on(self, work: Work, left: Mapping[str, Any] | None) -> None:
        """Notes that a chunk is done, and what is left; None where it was the last one."""
        table = tables.unfinished
        self._transaction.before_write()
        self._first = None
        if left is None:
            self._transaction.connection.execute(delete(table).where(table.c.n == work.n))
            self._transaction.cache.unfinished = None
        else:
            self._put(Work(work.n, work.chunk, left))

    def _put(self, work: Work) -> None:
        self._transaction.before_write()
        self._first = None
        row = (work.n, work.chunk, orjson.dumps(work.left).decode())
        self._transaction.store.upsert(self._transaction.connection, tables.unfinished, [row])
