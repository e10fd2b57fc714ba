"""Held shipments, and what they wait for: accounts that had no room for them, and facts."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Select, Table, bindparam, delete, func, literal, or_, select, union

from ledger.database import tables
from ledger.database.statements import Among, Load, Statement
from ledger.registers.transaction import Transaction
from schemas import accounts

_W, _N = tables.waiting, tables.noted


def _awaited(among: Among) -> Select[Any]:
    """Those of the wanted keys that are in a table: each is looked up once, however many shipments wait for it.

    By a sub-select: for `EXISTS` a server may read all keys of a table beforehand.
    """
    key = among.each("wanted")
    found = (select(literal(1)).where(column == key).limit(1).scalar_subquery() for column in (_W.c.account, _N.c.key))
    return select(key).where(or_(*(one.is_not(None) for one in found)))


def _held_with(among: Among) -> CompoundSelect[Any]:
    """Those of the wanted keys for which a shipment waits that was held before a record."""
    s = tables.shipment
    before = s.c.held < bindparam("before")
    return union(
        *[
            select(one.label("key")).join(s, s.c.id == one.table.c.shipment_id).where(among(one, "wanted"), before)
            for one in (_W.c.account, _N.c.key)
        ]
    )


_AWAITED = Statement(_awaited)
_HELD_WITH = Statement(_held_with)
_COUNT = Statement(
    lambda among: select(func.count().label("held")).where(
        _W.c.account == bindparam("account"), ~among(_W.c.shipment_id, "gone")
    )
)
_GONE = {
    _W: Statement(lambda among: delete(_W).where(among(_W.c.shipment_id, "shipments"))),
    _N: Statement(lambda among: delete(_N).where(among(_N.c.shipment_id, "shipments"))),
}


class Notes(NamedTuple):
    """What a held shipment waits for: the accounts that had no room, and the keys of the facts that were known."""

    accounts: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()


class Waiting:
    """Which held shipments wait for room on which accounts, and with the facts of which keys they were screened."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._new: dict[str, Notes] = {}
        self._gone: set[str] = set()
        self._awaited: dict[str, bool] = {}
        """Whether a shipment may wait for a key: what was looked up, and what was added since."""
        transaction.at_flush(self._write)

    def loading(self, wanted: Iterable[str]) -> Load:
        """Looks up whether a shipment waits for one of these accounts and keys, in one query for all."""
        unknown = {key for key in wanted if key not in self._awaited}
        if unknown:
            found = yield _AWAITED.asking(wanted=unknown)
            self._awaited.update({**dict.fromkeys(unknown, False), **{key: True for (key,) in found}})

    def add(self, shipment: str, notes: Notes) -> None:
        """Notes what a shipment waits for that waited for nothing."""
        self._new[shipment] = notes
        self._awaited.update(dict.fromkeys(notes.accounts | notes.keys, True))

    def remove(self, shipment: str) -> None:
        """Notes that a shipment no longer waits for anything."""
        self._gone.add(shipment)
        self._new.pop(shipment, None)

    def renew(self, shipment: str, before: Notes | None, notes: Notes) -> None:
        """Notes what a shipment waits for now, where that differs from before."""
        if notes != (before or Notes()):
            self.remove(shipment)
            self.add(shipment, notes)

    def of(self, shipments: Collection[str]) -> Mapping[str, Notes]:
        """What shipments wait for; one that waits for nothing is left out."""
        self._transaction.flush()
        found: list[dict[str, set[str]]] = []
        for column in (tables.waiting.c.account, tables.noted.c.key):
            name = column.table.c.shipment_id
            each: dict[str, set[str]] = {}
            query = select(name, column).where(self._transaction.store.among(name, shipments))
            for shipment, one in self._transaction.connection.execute(query):
                each.setdefault(shipment, set()).add(one)
            found.append(each)
        paths, keys = found
        return {one: Notes(frozenset(paths.get(one, ())), frozenset(keys.get(one, ()))) for one in {*paths, *keys}}

    def awaited(self, wanted: Collection[str], before: int) -> list[str]:
        """Those of the accounts and keys for which a shipment waits that was held before a record, sorted."""
        self._transaction.read(self.loading(wanted))
        if not any(self._awaited[key] for key in wanted):
            return []
        self._transaction.flush()
        found = _HELD_WITH.run(self._transaction.store, self._transaction.connection, wanted=wanted, before=before)
        if not found:  # what waited for it may be gone: it is looked up again before the next query of this kind
            for key in wanted:
                self._awaited.pop(key, None)
        return sorted([row.key for row in found])

    def count(self, path: str) -> int:
        """How many held shipments wait for room on an account: what is stored, with what this transaction changes."""
        store, connection = self._transaction.store, self._transaction.connection
        (stored,) = _COUNT.run(store, connection, account=path, gone=self._gone)
        return int(stored.held) + sum(path in notes.accounts for notes in self._new.values())

    def move(self, absorbed: str, survivor: str) -> None:
        """Makes shipments that wait for an absorbed party's accounts wait for the survivor's."""
        self._transaction.flush()
        table, connection = tables.waiting, self._transaction.connection
        perhaps = select(table).where(table.c.account.contains(f"/{absorbed}", autoescape=True))
        moved = []
        for row in connection.execute(perhaps).all():
            if accounts.party(row.account) == absorbed:
                this = table.c.account == row.account, table.c.shipment_id == row.shipment_id
                connection.execute(delete(table).where(*this))
                moved.append((accounts.of_party(row.account, survivor), row.shipment_id))
        self._awaited.update((path, True) for path, _ in moved)
        self._transaction.store.upsert(connection, table, moved)

    def _write(self) -> None:
        for table in (tables.waiting, tables.noted):
            if self._gone:
                _GONE[table].change(self._transaction.store, self._transaction.connection, shipments=self._gone)
        self._put(tables.waiting, [(path, one) for one, notes in self._new.items() for path in notes.accounts])
        self._put(tables.noted, [(key, one) for one, notes in self._new.items() for key in notes.keys])
        self._new, self._gone = {}, set()

    def _put(self, table: Table, rows: Iterable[tuple[str, str]]) -> None:
        self._transaction.store.upsert(self._transaction.connection, table, sorted(rows))
