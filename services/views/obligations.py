"""Obligations, with what to send and to whom."""

from datetime import date
from typing import Any

from ledger.database.rows import stored
from ledger.database.store import Connection
from ledger.queries import work_list
from rulebook import Book


def obligation_list(connection: Connection, book: Book, due_by: date | None, every: bool) -> list[dict[str, Any]]:
    """The obligations of a ledger, the earliest due first, each with the contents of its notice.

    `due_by`: only those due on or before this day. `every`: also those that were met or withdrawn.
    """
    return [_with_notice(book, one) for one in work_list.obligations(connection, due_by, every)]


def _with_notice(book: Book, obligation: dict[str, Any]) -> dict[str, Any]:
    kind, record = obligation["kind"], obligation["record"]
    with stored(f"the obligation {kind} of record {record}"):
        notice = book.notice(kind, date.fromisoformat(obligation["due"]))
    return {
        **obligation,
        "about": obligation.get("shipment_id") or obligation.get("party"),
        "send": notice.get("what", ""),
        "to": notice.get("to", ""),
        "subject_line": notice.get("subject", ""),
    }
