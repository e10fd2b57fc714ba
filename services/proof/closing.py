"""Closes a period, and signs a checkpoint over its record."""

from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.proof.checkpoints import cover
from ledger.proof.notes import SigningKey
from ledger.queries.snapshots import Snapshot
from schemas.periods import Period
from services.engine.commands.period_close import close_period


def close_signed(store: Store, key: SigningKey, chosen: Period, recorded: int, by: str | None = None) -> Snapshot:
    """The snapshot of a period, closed if it was open, under a checkpoint of the key; `by` as of `close_period`."""
    made = close_period(Ledger(store), chosen, recorded, by)
    cover(store, key, made.n)
    return made
