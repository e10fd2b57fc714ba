"""What a process keeps of a ledger between transactions, and what of it stays true when another process has written.

Only what another one may have changed is dropped, so that processes that take turns do not read all again each turn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, bindparam, literal, select, union_all
from sqlalchemy.sql.selectable import CompoundSelect

from ledger.database import tables
from ledger.database.statements import Statement
from ledger.database.store import Store
from schemas.periods import Period

MOST_CACHED = 10_000
"""The maximum number of rows of one kind kept in memory between transactions; beyond it, they are read again."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Head:
    """The head: the last record, when it was recorded in microseconds, and the restore that it comes from.

    `accounts` is how many accounts are open, which is the number of the last one.
    """

    n: int
    recorded: int
    epoch: int | None
    accounts: int


@dataclass(frozen=True, slots=True)
class Written:
    """What others have written: the keys of the facts that they stated, and the paths of the accounts they opened."""

    facts: frozenset[str]
    paths: frozenset[str]


class Lasting:
    """A kind of rows of which it is known which ones others may have changed; a kind without this is dropped whole."""

    __slots__ = ()

    @staticmethod
    def changed(written: Written) -> Iterable[str]:
        """The keys of the rows that may no longer be those of the ledger."""
        raise NotImplementedError


def _since(_: object) -> CompoundSelect[Any]:
    """All that is asked of what others have written, in one statement: a fact is always of one of the new records.

    The record that was the last one is looked for too: without it the ledger has lost its end and got another.
    """
    j, f, a, s, u = tables.journal, tables.fact, tables.account, tables.snapshot, tables.unfinished
    since, the_last = bindparam("n", type_=BigInteger), j.c.recorded == bindparam("recorded")
    return union_all(
        select(literal("kept").label("what"), j.c.id.label("key")).where(j.c.n == since, the_last),
        select(literal("fact"), f.c.key).where(f.c.n > since),
        select(literal("account"), a.c.path).where(a.c.id > bindparam("accounts")),
        select(literal("closed"), s.c.id).where(s.c.n > since),
        select(literal("unfinished"), literal("")).select_from(u),
    )


_SINCE = Statement(_since)


class Cache:
    """What earlier transactions read: what the ledger has while its head is `head`.

    `closed` are the periods that are closed, `unfinished` says whether there is unfinished work; None if not known.
    """

    def __init__(self) -> None:
        self.head: Head | None = None
        self.closed: list[Period] | None = None
        self.unfinished: bool | None = None
        self._rows: dict[type, dict[str, Any]] = {}

    def rows(self, kind: type[Row]) -> dict[str, Row | None]:
        """The rows of one kind by their keys; None under a key that the ledger does not have."""
        return self._rows.setdefault(kind, {})

    def clear(self) -> None:
        """Forgets everything."""
        self.head = None
        self.closed = None
        self.unfinished = None
        for rows in self._rows.values():
            rows.clear()

    def keep(self, kind: type, head: Head, but: Iterable[str]) -> None:
        """Forgets all but the rows of a kind, which are those of the ledger at a head but for some keys."""
        rows = self.rows(kind)
        kept = dict(rows)
        self.clear()
        rows.update(kept)
        for key in but:
            rows.pop(key, None)
        self.head = head

    def trim(self) -> None:
        """Clears kinds of rows that have become too many, so that memory use stays constant."""
        for rows in self._rows.values():
            if len(rows) > MOST_CACHED:
                rows.clear()

    def follow(self, store: Store, connection: Connection, head: Head) -> None:
        """Forgets what others may have changed until a head; everything where the ledger was restored or lost records.

        Also everything after so many records that what is kept is hardly of use.
        """
        before = self.head
        if before == head:
            return
        if before is None or before.epoch != head.epoch or not before.n < head.n <= before.n + MOST_CACHED:
            self.clear()
            return
        found: dict[str, list[str]] = {}
        values = {"n": before.n, "recorded": before.recorded, "accounts": before.accounts}
        for row in _SINCE.run(store, connection, **values):
            found.setdefault(row.what, []).append(row.key)
        if "kept" not in found:
            self.clear()
            return
        self._drop(Written(frozenset(found.get("fact", ())), frozenset(found.get("account", ()))))
        if "closed" in found:  # exact: a close is a row of its own, which never changes
            self.closed = None
        self.unfinished = "unfinished" in found  # all of it is read, there is hardly ever any
        self.head = head

    def _drop(self, written: Written) -> None:
        for kind, rows in self._rows.items():
            if not issubclass(kind, Lasting):
                rows.clear()
            elif rows:
                for key in kind.changed(written):
                    rows.pop(key, None)
