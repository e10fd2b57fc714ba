"""What people read of a reconciliation."""

from ledger.queries.reconcile import Result


def summary(result: Result) -> str:
    """How many lines matched, are missing and differ."""
    return (
        f"{result.matched:,} matched, {len(result.missing_here):,} missing here, "
        f"{len(result.missing_there):,} missing there, {len(result.different):,} different"
    )
