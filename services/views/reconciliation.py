"""The summary of a reconciliation."""

from ledger.queries.reconcile import Result


def summary(result: Result) -> str:
    """How many lines match, are missing on one side, or differ."""
    return (
        f"{result.matched:,} matched, {len(result.missing_here):,} only in the statement, "
        f"{len(result.missing_there):,} only in the ledger, {len(result.different):,} different"
    )
