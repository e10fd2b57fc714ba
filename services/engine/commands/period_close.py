"""Closes a period: one journal record, which is published as `tpp.snapshot.closed.v1`."""

from datetime import date

from ledger.journal import Ledger
from ledger.period_close import close
from ledger.queries.snapshots import Snapshot, find
from schemas.event_types import LEDGER_SOURCE, SNAPSHOT_CLOSED
from schemas.periods import Period
from services.engine.answers import answer_id, event_text, to_text


def close_period(ledger: Ledger, chosen: Period, recorded: int, by: str | None = None) -> Snapshot:
    """The snapshot of a period, which is closed if it was open; `recorded` dates only the record.

    `by` is the person who closes it on the page; the position of the record names them.
    """
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
        position = to_text({"request": f"snapshot close {made.id}", **({} if by is None else {"by": by})})
        journal.records.add((LEDGER_SOURCE, identifier), SNAPSHOT_CLOSED, None, None, position, request, (text,))
    return made


def not_over(chosen: Period) -> str:
    """Why a period is not closed yet, in a sentence without its end.

    >>> from schemas.periods import period
    >>> not_over(period("2025-Q2"))
    'the last day of 2025-Q2, 2025-06-30, is not over'
    """
    return f"the last day of {chosen.name}, {chosen.last}, is not over"


def also_closes(gap: tuple[str | date, str | date]) -> str:
    """The days before a period that its close closes too, in a sentence without its end."""
    return f"this also closes {gap[0]} to {gap[1]}, which no snapshot covers"
