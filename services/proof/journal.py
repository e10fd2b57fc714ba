"""Verifies the journal as a whole: no record is missing or was added, and each has its leaf in the tree."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from ledger.database import tables
from ledger.database.store import DatabaseError, Store, database_message
from ledger.proof.leaves import BATCH, Unreadable, leaves
from ledger.proof.merkle import Tree, leaf_hash
from services.proof.records import Records
from services.proof.report import VerificationReport


@dataclass(frozen=True, slots=True)
class _Leaf:
    n: int
    hash: bytes


class Journal:
    """Reads the records in order and compares each with its leaf, its event, its answers and its entries.

    `roots`: the sizes of the tree whose roots are kept. `sealed`: the last record that has a leaf.
    """

    def __init__(self, connection: Connection, store: Store, found: VerificationReport, roots: Iterable[int]) -> None:
        self._connection, self._store, self._found = connection, store, found
        self._wanted = set(roots)
        self._last = 0
        self.records = Records(connection, found)
        self.sealed = 0
        self.whole = False
        self.roots: dict[int, bytes] = {0: Tree().root()}

    def run(self) -> None:
        """Reads the journal from its first record to its last."""
        j = tables.journal
        head = self._connection.execute(tables.head.select()).one()
        end = head.n
        with self._found.reading(self._connection, "journal"):
            end = max(end, self._connection.execute(select(func.max(j.c.n))).scalar() or 0)
            for n in self._connection.execute(select(j.c.n).where((j.c.n < 1) | (j.c.n > head.n))).scalars():
                self._found.add("journal", n, n, "the record was added: the table head does not count it")
        sealed, tree = self._sealed(), Tree()
        hashed = next(sealed, None)
        for row, leaf in self._leaves(end):
            self._missing(row.n)
            self._last, digest = row.n, leaf_hash(leaf)
            while hashed is not None and hashed.n < row.n:
                self._found.add("leaf", hashed.n, hashed.n, "no record has this leaf")
                hashed = next(sealed, None)
            if hashed is not None and hashed.n == row.n:
                if hashed.hash != digest:
                    self._found.add("journal", row.n, row.n, "the record, one of its entries or its leaf was changed")
                hashed = next(sealed, None)
            elif hashed is not None:
                self._found.add("leaf", row.n, row.n, "the leaf of the record is missing")
            tree.append(digest)
            if tree.size in self._wanted:
                self.roots[tree.size] = tree.root()
            if leaf:
                self.records.check(row, orjson.loads(leaf))
            elif isinstance(row, _Leaf):
                self.records.skip()
        self._missing(end + 1)
        while hashed is not None:
            self._found.add("leaf", hashed.n, hashed.n, "no record has this leaf")
            hashed = next(sealed, None)
        self._found.records, self._found.root = self._last, base64.b64encode(tree.root()).decode()
        if self.sealed < self._last:
            why = f"records from {self.sealed + 1} on have no leaf yet; `tpp audit checkpoint` adds it"
            self._found.leave_out("leaf", None, why)
        self._head(head)

    def _missing(self, until: int) -> None:
        """Notes records that are missing between the last one and another."""
        first = self._last + 1
        if first < until:
            why = f"all records up to {until - 1} are missing" if first < until - 1 else "the record is missing"
            self._found.add("journal", first, first, why)

    def _sealed(self) -> Iterator[_Leaf]:
        """The leaves that the tree has, in order."""
        table, last = tables.leaf, -(2**63)
        query = table.select().order_by(table.c.n).limit(BATCH)
        while True:
            rows: Sequence[Any] = ()
            with self._found.reading(self._connection, "leaf"):
                rows = self._connection.execute(query.where(table.c.n > last)).all()
            if not rows:
                return
            for row in rows:
                self.sealed = row.n
                yield _Leaf(row.n, bytes(row.hash))
            last = rows[-1].n

    def _leaves(self, end: int) -> Iterator[tuple[Any, bytes]]:
        """Every record with its leaf, which is empty if it cannot be computed.

        Where the database cannot read a batch, its records are read one by one.
        """
        after, alone = 0, 0
        while after < end:
            until = after + 1 if after < alone else min(end, after + BATCH)
            read: list[tuple[Any, bytes]] = []
            failure: Unreadable | DatabaseError | None = None
            try:
                with self._connection.begin_nested():
                    for one in leaves(self._connection, self._store, after, until):
                        read.append(one)  # noqa: PERF402  what was read before a failure is kept
            except (Unreadable, DatabaseError) as error:
                failure = error
            if isinstance(failure, DatabaseError) and after >= alone:
                alone = until
                continue
            yield from read
            after = until if read or failure is not None else self._before_next(until, end)
            if isinstance(failure, Unreadable):
                after = failure.row.n
                self._found.add("journal", after, after, f"the record cannot be read: {failure.__cause__}")
                yield failure.row, b""
            elif failure is not None:
                self._found.add("journal", after, after, f"the record cannot be read: {database_message(failure)}")
                yield _Leaf(after, b""), b""

    def _before_next(self, n: int, end: int) -> int:
        """The number before the next record after a number, `end` without one: a wrong number may lead far away."""
        query = select(func.min(tables.journal.c.n)).where(tables.journal.c.n > n)
        try:
            with self._connection.begin_nested():
                found = self._connection.execute(query).scalar()
        except DatabaseError:
            return n
        return end if found is None else int(found) - 1

    def _head(self, head: Any) -> None:
        actual = {
            "n": self._last,
            "sequence": self.records.sequence,
            "recorded": self.records.recorded,
            "closed": self.records.closed,
        }
        for name, value in actual.items():
            if getattr(head, name) != value:
                self._found.add("head", name, self._last, f"it is {getattr(head, name)}, but the journal has {value}")
