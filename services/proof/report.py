"""The report of a ledger's verification: what was covered, and every discrepancy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ledger.database.store import DatabaseError, database_message

FAILURES = (SQLAlchemyError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading may raise if an insider has changed a table."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A discrepancy: its table, the key of its row, the record that it is of or near, and why."""

    table: str
    key: Any
    record: int | None
    why: str


@dataclass(frozen=True, slots=True)
class NotCovered:
    """What a verification does not cover: a column of a table, or a whole table, and why."""

    table: str
    column: str | None
    why: str


NEVER_COVERED = (
    NotCovered("alembic_version", None, "the revision of the tables; the program opens no other revision"),
    NotCovered("head", "epoch", "which restore the ledger comes from; only those who restored it know"),
    NotCovered("relay", None, "how far events were published; compare the topics"),
    NotCovered(
        "checkpoint",
        None,
        "whether a checkpoint was removed: only those who have a copy can tell; the others were checked",
    ),
    NotCovered("token", None, "who may use the HTTP interface; `tpp token list` lists them"),
    NotCovered("session", None, "who is signed in to the page"),
    NotCovered("link", None, "links that sign a person in"),
    NotCovered("receiver", None, "how far notices were sent; compare the receivers"),
    NotCovered("notice", None, "notices that a receiver has not taken; `tpp notify failed` lists them"),
    NotCovered("journal", "position", "the position of a message; `tpp audit intake` compares it with the topics"),
)


@dataclass(slots=True)
class VerificationReport:
    """What a verification covered, and every discrepancy that it found."""

    records: int = 0
    entries: int = 0
    accounts: int = 0
    snapshots: int = 0
    checkpoints: int = 0
    root: str = ""
    bad: list[Discrepancy] = field(default_factory=list)
    not_records: list[NotCovered] = field(default_factory=lambda: list(NEVER_COVERED))

    def add(self, table: str, key: Any, record: int | None, why: str) -> None:
        """Notes a discrepancy."""
        self.bad.append(Discrepancy(table, key, record, why))

    @contextmanager
    def reading(self, connection: Connection, table: str) -> Iterator[None]:
        """Notes a table that cannot be read, or whose check fails; the transaction continues."""
        try:
            with connection.begin_nested():
                yield
        except FAILURES as error:
            self.add(table, None, None, f"it cannot be read: {reason(error)}")

    def leave_out(self, table: str, column: str | None, why: str) -> None:
        """Notes what is not covered."""
        self.not_records.append(NotCovered(table, column, why))

    def to_json(self) -> dict[str, Any]:
        """The report as `tpp audit verify` prints it, the first bad record first."""
        ordered = sorted(self.bad, key=lambda one: (one.record is None, one.record or 0))
        return {
            "ok": not self.bad,
            "records": self.records,
            "entries": self.entries,
            "accounts": self.accounts,
            "snapshots": self.snapshots,
            "checkpoints": self.checkpoints,
            "root": self.root,
            "bad": [asdict(one) for one in ordered],
            "not_records": [asdict(one) for one in self.not_records],
        }


def reason(error: BaseException) -> str:
    """Why reading failed, on one line."""
    if isinstance(error, DatabaseError):
        return database_message(error)
    return f"{type(error).__name__}: {error}"
