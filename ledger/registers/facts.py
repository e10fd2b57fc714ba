"""Facts that decisions rest on: a fact is the event that stated it, and the table only points to its record."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import select

from ledger.cache import Lasting, Written
from ledger.database import tables
from ledger.database.statements import Load, Statement
from ledger.database.store import LedgerCorrupt
from ledger.registers.identifiers import Identifiers
from ledger.registers.transaction import Transaction
from schemas.kinds import FactKind, IdentifierKind
from schemas.plan import License
from schemas.wire.read import Event, read_record

ALL = "*"
"""The key of facts that are few and always read together: mergers, limits, thresholds, designers."""


T = TypeVar("T")

_F, _J = tables.fact, tables.journal
_LOAD = Statement(
    lambda among: among.each_for(
        select(_F.c.kind, _F.c.key, _F.c.n, _J.c.event).join_from(_F, _J, _F.c.n == _J.c.n), _F.c.key, "keys"
    )
)


class Fact(NamedTuple):
    """What one record states: its number, and the data of its event."""

    n: int
    data: Any


class NewFact(NamedTuple):
    """What the record being made states: the kind, the key, and the data of its event."""

    kind: FactKind
    key: str
    data: Any


class Stated(dict[str, tuple[Fact, ...]], Lasting):
    """All that was stated under one key: the facts of each kind, oldest first.

    Kept but under the keys of new facts: a fact is only ever added, and the record that states it never changes.
    """

    @staticmethod
    def changed(written: Written) -> Iterable[str]:
        """The keys of the facts that others stated."""
        return written.facts


_OF_PARTIES = frozenset({FactKind.PARTY, FactKind.CERTIFICATION, FactKind.VEU, FactKind.CLEARED, FactKind.LICENSES})


def of_fact(kind: str, key: str) -> Iterator[tuple[IdentifierKind, str]]:
    """The identifier under which a fact is kept, with its kind, if it is kept under one."""
    if kind in _OF_PARTIES:
        yield IdentifierKind.PARTY, key
    elif kind == FactKind.LICENSE:
        yield IdentifierKind.LICENSE, key


class FactBook:
    """Facts by kind and key."""

    def __init__(self, transaction: Transaction, identifiers: Identifiers) -> None:
        self._transaction = transaction
        self._identifiers = identifiers
        self._known = transaction.cache.rows(Stated)
        self._rows: list[tuple[str, str, int]] = []
        self._new: tuple[int, list[NewFact]] = (0, [])
        self._asked: set[str] = set()
        self.added: set[str] = set()
        """The keys under which this transaction states a fact."""
        transaction.at_flush(self._write)

    def load(self, keys: Iterable[str]) -> None:
        """Reads all that was stated under these keys, in one query for all."""
        self._transaction.read(self.loading(keys))

    def loading(self, keys: Iterable[str]) -> Load:
        """The load of `load`."""
        wanted = {key for key in keys if key not in self._known}
        if not wanted:
            return
        rows = yield _LOAD.asking(keys=wanted)
        self._known.update(dict.fromkeys(wanted))
        for row in sorted(rows, key=lambda row: row.n):
            event = read_record(row.event)
            if not isinstance(event, Event):
                raise LedgerCorrupt(f"journal record {row.n} is not a valid event")
            self._know(row.kind, row.key, Fact(row.n, event.data))

    def unstated(self, keys: Iterable[str]) -> list[str]:
        """Those of these keys, which are loaded, under which nothing was stated; they may be new identifiers."""
        return [key for key in keys if self._known[key] is None and key != ALL]

    def _know(self, kind: str, key: str, fact: Fact) -> None:
        stated = self._known[key]
        if stated is None:
            stated = self._known[key] = Stated()
        stated[kind] = (*stated.get(kind, ()), fact)

    def of(self, kind: FactKind, key: str) -> tuple[Fact, ...]:
        """What was stated of a kind under a key, oldest first."""
        self._asked.add(key)
        if key not in self._known:
            self.load([key])
        stated = self._known[key]
        return stated.get(kind, ()) if stated else ()

    def used(self, kind: FactKind, key: str, after: int = 0) -> list[Any]:
        """The data of what was stated of a kind under a key; the record being made is noted to rest on it.

        `after`: only what records after this one state.
        """
        facts = self.of(kind, key)
        if not facts:
            return []
        facts = tuple(fact for fact in facts if fact.n > after)
        self._transaction.use(*[fact.n for fact in facts])
        return [fact.data for fact in facts]

    def license(self, number: str) -> License | None:
        """A licence as it stands: the last issue or amendment, and a revocation since."""
        issued = self.of(FactKind.LICENSE, number)
        if not issued:
            return None
        latest = issued[-1]
        revoked = [made.date for made in self.used(FactKind.REVOKED, number, after=latest.n)]
        self._transaction.use(latest.n)
        return License(latest.data, min(revoked) if revoked else None)

    def add(self, kind: FactKind, key: str, data: Any) -> Fact:
        """States a fact: the record that is being made says `data` of `key`."""
        self.load([key])
        self.added.add(key)
        n = self._transaction.n
        fact = Fact(n, data)
        self._know(kind, key, fact)
        self._rows.append((key, kind.value, n))
        if self._new[0] != n:
            self._new = (n, [])
        self._new[1].append(NewFact(kind, key, data))
        for of, identifier in of_fact(kind, key):
            self._identifiers.add(of, identifier)
        return fact

    def stated(self) -> Sequence[NewFact]:
        """The facts that the record being made states."""
        n, new = self._new
        return new if n == self._transaction.n else ()

    def among(self, keys: Sequence[str]) -> tuple[list[str], set[str]]:
        """Those of these keys under which anything was stated, in their order, and the kinds of all that was."""
        self._asked.update(keys)
        self.load(keys)
        known = self._known
        stated = [key for key in keys if known[key]]
        return stated, {kind for key in stated for kind in known[key] or ()} if stated else set()

    def noting(self, look_up: Callable[..., T], *arguments: Any) -> tuple[T, set[str]]:
        """What a function returns, and the keys under which it looks up facts, known or not.

        Keys that all facts of a kind share are left out.
        """
        self._asked = asked = set[str]()
        found = look_up(*arguments)
        self._asked = set()
        asked.discard(ALL)
        return found, asked

    def _write(self) -> None:
        self._transaction.store.insert(self._transaction.connection, tables.fact, self._rows)
        self._rows = []
