"""Closes a period: one journal record, which goes out as `tpp.snapshot.closed.v1`."""

from ledger.journal import Ledger
from ledger.queries.snapshots import Snapshot, close, find
from schemas.periods import Period
from services.engine.answers import SOURCE, answer_id, dumps, outgoing

CLOSED = "tpp.snapshot.closed.v1"


def close_period(ledger: Ledger, chosen: Period, recorded: int) -> Snapshot:
    """The snapshot of a period, which is closed where it was not; `recorded` dates the record and nothing else."""
    with ledger.begin(recorded) as journal:
        found = find(journal.connection, chosen.name)
        if found is not None:
            return found
        journal.open_record(None)
        made = close(journal, chosen)
        journal.sequence += 1
        identifier = answer_id(SOURCE, f"snapshot/{made.id}")
        time = f"{made.as_of}T23:59:59.999999Z"
        text = outgoing(CLOSED, identifier, made.id, time, journal.sequence, made.told())
        request = dumps({"close": made.id}).encode()
        position = dumps({"request": f"snapshot close {made.id}"})
        journal.mail.remember((SOURCE, identifier), CLOSED, None, None, position, request, text)
    return made
