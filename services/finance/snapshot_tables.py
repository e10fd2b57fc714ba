"""The tables of a closed period, for its files: the same rows that were closed, or none."""

from ledger.database.store import Connection
from ledger.queries.snapshots import Snapshot, tables_of
from services.finance.exports import Tables
from services.finance.workbook import ExportRefused


def closed_tables(connection: Connection, found: Snapshot) -> Tables:
    """The tables of a snapshot; raises ExportRefused if they differ from those of its digest."""
    tables = tables_of(connection, found)
    if tables.digest(found.previous) != (found.digest, found.accounts, found.entries):
        raise ExportRefused(
            f"the books of {found.id} differ from those that were closed; `tpp audit verify` shows where"
        )
    return {
        "accounts": tables.accounts,
        "entries": tables.entries,
        "holds": lambda: tables.holds,
        "shipments": tables.shipments,
    }


def exported_under(law: str) -> str:
    """How the law stands, in a sentence for the data package."""
    return f"The decisions apply {law}."
