"""What a page sends: an event of the person who is signed in, once, however often its button is pressed.

The form carries the event's id, and the id alone decides: a second press has another `time`, and would else be a
conflict. Who presses again is led to the first answer.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import orjson
from litestar import Response

from ledger.database.store import Store
from ledger.queries.records import answered_event
from ledger.registers.records import Key
from schemas.event_types import HTTP_SOURCES
from schemas.times import instant_text
from schemas.wire.read import Rejection
from services.engine.message import Message, ReadMessage, read_message
from services.views.answers import is_refused
from services.views.console.look.words import say
from services.web.access import caller_of
from services.web.console.frame import EVENT_ID, Incoming, address, notice
from services.web.pages.sessions import asked, posted_in_session, redirect
from services.web.pages.uploads import Upload, posted_file_in_session
from services.web.permissions import check_events
from services.web.problems import Kind, Problem
from services.web.state import REQUEST_ID, web_of

_FORMS: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
"""The forms that are being sent, so that a second press waits for the first."""


class Sent(NamedTuple):
    """An event that a form sends: its type, its subject, its data."""

    type: str
    subject: str
    data: Mapping[str, Any]


class Mend(Exception):
    """A form with mistakes: of each the id of the field, and a sentence. Nothing was sent."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(sentence for _, sentence in errors))
        self.errors = tuple(errors)


class NotSent(Exception):
    """A form that is refused as a whole: the title of the page that says so, a sentence, and the status."""

    def __init__(self, title: str, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.title, self.status = title, status


async def fields_of(request: Incoming) -> dict[str, str]:
    """The fields of a form of ours, without blanks around them; raises NotSent if it came from elsewhere."""
    fields = await posted_in_session(request)
    if fields is None:
        raise NotSent(say("frame.refused.title"), say("frame.refused.foreign"), 403)
    return {name: value.strip() for name, value in fields.items()}


async def uploaded(request: Incoming) -> tuple[dict[str, str], Upload | None]:
    """The fields of a form of ours as `fields_of` has them, and its file, by name and bytes; None if none was chosen.

    The form is `multipart/form-data`; the route bounds its size by `request_max_body_size`. Raises NotSent.
    """
    found = await posted_file_in_session(request)
    if found is None:
        raise NotSent(say("frame.refused.title"), say("frame.refused.foreign"), 403)
    fields, file = found
    return {name: value.strip() for name, value in fields.items()}, file


async def send(
    request: Incoming, fields: Mapping[str, str], event: Sent, back: str,
    names: Callable[[str], str] = lambda pointer: pointer, *more: Sent,
) -> Response[Any]:  # fmt: skip
    """Sends the event of a form, with `more` events that belong to it, and leads back to a page that shows the answer.

    Their source is `//tpp-http/NAME` of the person who is signed in, their time is now. `names` gives the id of the
    field that a JSON pointer into the data means. Raises Mend where a field cannot be, and NotSent where the role may
    not send it or the ledger does not answer. Where the event is refused, `more` are not sent.
    """
    source, id = key_of(request, fields)
    async with _FORMS.setdefault((source, id), asyncio.Lock()):
        if not await asked(_is_answered, web_of(request).store, (source, id)):
            await _decide(request, _messages(request, source, id, (event, *more)), names)
    return redirect(address(back, answer=id))


def key_of(request: Incoming, fields: Mapping[str, str]) -> Key:
    """The source and the id of the event that a form sends; raises NotSent where it carries no id."""
    id = fields.get("event_id", "")
    if EVENT_ID.fullmatch(id) is None:
        raise NotSent(say("frame.refused.title"), say("frame.refused.foreign"), 400)
    return f"{HTTP_SOURCES}{caller_of(request).name}", id


async def _decide(request: Incoming, read: Sequence[ReadMessage], names: Callable[[str], str]) -> None:
    """Sends events one after another, until one is refused."""
    faulty = [one.event for one in read if isinstance(one.event, Rejection)]
    if faulty:
        raise Mend([(names(error.pointer), error.message) for one in faulty for error in one.errors])
    caller, decider = caller_of(request), web_of(request).decider
    if decider is None:
        raise TypeError("the server was not started by `deciding`")
    try:
        check_events(caller, read)
        for one in read:
            (texts,) = await decider.decide([one], follow=True)
            if is_refused(texts):
                break
    except Problem as problem:
        raise _not_sent(problem, str(caller.role)) from problem


def _not_sent(problem: Problem, role: str) -> NotSent:
    if problem.kind is Kind.EVENT_FORBIDDEN:
        return NotSent(say("frame.refused.title"), say("frame.refused.act", role=role), 403)
    sentence = {Kind.STOPPING: "frame.failed.stopping", Kind.LEDGER_BUSY: "frame.failed.busy"}
    return NotSent(say("frame.failed.title"), say(sentence.get(problem.kind, "frame.failed.lost")), problem.kind.status)


def _messages(request: Incoming, source: str, id: str, events: Sequence[Sent]) -> list[ReadMessage]:
    time, request_id = instant_text(web_of(request).now()), str(request.scope["state"].get(REQUEST_ID, ""))
    raw = [_event(one, source, f"{id}-{index}" if index else id, time) for index, one in enumerate(events)]
    return [
        read_message(Message(one, {"request": request_id, "index": index}, once=True)) for index, one in enumerate(raw)
    ]


def _event(event: Sent, source: str, id: str, time: str) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0", "id": id, "source": source, "type": event.type, "subject": event.subject,
            "time": time, "datacontenttype": "application/json", "data": event.data,
        }
    )  # fmt: skip


def _is_answered(store: Store, key: Key) -> bool:
    with store.read() as connection:
        return answered_event(connection, key) is not None


async def refused(request: Incoming, error: NotSent, at: str = "") -> Response[str]:
    """The page about a form that was refused as a whole."""
    return await notice(request, error.title, error.args[0], error.status, at=at)
