"""Obligations, with what to send and to whom."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from ledger.database.rows import stored
from ledger.database.store import Connection
from ledger.queries.shipment_list import ListedShipment
from ledger.queries.work_list import ListedObligation, obligations
from rulebook import Book
from schemas.kinds import RETENTION
from services.views.wrapping import counted

_LINES = 5
"""The most lines of a shipment that a text names."""


def obligation_list(
    connection: Connection,
    book: Book,
    today: date | None,
    due_by: date | None = None,
    state: str | None = "open",
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """The obligations of a ledger, each with the contents of its notice: overdue ones first, records to keep last.

    `today` is the day on which they are overdue, `due_by` bounds their days, `state` is None for every state.
    """
    return [obligation_to_json(book, one) for one in obligations(connection, today, due_by, state, limit=limit)]


def obligations_of(
    connection: Connection, book: Book, today: date | None, shipment: str, decided: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The obligations of a shipment in every state, and those of parties that its decisions name, as JSON objects.

    `decided`: obligations as its decisions name them.
    """
    found = [*obligations(connection, today, state=None, subject=f"shipment/{shipment}")]
    owed = {(f"party/{one['party']}", one["kind"], one["due"]) for one in decided if "party" in one}
    for subject in sorted({subject for subject, _, _ in owed}):
        listed = obligations(connection, today, state=None, subject=subject)
        found += [one for one in listed if (one.subject, one.kind, one.due) in owed]
    return [obligation_to_json(book, one) for one in sorted(found, key=lambda one: one.place)]


def obligation_to_json(book: Book, one: ListedObligation) -> dict[str, Any]:
    """An obligation as a JSON object; `overdue` is None where no day is known."""
    with stored(f"the obligation {one.kind} of record {one.record}"):
        whose, identifier = one.subject.split("/", 1)
        notice = book.notice(one.kind, date.fromisoformat(one.due))
    return {
        "due": one.due,
        "kind": one.kind,
        "shipment_id" if whose == "shipment" else "party": identifier,
        "citation": one.citation,
        "state": one.state,
        "record": one.record,
        "about": identifier,
        "send": notice.get("what", ""),
        "to": notice.get("to", ""),
        "subject_line": notice.get("subject", ""),
        "overdue": one.overdue,
        "retention": one.kind == RETENTION,
    }


def text_to_send(one: Mapping[str, Any], goods: ListedShipment | None, name: str | None = None) -> str:
    """What to write to whom about an obligation: the head of a letter, and a sentence with what it is about.

    `goods`: its shipment, None if it is about a party, or of a shipment that was never requested; `name`: that of the
    party.
    """
    about = f"shipment {one['about']}" if "shipment_id" in one else f"party {one['about']}"
    subject = one["subject_line"] or f"{about[0].upper()}{about[1:]}: {_kind(one['kind'])}"
    said = f"Under {one['citation']}, due on {one['due']}, for {about}"
    if goods is not None:
        lines = [f"{line.quantity:,} × {line.part_number}" for line in goods.request.lines[:_LINES]]
        more = len(goods.request.lines) - _LINES
        what = ", ".join(lines) + (f" and {counted(more, 'more line')}" if more > 0 else "")
        under = " ".join(filter(None, (goods.authorization, goods.reference)))
        to = f"to {goods.request.consignee} ({goods.request.consignee_id}), {goods.country}, on {goods.export_date}"
        said += f": {what}, {goods.tpp:,} TPP, {to}{f', under {under}' if under else ''}"
    elif name:
        said += f" ({name})"
    return f"To: {one['to']}\nSubject: {subject}\n\n{said}.\n"


def _kind(kind: str) -> str:
    """A kind of obligation in words."""
    return kind.replace("_", " ")


def in_cells(one: Mapping[str, Any]) -> dict[str, Any]:
    """An obligation of which the state says that it is overdue."""
    return {**one, "state": "OVERDUE" if one["overdue"] else one["state"]}
