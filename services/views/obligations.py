"""What is owed, with what to send and to whom."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import PydanticCustomError

import rulebook
from ledger.queries.work_list import obligations
from schemas.models.values import parse_day
from services.resources import settings

if TYPE_CHECKING:
    from sqlalchemy import Connection


def duties(connection: "Connection", due_by: str | None, every: bool) -> list[dict[str, Any]]:
    """The obligations of a ledger, the earliest due first, each with the contents of its notice."""
    try:
        until = None if due_by is None else parse_day(due_by)
    except PydanticCustomError as error:
        raise click.BadParameter(f"{due_by!r} is not a day such as 2025-07-31") from error
    book = rulebook.load(settings().rulebook)
    return [_with_notice(book, owed) for owed in obligations(connection, until, every)]


def _with_notice(book: rulebook.Book, owed: dict[str, Any]) -> dict[str, Any]:
    notice = book.notice(owed["kind"], date.fromisoformat(owed["due"]))
    about = owed.get("shipment_id") or owed.get("party")
    return {
        **owed,
        "about": about,
        "send": notice.get("what", ""),
        "to": notice.get("to", ""),
        "subject_line": notice.get("subject", ""),
    }
