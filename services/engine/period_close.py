"""Closes a period: one journal record, which is published as `tpp.snapshot.closed.v1`."""

from ledger.journal import Ledger
from ledger.period_close import close
from ledger.queries.snapshots import Snapshot, find
from schemas.event_types import LEDGER_SOURCE, SNAPSHOT_CLOSED
from schemas.periods import Period
from services.engine.answers import answer_id, event_text, to_text


def close_period(ledger: Ledger, chosen: Period, recorded: int) -> Snapshot:
    """The snapshot of a period, which is closed where it was not; `recorded` dates the record and nothing else."""
    with ledger.begin(recorded) as journal:
        transaction = journal.transaction
        found = find(transaction.connection, chosen.name)
        if found is not None:
            return found
        transaction.open_record(None)
        made = close(journal, chosen)
        identifier = answer_id(LEDGER_SOURCE, f"snapshot/{made.id}")
        time = f"{made.as_of}T23:59:59.999999Z"
        text = event_text(SNAPSHOT_CLOSED, identifier, made.id, time, transaction.next_sequence(), made.to_json())
        request = to_text({"close": made.id}).encode()
        position = to_text({"request": f"snapshot close {made.id}"})
        journal.records.add((LEDGER_SOURCE, identifier), SNAPSHOT_CLOSED, None, None, position, request, (text,))
    return made
