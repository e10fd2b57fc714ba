"""What every page has around it, and how a page is made: one reading of the ledger, one template, one answer."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response

from ledger.database.store import Connection
from ledger.queries.console.duties import overdue_count
from ledger.queries.records import answered_event, end, last_recorded, published
from ledger.queries.work_list import held_count, ledger_day
from schemas.event_types import HTTP_SOURCES
from schemas.times import day_of
from services.views.answers import Answer, answered, last_decided
from services.views.console.look.render import CONTENT_POLICY, render
from services.views.console.look.words import say
from services.views.memo import law_in_words
from services.web.access import READERS, Caller, Role, caller_of
from services.web.pages.sessions import asked, form_token, page
from services.web.state import Web, web_of

Incoming = Request[Any, Any, Any]
Values = Mapping[str, Any]
Build = Callable[[Connection], Values]
"""Reads the ledger for a page, and returns what its template needs; it runs in a thread."""

EVENT_ID = re.compile(r"[0-9a-f]{40}")
"""The id of the event that a form sends."""
ALL = frozenset(Role) - {Role.CALENDAR}
"""Every role that a person may have on the page."""

_READS = ("quotas", "holds", "obligations", "ask")
NAV: Mapping[Role, tuple[str, ...]] = {
    Role.PUBLISHER: ("ask", "law"),
    Role.MONITOR: ("quotas", "holds", "obligations", "law"),
    Role.REVIEWER: (*_READS, "law"),
    Role.FINANCE: ("quotas", "holds", "obligations", "periods", "law"),
    Role.ADMIN: (*_READS, "periods", "law", "tokens"),
}
"""The pages that the frame leads to, for each role."""


class Missing(Exception):
    """What a page is asked for does not exist: a sentence, and links as (address, text) to what may be meant."""

    def __init__(self, sentence: str, links: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(sentence)
        self.links = links


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page says besides its own: who is signed in, what waits, how fresh it is.

    `at` is the page of the frame's links that it belongs to. `live` is what it asks the stream for, None if it is not
    live. `today` is the day on which ages are counted. `sequence` is that of the last event before the page was read,
    `recorded` its instant. `held` and `overdue` count holds and overdue obligations, None for who may not read them.
    `answer` is that to the form just sent.
    """

    person: str
    role: Role
    form: str
    at: str
    live: str | None
    today: date
    sequence: int
    recorded: int | None
    held: int | None
    overdue: int | None
    unpublished: int
    rulebook: str
    law_stands: str
    answer: Answer | None

    @property
    def nav(self) -> tuple[str, ...]:
        """The pages that the frame leads to."""
        return NAV[self.role]

    @staticmethod
    def new_id() -> str:
        """A new id for the event that a form sends: pressed twice, it is one event."""
        return secrets.token_hex(20)


async def show(
    request: Incoming, template: str, build: Build, *, at: str, live: str | None = None, status: int = 200,
    errors: Sequence[tuple[str, str]] = (),
) -> Response[str]:  # fmt: skip
    """A page, read from the ledger at one moment.

    `errors` are those of a form: the id of the field, and a sentence. Raises Missing as `build` does, which becomes a
    page with status 404.
    """
    web, caller = web_of(request), caller_of(request)
    form, wanted = form_token(request), request.query_params.get("answer", "")

    def made() -> tuple[str, int]:
        with web.store.read() as connection:
            frame = framed(web, connection, caller, form, at, live, wanted if EVENT_ID.fullmatch(wanted) else None)
            try:
                values = build(connection)
            except Missing as error:
                return render("notice", _missing(frame, error)), 404
        return render(template, {"frame": frame, "errors": tuple(errors), **values}), status

    html, code = await asked(made)
    return page(html, code, **{"Content-Security-Policy": CONTENT_POLICY})


async def notice(
    request: Incoming, title: str, sentence: str, status: int, links: Sequence[tuple[str, str]] = (), at: str = ""
) -> Response[str]:
    """A page that says why something was not shown or not done."""
    kind = "bad" if status >= 500 else "warn"

    def build(_: Connection) -> Values:
        return {"title": title, "sentence": sentence, "links": links, "kind": kind}

    return await show(request, "notice", build, at=at, status=status)


def framed(
    web: Web, connection: Connection, caller: Caller, form: str, at: str, live: str | None, wanted: str | None
) -> Frame:
    """The frame of a page; `wanted` is the id of the event of which the page shows the answer."""
    stands, reads = end(connection), caller.role in READERS
    sent = None if wanted is None else answered_event(connection, (f"{HTTP_SOURCES}{caller.name}", wanted))
    return Frame(
        caller.name, caller.role, form, at, live if reads else None, today_of(web, connection), stands.sequence,
        last_recorded(connection),
        held_count(connection) if reads else None,
        overdue_count(connection, today_of(web, connection)) if reads else None,
        max(0, stands.sequence - published(connection).sent), web.book.name, law_in_words(web.book.status),
        None if sent is None else _told(connection, answered(sent.event, sent.answers)),
    )  # fmt: skip


def _told(connection: Connection, answer: Answer) -> Answer:
    """An answer as its page shows it: to who came too late it says first what happened, and who did it."""
    if answer.late is None:
        return answer
    faster = say("frame.faster", what=last_decided(connection, answer.late))
    return replace(answer, sentences=(faster, *answer.sentences))


def today_of(web: Web, connection: Connection) -> date:
    """The day on which ages and delays are counted: that of the last tick; before the first, today (UTC)."""
    return ledger_day(connection) or day_of(web.now())


def address(path: str, **query: str | int | None) -> str:
    """An address with a query, after the one that `path` may have; what is None or empty is left out.

    >>> address("/console/holds", reason="quota.exhausted", by=None)
    '/console/holds?reason=quota.exhausted'
    """
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}{'&' if '?' in path else '?'}{urlencode(given)}" if given else path


def _missing(frame: Frame, error: Missing) -> dict[str, Any]:
    return {
        "frame": frame, "errors": (), "title": say("frame.missing.title"), "sentence": error.args[0], "kind": "warn",
        "links": error.links,
    }  # fmt: skip
