"""What pages read again and again, remembered until the ledger changes: in one place, bounded, for each database."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from threading import Lock
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, select

from ledger.database import tables
from ledger.queries.shipment_list import names_in_requests

MOST = 16
"""How many results are remembered of a database, those asked for last."""
MOST_FIXED = 50_000
"""How many names that stand in records are remembered of a database, those asked for last."""

Found = TypeVar("Found")
_HEAD = select(tables.head)


class _Kept:
    """A result, the head of the ledger that it is of, and the lock of who makes it: the others wait, and share it."""

    def __init__(self) -> None:
        self.making = Lock()
        self.head: Any = None
        self.found: Any = None

    def serves(self, head: Any, least: int | None) -> bool:
        """Whether the result is of this moment of the ledger, or of any from the record `least` on."""
        if self.head == head:
            return True
        return least is not None and self.head is not None and self.head.epoch == head.epoch and self.head.n >= least


class _Memory:
    def __init__(self) -> None:
        self.results: OrderedDict[Hashable, _Kept] = OrderedDict()
        self.names: OrderedDict[tuple[str, int], str | None] = OrderedDict()
        self.last: Any = None


_LOCK = Lock()
_MEMORIES: WeakKeyDictionary[Engine, _Memory] = WeakKeyDictionary()


def remembered(connection: Connection, make: Callable[..., Found], *given: Hashable, least: int | None = None) -> Found:
    """What `make` returns for the connection and what is given; read anew once the ledger has another head.

    The connection is that of a read transaction. The result is shared: nobody may change it. `least`: what was read
    at this record or later will do, for who tells what is new and need not see one moment.
    """
    head = connection.execute(_HEAD).one()
    with _LOCK:
        results = _MEMORIES.setdefault(connection.engine, _Memory()).results
        kept = results.setdefault((make, *given), _Kept())
        results.move_to_end((make, *given))
        while len(results) > MOST:
            results.popitem(last=False)
    with kept.making:
        if kept.serves(head, least):
            return cast("Found", kept.found)
        found = make(connection, *given)
        if kept.head is None or kept.head.epoch != head.epoch or kept.head.n <= head.n:
            kept.head, kept.found = head, found
    return found


def requested_names(connection: Connection, wanted: Mapping[str, int]) -> dict[str, str]:
    """As `names_in_requests`, which reads what is not remembered: a record never changes.

    In a ledger that was restored or has lost records, a number may be that of another record: all is forgotten. Who
    sees a moment that is past reads by itself, since nothing tells such a ledger from it.
    """
    head, found = connection.execute(_HEAD).one(), dict[str, str | None]()
    with _LOCK:
        memory = _MEMORIES.setdefault(connection.engine, _Memory())
        last = memory.last
    if last is not None and last.epoch == head.epoch and head.n < last.n:
        return names_in_requests(connection, wanted)
    same = last is not None and last.epoch == head.epoch and _holds(connection, last)
    with _LOCK:
        if not same:
            memory.names.clear()
        memory.last = head
        for one in wanted.items():
            if one in memory.names:
                memory.names.move_to_end(one)
                found[one[0]] = memory.names[one]
    missing = {party: n for party, n in wanted.items() if party not in found}
    if missing:
        made = names_in_requests(connection, missing)
        found |= {party: made.get(party) for party in missing}
        with _LOCK:
            memory.names.update({(party, n): found[party] for party, n in missing.items()})
            while len(memory.names) > MOST_FIXED:
                memory.names.popitem(last=False)
    return {party: name for party, name in found.items() if name is not None}


def _holds(connection: Connection, head: Any) -> bool:
    """Whether the ledger has the last record of an earlier head, recorded at the same time."""
    j = tables.journal
    recorded = connection.execute(select(j.c.recorded).where(j.c.n == head.n)).scalar()
    return bool(recorded == head.recorded)
