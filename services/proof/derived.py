"""Compares the derived tables of a ledger with what this program derives from its recorded events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, Text, func, select

from ledger.database import tables
from ledger.database.store import LedgerCorrupt, LedgerError
from rulebook import Book
from services.engine.message import EventFailed
from services.proof.report import FAILURES, VerificationReport, reason
from services.replay.events import replayed


@dataclass(frozen=True, slots=True)
class Basis:
    """What decisions rest on besides the events: the digest of the book, and the version of the program."""

    rulebook_digest: str
    software: str


DERIVED = (
    tables.journal, tables.entry, tables.account, tables.mention, tables.shipment, tables.waiting, tables.noted,
    tables.fact, tables.attestation, tables.obligation, tables.snapshot, tables.snapshot_hold, tables.unfinished,
    tables.head, tables.identifier, tables.list_content, tables.clearing, tables.last_hit, tables.owner,
    tables.owner_form,
)  # fmt: skip
_NOT_DERIVED = {("journal", "recorded"), ("journal", "position"), ("head", "recorded"), ("head", "epoch")}
_REPLAYED_ONLY = (
    ("journal", "rests_on"),
    *(
        (table, None)
        for table in (
            "shipment",
            "waiting",
            "noted",
            "fact",
            "attestation",
            "obligation",
            "mention",
            "unfinished",
            "identifier",
            "clearing",
            "last_hit",
            "owner",
            "owner_form",
        )
    ),
    *(("account", column) for column in ("limit", "leaving", "refused", "forecast")),
    ("head", "ticked"),
)


def check_derived(
    connection: Connection, found: VerificationReport, book: Book, software: str, bases: Mapping[Basis, int]
) -> None:
    """Compares every derived table with what this program, of version `software`, derives from the events.

    `bases`: the first record of each basis. Records of another basis may rightly have been decided otherwise, and an
    invalid journal cannot be decided again: then the tables that only this comparison covers are reported as not
    covered.
    """
    others = [n for basis, n in bases.items() if basis != Basis(book.digest, software)]
    if others or any(one.table in ("journal", "entry") for one in found.bad):
        why = "the journal itself is invalid"
        if others:
            why = f"record {min(others)} was decided under another rulebook or by another version of the program"
        for name, column in _REPLAYED_ONLY:
            found.leave_out(name, column, why)
        return
    try:
        with replayed(connection, book, software) as made:
            first = _first_resting(connection, made, found)
            for table in DERIVED:
                with found.reading(connection, table.name):
                    _same(found, table, ordered(connection, table), ordered(made, table), first)
    except (EventFailed, LedgerError, LedgerCorrupt, *FAILURES) as error:
        found.add("journal", None, None, f"its events cannot be decided again: {reason(error.__cause__ or error)}")


def _first_resting(connection: Connection, made: Connection, found: VerificationReport) -> int:
    """The first record that states what it rests on.

    In a ledger that is older than `rests_on`, the upgrade has left it empty in the existing records.
    """
    j = tables.journal
    first = connection.execute(select(func.min(j.c.n)).where(j.c.rests_on != "")).scalar()
    rests = select(func.max(j.c.n)).where(j.c.rests_on != "")
    last = made.execute(rests if first is None else rests.where(j.c.n < first)).scalar()
    if last is not None:
        why = f"records up to {last} were written before the ledger stored what they rest on"
        found.leave_out("journal", "rests_on", why)
    return (last or 0) + 1


def ordered(connection: Connection, table: Table) -> Iterator[Any]:
    """The rows of a table in the order of its primary key, texts by code points."""
    binary = connection.dialect.name == "postgresql"
    keys = [key.collate("C") if binary and isinstance(key.type, Text) else key for key in table.primary_key.columns]
    return iter(connection.execute(table.select().order_by(*keys), execution_options={"yield_per": 5_000}))


def _same(found: VerificationReport, table: Table, ours: Iterator[Any], theirs: Iterator[Any], first: int) -> None:
    keys = [column.name for column in table.primary_key.columns]
    names = [column.name for column in table.columns if (table.name, column.name) not in _NOT_DERIVED]

    def key(row: Any) -> tuple[Any, ...]:
        return tuple(getattr(row, name) for name in keys)

    row, other = next(ours, None), next(theirs, None)
    while row is not None or other is not None:
        if other is None or (row is not None and key(row) < key(other)):
            _unlike(found, table, key(row), row, "the row was added: it does not follow from the journal")
            row = next(ours, None)
        elif row is None or key(other) < key(row):
            _unlike(found, table, key(other), other, "the row is missing")
            other = next(theirs, None)
        else:
            unlike = [name for name in names if getattr(row, name) != getattr(other, name)]
            if unlike == ["rests_on"] and row.n < first:
                unlike = []
            if unlike:
                _unlike(found, table, key(row), other, f"differs from what the journal gives: {', '.join(unlike)}")
            row, other = next(ours, None), next(theirs, None)


def _unlike(found: VerificationReport, table: Table, key: Sequence[Any], row: Any, why: str) -> None:
    record = next((getattr(row, name) for name in ("n", "last") if hasattr(row, name)), None)
    found.add(table.name, "/".join(map(str, key)), record, why)
