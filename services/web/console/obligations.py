"""Obligations: what must be sent, with the text; who has sent it says so in the same place."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from litestar import Response, get, post
from pydantic_core import PydanticCustomError

from ledger.database.store import Connection
from ledger.queries.console.duties import DutyFilter, DutyPlace, Part
from schemas.event_types import OBLIGATION_MET
from schemas.times import parse_day
from services.views.console.look.words import say
from services.views.console.obligations import STATES, Mistake, Wanted, element_id, obligations_page
from services.web.access import READERS, caller_of
from services.web.console.acts import Mend, NotSent, Sent, fields_of, refused, send
from services.web.console.frame import Incoming, Values, address, notice, show, today_of
from services.web.pages.sessions import signed_in
from services.web.permissions import MAY_SEND
from services.web.reading.calendar import calendar_file
from services.web.state import web_of

_AT = "obligations"
_HERE = f"/console/{_AT}"
_LONGEST = 600
"""The most characters of a value of the query."""
_SHOWN = 80
"""How much of a value that cannot be is shown."""
_FIELDS = {"/data/date": "date", "/data/reference": "reference"}


class _Broken(Exception):
    """A value of the query that cannot be: its name, and the value."""


@get(_HERE, **signed_in(READERS))
async def show_obligations(request: Incoming) -> Response[str]:
    """What is owed, in parts; or a part, or what was met, page by page."""
    return await _page(request)


@post(_HERE, status_code=200, **signed_in(READERS))
async def mark_as_sent(request: Incoming) -> Response[Any]:
    """Says that an obligation was met: on which day, under which reference."""
    mistake: Mistake | None = None
    try:
        fields = await fields_of(request)
        wanted = _wanted(request)
        whose = "shipment_id" if fields.get("shipment_id") else "party"
        _check_named([fields.get(name, "") for name in (whose, "kind", "due")])
        subject = f"{'shipment' if whose == 'shipment_id' else whose}/{fields.get(whose, '')}"
        mistake = Mistake(subject, fields.get("kind", ""), fields.get("due", ""), fields)
        element = element_id(mistake.subject, mistake.kind, mistake.due)
        _mend(fields, element)
        members = (whose, "kind", "due", "date", "reference")
        data = {name: fields.get(name, "") for name in members} | {"by": caller_of(request).name}
        event = Sent(OBLIGATION_MET, fields.get(whose, ""), data)
        return await send(request, fields, event, _address(wanted), lambda pointer: _field(element, pointer))
    except _Broken as error:
        return await _broken(request, error)
    except NotSent as error:
        return await refused(request, error, _AT)
    except Mend as error:
        return await _page(request, mistake, error)


@get(f"{_HERE}.ics", **signed_in(READERS))
async def show_calendar(request: Incoming) -> Response[Any]:
    """The open obligations as a calendar, as `GET /v1/obligations.ics` gives it."""
    return await calendar_file(web_of(request), **{"Content-Disposition": 'attachment; filename="obligations.ics"'})


async def _page(request: Incoming, mistake: Mistake | None = None, error: Mend | None = None) -> Response[str]:
    web, caller = web_of(request), caller_of(request)
    try:
        wanted = _wanted(request)
    except _Broken as broken:
        return await _broken(request, broken)

    def build(connection: Connection) -> Values:
        found = obligations_page(connection, web.book, today_of(web, connection), wanted, mistake)
        chosen = [None, *Part]
        views = [(part and str(part), _address(wanted, part), part is wanted.part) for part in chosen]
        hrefs = {name: href for name, href, _ in views if name} | {state: _address(wanted) for state in STATES}
        return {
            **found, "views": views, "hrefs": hrefs, "states": STATES, "action": _address(wanted),
            "may": caller.role in MAY_SEND[OBLIGATION_MET],
        }  # fmt: skip

    status, errors = (200, ()) if error is None else (422, error.errors)
    return await show(request, "obligations", build, at=_AT, live=_AT, status=status, errors=errors)


def _check_named(names: Sequence[str]) -> None:
    """Raises NotSent where the obligation is named by what no page of ours has written."""
    if any("\0" in name for name in names):
        raise NotSent(say("frame.refused.title"), say("frame.refused.foreign"), 400)


def _mend(fields: dict[str, str], element: str) -> None:
    """Raises Mend where a field is empty."""
    needed = {"date": "obligations.mend_no_date", "reference": "obligations.mend_missing"}
    errors = [(f"{element}-{name}", say(words)) for name, words in needed.items() if not fields.get(name)]
    if errors:
        raise Mend(errors)


def _field(element: str, pointer: str) -> str:
    """The id of the field that a pointer means; another one means the obligation as a whole."""
    name = _FIELDS.get(pointer)
    return f"{element}-{name}" if name else element


def _wanted(request: Incoming) -> Wanted:
    """What the query asks for; raises _Broken where a value cannot be."""
    given = {name: str(value).strip() for name, value in request.query_params.items() if str(value).strip()}
    for name in ("state", "part", "kind", "due_by", "about", "after"):
        if "\0" in given.get(name, "") or len(given.get(name, "")) > _LONGEST:
            raise _Broken(name, given[name])
    state, part = given.get("state", "open"), given.get("part")
    if state not in STATES:
        raise _Broken("state", state)
    if part is not None and part not in set(Part):
        raise _Broken("part", part)
    due_by = _day("due_by", given["due_by"]) if "due_by" in given else None
    wanted = DutyFilter(given.get("kind"), due_by)
    after = _place(given["after"]) if "after" in given else None
    return Wanted(state, Part(part) if part and state == "open" else None, wanted, given.get("about"), after)


def _day(name: str, text: str) -> date:
    try:
        return parse_day(text)
    except PydanticCustomError as error:
        raise _Broken(name, text) from error


def _place(text: str) -> DutyPlace:
    """The place after which a page begins: day, kind and subject."""
    due, _, rest = text.partition(",")
    kind, _, subject = rest.partition(",")
    _day("after", due)
    if not kind or not subject:
        raise _Broken("after", text)
    return DutyPlace(due, subject, kind)


def _address(wanted: Wanted, part: Part | str | None = "") -> str:
    """The address of what is wanted, from its first page on; of another `part` if one is given, None for all."""
    chosen, only = wanted.part if part == "" else part, wanted.filter
    due_by = None if only.due_by is None else only.due_by.isoformat()
    state = None if wanted.state == "open" else wanted.state
    return address(_HERE, part=chosen, state=state, kind=only.kind, due_by=due_by, about=wanted.about)


async def _broken(request: Incoming, error: _Broken) -> Response[str]:
    field, value = error.args
    sentence = say("obligations.broken", field=field, value=value[:_SHOWN])
    links = [(_HERE, say("frame.obligations"))]
    return await notice(request, say("obligations.broken_title"), sentence, 400, links, _AT)


ROUTES: tuple[Any, ...] = (show_obligations, mark_as_sent, show_calendar)
"""The routes of obligations."""
