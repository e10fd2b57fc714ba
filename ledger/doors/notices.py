"""What was sent to people: how far each receiver has come, and the events that it has not taken.

Instants are microseconds since 1970 (UTC).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, select, update

from ledger.database import tables
from ledger.database.door_tables import notice as notices
from ledger.database.door_tables import receiver as receivers
from ledger.database.store import Store


@dataclass(frozen=True, slots=True)
class Place:
    """How far a receiver has come: it has every wanted event up to `sequence`, which is in `record` or before it.

    `tries`: how often the next one was tried; `next`: when it is tried again, None for at once.
    """

    record: int
    sequence: int
    tries: int = 0
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that a receiver did not take and that was set aside at `since`.

    `tries`: how often it was tried; `next`: when it is tried again, None once it is given up; `why`: how the last try
    ended.
    """

    receiver: str
    id: str
    sequence: int
    since: int
    tries: int
    next: int | None
    why: str


def last_place(connection: Connection) -> Place:
    """The place after the last event that the ledger has given out."""
    row = connection.execute(select(tables.head.c.n, tables.head.c.sequence)).one()
    return Place(row.n, row.sequence)


def add_receivers(store: Store, names: Iterable[str]) -> None:
    """Has receivers that are not known yet begin after the last event that the ledger has given out."""
    with store.begin() as connection:
        known = set(connection.execute(select(receivers.c.name)).scalars())
        now = last_place(connection)
        new = sorted(set(names) - known)
        store.insert(connection, receivers, [(name, now.record, now.sequence, 0, None) for name in new])


def find_place(connection: Connection, name: str) -> Place | None:
    """How far a receiver has come; None if it is not known."""
    row = connection.execute(select(receivers).where(receivers.c.name == name)).one_or_none()
    return None if row is None else Place(row.record, row.sequence, row.tries, row.next)


def move_receiver(store: Store, name: str, place: Place, aside: Notice | None = None) -> None:
    """Notes how far a receiver has come; `aside`: the event that was set aside in coming there.

    It never goes back: of two processes that send for a moment, the one that is further counts.
    """
    with store.begin() as connection:
        there = (receivers.c.name == name) & (receivers.c.sequence <= place.sequence)
        values = {"record": place.record, "sequence": place.sequence, "tries": place.tries, "next": place.next}
        connection.execute(update(receivers).where(there).values(values))
        if aside is not None:
            store.upsert(connection, notices, [_row(aside)])


def next_due(connection: Connection, name: str) -> Notice | None:
    """The event of those set aside for a receiver that is tried again first; None if none is."""
    query = select(notices).where(notices.c.receiver == name, notices.c.next.is_not(None))
    row = connection.execute(query.order_by(notices.c.next, notices.c.sequence).limit(1)).one_or_none()
    return None if row is None else _notice(row)


def put_off(store: Store, notice: Notice) -> None:
    """Notes that an event that was set aside was tried in vain."""
    with store.begin() as connection:
        there = (notices.c.receiver == notice.receiver) & (notices.c.id == notice.id)
        values = {"tries": notice.tries, "next": notice.next, "why": notice.why}
        connection.execute(update(notices).where(there).values(values))


def remove_notice(store: Store, notice: Notice) -> None:
    """Forgets an event that was set aside: the receiver has taken it."""
    with store.begin() as connection:
        there = (notices.c.receiver == notice.receiver) & (notices.c.id == notice.id)
        connection.execute(delete(notices).where(there))


def list_notices(connection: Connection, *, given_up: bool = False) -> list[Notice]:
    """The events that were set aside, oldest first; `given_up`: only those that are not tried any more."""
    query = select(notices).order_by(notices.c.sequence, notices.c.receiver)
    return [_notice(row) for row in connection.execute(query.where(notices.c.next.is_(None)) if given_up else query)]


def notices_of(connection: Connection, id: str) -> list[Notice]:
    """What was set aside of one event, by its id: for each receiver that has not taken it."""
    query = select(notices).where(notices.c.id == id).order_by(notices.c.receiver)
    return [_notice(row) for row in connection.execute(query)]


def _row(one: Notice) -> Sequence[object]:
    return one.receiver, one.id, one.sequence, one.since, one.tries, one.next, one.why


def _notice(row: Row[tuple[object, ...]]) -> Notice:
    return Notice(row.receiver, row.id, row.sequence, row.since, row.tries, row.next, row.why)
