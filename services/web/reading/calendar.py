"""`GET /v1/obligations.ics`: what must be filed, as a calendar that other programs subscribe to (RFC 5545)."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from anyio import CapacityLimiter, to_thread
from icalendar import Calendar
from litestar import Request, Response, get
from litestar.response import Stream

from ledger.database.store import Connection
from ledger.queries.shipment_list import records
from ledger.queries.work_list import ledger_day, obligations
from rulebook import Book
from services.views.obligations import obligation_to_json
from services.web.access import calendar_caller
from services.web.reading.queries import read_query
from services.web.state import Web, web_of

_REFRESH = timedelta(hours=1)
_BATCH, _MOST = 500, 20_000
"""How many obligations are told, and read, at a time: each reading sorts those that are left."""
_IN_MEMORY, _PIECE = 1 << 20, 1 << 16
_CALENDARS = CapacityLimiter(1)
_LINE = 75
"""The most bytes of a line."""
_END = b"END:VCALENDAR"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN = "token"  # noqa: S105  the name of the parameter


@get("/v1/obligations.ics")
async def show_calendar(request: Request[Any, Any, Any]) -> Response[Any]:
    """The open obligations as events of whole days, for the token of the role `calendar` that the address has."""
    query = read_query(request, (_TOKEN,), secret=_TOKEN)
    await calendar_caller(request, query.text(_TOKEN))
    query.check()
    return await calendar_file(web_of(request))


async def calendar_file(web: Web, **headers: str) -> Response[Any]:
    """The open obligations as a file. It may be long: one is written at a time, and it holds up no other reading."""

    def made() -> IO[bytes]:
        file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  the response closes it
        with web.store.read() as connection:
            file.writelines(calendar(connection, web.book, web.settings.public_url))
        file.seek(0)
        return file

    file = await to_thread.run_sync(made, limiter=_CALENDARS)
    return Stream(_pieces(file), media_type="text/calendar", headers=headers)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := await to_thread.run_sync(file.read, _PIECE):
            yield piece


def calendar(connection: Connection, book: Book, public_url: str | None) -> Iterator[bytes]:
    """The open obligations of a ledger as a calendar, the same bytes as long as nothing changes, piece by piece.

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
    head, end = bytes(made.to_ical()).split(_END)
    link = f"{''.join(public_url.split()).rstrip('/')}/console/obligations" if public_url else None
    yield head
    for row, happened in _rows(connection, book):
        yield _event(row, happened, link)
    yield _END + end


def _rows(connection: Connection, book: Book) -> Iterator[tuple[dict[str, Any], int]]:
    """The open obligations, each with the time of the event that it follows from."""
    every = obligations(connection, ledger_day(connection), most=_MOST)
    while part := list(islice(every, _BATCH)):
        happened = {row.n: row.happened for row in records(connection, {one.record for one in part})}
        yield from ((obligation_to_json(book, one), happened[one.record]) for one in part)


def _event(row: dict[str, Any], happened: int, link: str | None) -> bytes:
    """An obligation as an event on the day on which it is due; a library writes fewer than a thousand a second."""
    about = f"shipment {row['shipment_id']}" if "shipment_id" in row else f"party {row['party']}"
    late = "Overdue: " if row["overdue"] else ""
    summary = f"{late}{(row['send'] or row['kind'].replace('_', ' ')).removesuffix('.')} ({about})"
    subject = f"Subject: {row['subject_line']}" if row["subject_line"] else ""
    said = (row["send"], f"About: {about}", f"To: {row['to']}", subject, f"Due: {row['due']}", row["citation"])
    identity = sha256(f"{row['kind']}\n{row['due']}\n{about}".encode()).hexdigest()[:32]
    lines = [
        "BEGIN:VEVENT",
        f"SUMMARY:{_text(summary)}",
        f"DTSTART;VALUE=DATE:{row['due'].replace('-', '')}",
        f"DTSTAMP:{_EPOCH + timedelta(microseconds=happened):%Y%m%dT%H%M%SZ}",
        f"UID:{identity}@tpp-ledger",
        f"DESCRIPTION:{_text(chr(10).join(filter(None, said)))}",
        f"CATEGORIES:{'RECORDS' if row['retention'] else 'OVERDUE' if row['overdue'] else 'DUE'}",
        "STATUS:CONFIRMED",
        "TRANSP:TRANSPARENT",
        *([f"URL:{link}"] if link else []),
        "END:VEVENT",
        "",
    ]
    return "\r\n".join(map(_folded, lines)).encode()


def _text(value: str) -> str:
    """A text as RFC 5545 writes it (3.3.11)."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        value = value.replace(plain, escaped)
    return value


def _folded(line: str) -> str:
    """A line of at most 75 bytes, or several that continue it (RFC 5545, 3.1)."""
    if line.isascii():
        more = (f" {line[at : at + _LINE - 1]}" for at in range(_LINE, len(line), _LINE - 1))
        return "\r\n".join([line[:_LINE], *more])
    parts, size = [""], 0
    for character in line:
        width = len(character.encode())
        if size + width > _LINE:
            parts.append(" ")
            size = 1
        parts[-1] += character
        size += width
    return "\r\n".join(parts)


ROUTES = (show_calendar,)
