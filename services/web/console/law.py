"""The law: what the book says on a day, with its citations."""

from datetime import date
from typing import Any

from litestar import Response, get

from ledger.database.store import Connection
from services.failure import Failure
from services.views.console.law import law
from services.views.moments import required_day
from services.web.console.frame import ALL, Incoming, Values, show, today_of
from services.web.pages.sessions import signed_in
from services.web.state import web_of


@get("/console/law", **signed_in(ALL))
async def show_law(request: Incoming) -> Response[str]:
    """The book on the day of the query, or today."""
    web, text = web_of(request), request.query_params.get("day") or ""
    given = _day(text)

    def build(connection: Connection) -> Values:
        day = given or today_of(web, connection)
        return {**law(web.book, day), "day": day.isoformat(), "bad": text[:64] if text and given is None else ""}

    return await show(request, "law", build, at="law", status=422 if text and given is None else 200)


ROUTES: tuple[Any, ...] = (show_law,)


def _day(text: str) -> date | None:
    try:
        return required_day("day", text)
    except Failure:
        return None
