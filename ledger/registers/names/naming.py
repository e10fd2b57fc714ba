"""Shipments that name a party."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, func, literal, or_, select, union_all

from ledger.database import tables
from ledger.registers.shipments import HELD_STATES, PENDING_STATES
from ledger.registers.transaction import Transaction

NEWEST = 10_000
"""How many shipments of each state are looked at."""
_STATES = (*PENDING_STATES, *HELD_STATES, "dispatched", "cancelled", "expired", "denied")


def last_naming(transaction: Transaction, parties: Collection[str]) -> int | None:
    """The latest request or amendment, by its record, of the shipments that name one of these parties.

    Looks at every shipment that is held, and in every state at the `NEWEST` that were first presented last, so that it
    takes no longer in a ledger of millions.
    """
    transaction.flush()
    s, k = tables.shipment, tables.noted
    newest = [
        select(s.c.asked, s.c.parties).where(s.c.state == state).order_by(s.c.first.desc()).limit(NEWEST).subquery()
        for state in _STATES
    ]
    waiting = select(k.c.shipment_id).where(transaction.store.among(k.c.key, parties))
    held = select(s.c.asked, s.c.parties).where(s.c.id.in_(waiting)).subquery()
    each = [
        select(func.max(one.c.asked).label("asked")).where(
            or_(*(_names(transaction, one.c.parties, party) for party in parties))
        )
        for one in (held, *newest)
    ]
    latest = union_all(*each).subquery()
    found = transaction.connection.execute(select(func.max(latest.c.asked))).scalar_one()
    return None if found is None else int(found)


def _names(transaction: Transaction, column: ColumnElement[str], party: str) -> ColumnElement[bool]:
    """The condition that identifiers joined by a space contain one, to the letter."""
    within = func.strpos if transaction.store.postgresql else func.instr
    return within(literal(" ") + column + literal(" "), f" {party} ") > 0
