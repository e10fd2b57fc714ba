"""Copies of a ledger to change, and what a verification of a whole one says."""

import sqlite3
from contextlib import closing
from pathlib import Path

from proof_ledger import (
    BOOK,
    KEY,
    opened,
)
from sqlalchemy import Connection, text

from ledger.database.store import Store
from services.proof import verification as audit
from services.proof.report import VerificationReport
from services.resources import software

DOORS = {"token", "session", "link", "receiver", "notice"}
"""The tables beside the journal."""
NOT_COVERED = {
    ("checkpoint", None), ("alembic_version", None), ("relay", None), ("journal", "position"), ("head", "epoch"),
    *((name, None) for name in DOORS),
}  # fmt: skip
MEMBERS = ["ok", "records", "entries", "accounts", "snapshots", "checkpoints", "root", "bad", "not_records"]
CLOSES = 3


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


def whole(file: Path) -> Path:
    """Puts all of a ledger into its one file."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    return file


class Copies:
    """One file that is made the story again each time; its store stays open, so that queries are compiled once."""

    def __init__(self, made: Path, file: Path, store: Store) -> None:
        self._made, self._file, self._store = made, file, store

    def __call__(self) -> Path:
        with closing(sqlite3.connect(self._made)) as source, closing(sqlite3.connect(self._file)) as target:
            source.backup(target)
        return self._file

    def verified(self) -> VerificationReport:
        """What is found in it."""
        return audit.verify(self._store, BOOK, software(), lambda recorded: [KEY.public, *recorded], [])


def counts(connection: Connection) -> dict[str, int]:
    """How many rows there are of what a verification counts."""
    names = {"records": "journal", "entries": "entry", "accounts": "account", "snapshots": "snapshot",
             "checkpoints": "checkpoint"}  # fmt: skip
    return {
        told: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for told, table in names.items()
    }


def fine(found: VerificationReport, url: str, uncovered: set[tuple[str, str | None]] = NOT_COVERED) -> None:
    """All is well, the counts are those of the tables, and no more is left out than is argued."""
    told = found.to_json()
    assert told["bad"] == []
    assert list(told) == MEMBERS
    assert told["ok"] is True
    assert {(one["table"], one["column"]) for one in told["not_records"]} == uncovered
    assert all(one.keys() == {"table", "column", "why"} and one["why"] for one in told["not_records"])
    with opened(url) as store, store.read() as connection:
        assert {name: told[name] for name in counts(connection)} == counts(connection)
