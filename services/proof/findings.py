"""What a verification of a ledger covered, and what it found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ledger.database.store import database_message

FAILURES = (SQLAlchemyError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading may raise where an insider wrote."""

NOT_RECORDS = (
    ("alembic_version", None, "the revision of the tables; the program opens no other"),
    ("relay", None, "how far events were published; the topics tell"),
    ("checkpoint", None, "whether one was removed; only who has it can tell, and those that are there are checked"),
    ("journal", "position", "where a message stood; `tpp audit intake` compares it with the topics"),
)


@dataclass(frozen=True, slots=True)
class Bad:
    """What is wrong: in a table, in the row of a key, of or near a record, and why."""

    table: str
    key: Any
    record: int | None
    why: str


@dataclass(slots=True)
class Found:
    """What a verification covered, and what it found."""

    records: int = 0
    entries: int = 0
    accounts: int = 0
    snapshots: int = 0
    checkpoints: int = 0
    root: str = ""
    bad: list[Bad] = field(default_factory=list)
    not_records: list[tuple[str, str | None, str]] = field(default_factory=lambda: list(NOT_RECORDS))

    def add(self, table: str, key: Any, record: int | None, why: str) -> None:
        """Notes that something is wrong."""
        self.bad.append(Bad(table, key, record, why))

    @contextmanager
    def reading(self, connection: Connection, table: str) -> Iterator[None]:
        """Notes a table that cannot be read, and what else fails in it; the transaction goes on."""
        try:
            with connection.begin_nested():
                yield
        except FAILURES as error:
            self.add(table, None, None, f"it cannot be read: {reason(error)}")

    def told(self) -> dict[str, Any]:
        """The findings as the command tells them, the first bad record first."""
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
            "not_records": [dict(zip(("table", "column", "why"), one, strict=True)) for one in self.not_records],
        }


def reason(error: BaseException) -> str:
    """Why reading failed, on one line."""
    if isinstance(error, DBAPIError):
        return database_message(error)
    return f"{type(error).__name__}: {error}"
