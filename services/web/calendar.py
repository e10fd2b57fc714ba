"""`GET /v1/obligations.ics`: what must be filed, as a calendar that other programs subscribe to (RFC 5545)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

from icalendar import Calendar, Event
from litestar import Request, Response, get

from ledger.database.store import Connection
from ledger.queries.shipment_list import records
from ledger.queries.work_list import ledger_day, obligations
from rulebook import Book
from services.views.obligations import obligation_to_json
from services.web.access import calendar_caller
from services.web.queries import read_ledger, read_query
from services.web.state import web_of

_REFRESH = timedelta(hours=1)
_BATCH = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN = "token"  # noqa: S105  the name of the parameter


@get("/v1/obligations.ics")
async def show_calendar(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The open obligations as events of whole days, for the token of the role `calendar` that the address has."""
    query = read_query(request, (_TOKEN,), secret=_TOKEN)
    await calendar_caller(request, query.text(_TOKEN))
    query.check()
    book, public_url = web_of(request).book, web_of(request).settings.public_url
    found = await read_ledger(request, lambda connection: calendar(connection, book, public_url))
    return Response(found, media_type="text/calendar")


def calendar(connection: Connection, book: Book, public_url: str | None) -> bytes:
    """The open obligations of a ledger as a calendar, the same bytes as long as nothing changes.

    `public_url`: the address under which people reach the page, to which each event then has a link.
    """
    made = Calendar()
    made.add("prodid", "-//tpp-quota-ledger//obligations//EN")
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    for name in ("name", "x-wr-calname"):
        made.add(name, "TPP obligations")
    made.add("refresh-interval", _REFRESH, parameters={"VALUE": "DURATION"})
    made.add("x-published-ttl", "PT1H")
    for row, happened in _rows(connection, book):
        made.add_component(_event(row, happened, public_url))
    return bytes(made.to_ical())


def _rows(connection: Connection, book: Book) -> Iterator[tuple[dict[str, Any], int]]:
    """The open obligations, each with the time of the event that it follows from."""
    every = obligations(connection, ledger_day(connection))
    while part := list(islice(every, _BATCH)):
        happened = {row.n: row.happened for row in records(connection, {one.record for one in part})}
        yield from ((obligation_to_json(book, one), happened[one.record]) for one in part)


def _event(row: dict[str, Any], happened: int, public_url: str | None) -> Event:
    """An obligation as an event on the day on which it is due."""
    made = Event()
    about = f"shipment {row['shipment_id']}" if "shipment_id" in row else f"party {row['party']}"
    made.add("uid", f"{_digest([row['kind'], row['due'], about])}@tpp-ledger")
    made.add("dtstamp", _EPOCH + timedelta(microseconds=happened))
    made.add("dtstart", date.fromisoformat(row["due"]))
    late = "Overdue: " if row["overdue"] else ""
    made.add("summary", f"{late}{_sentence(row['send'] or row['kind'])} ({about})")
    subject = [f"Subject: {row['subject_line']}"] if row["subject_line"] else []
    lines = [row["send"], f"About: {about}", f"To: {row['to']}", *subject, f"Due: {row['due']}", row["citation"]]
    made.add("description", "\n".join(filter(None, lines)))
    made.add("categories", ["Records" if row["retention"] else "Overdue" if row["overdue"] else "Due"])
    made.add("status", "CONFIRMED")
    made.add("transp", "TRANSPARENT")
    if public_url:
        made.add("url", f"{public_url.rstrip('/')}/obligations")
    return made


def _sentence(text: str) -> str:
    return text.replace("_", " ").removesuffix(".")


def _digest(names: Sequence[str]) -> str:
    return sha256("\n".join(names).encode()).hexdigest()[:32]


ROUTES = (show_calendar,)
