"""Shipments whose names are compared when a list changes."""

from sqlalchemy import select

from ledger.database import tables
from ledger.registers.shipments import HELD_STATES, PENDING_STATES
from ledger.registers.transaction import Transaction


def compared(transaction: Transaction, after: int, until: int, most: int) -> list[str]:
    """Shipments that are open or held, in the order in which they were first presented.

    Only those that a record after one and until another first presented, and at most so many.
    """
    transaction.flush()
    table, found = tables.shipment, list[tuple[int, str]]()
    for state in (*PENDING_STATES, *HELD_STATES):  # each by itself, in the order of the index
        query = select(table.c.first, table.c.id).where(
            table.c.state == state, table.c.first > after, table.c.first <= until
        )
        rows = transaction.connection.execute(query.order_by(table.c.first).limit(most))
        found += [(row.first, row.id) for row in rows]
    return [identifier for _, identifier in sorted(found)[:most]]
