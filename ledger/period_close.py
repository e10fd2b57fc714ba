"""Closes a period."""

from ledger.database import tables
from ledger.journal import Journal
from ledger.queries.snapshots import Snapshot, Tables, end_of, held_at, snapshots
from schemas.periods import Period


def close(journal: Journal, chosen: Period) -> Snapshot:
    """Closes a period that was not: every day up to its last, within the record that is being made.

    Of days that an earlier close has closed it sees what that one saw, so that it says of them the same for ever.
    """
    transaction, connection = journal.transaction, journal.transaction.connection
    before = snapshots(connection)
    closed = [one for one in before if one.as_of >= chosen.last.isoformat()]
    record = closed[0].record if closed else transaction.start
    found = Tables(connection, chosen, record, held_at(connection, end_of(chosen.last, record)))
    previous = before[-1].digest if before else None
    digest, accounts, count = found.digest(previous)
    made = Snapshot(chosen.name, transaction.n, record, chosen.last.isoformat(), accounts, count, digest, previous)
    transaction.store.insert(connection, tables.snapshot, [made.row()])
    transaction.store.insert(connection, tables.snapshot_hold, [(made.id, *hold) for hold in found.holds])
    transaction.close(made.as_of)
    return made
