"""Ask: may it go? The answer that an event would get, against the balances of now; nothing is written."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
from litestar import Response, get, post

from ledger.database.store import Connection
from schemas.event_types import HTTP_SOURCES, SHIPMENT_REQUESTED
from schemas.times import instant_text
from schemas.wire.sources import is_reference
from services.engine.engine import Texts
from services.engine.message import ReadMessage, read_message
from services.failure import Failure
from services.files import unpacked
from services.views.console.ask import Check, answers, errors_of, example, shown_text
from services.views.console.look.words import say
from services.web.access import READERS, Caller, Role, caller_of
from services.web.bodies import BATCH_MOST, BODY_MOST, Uncut, elements, message_of
from services.web.console.acts import Mend, NotSent, refused, uploaded
from services.web.console.frame import Incoming, Values, show, today_of
from services.web.pages.sessions import asked, signed_in
from services.web.pages.uploads import Upload
from services.web.permissions import CHECKERS, check_trials, may_use
from services.web.problems import Kind, Problem
from services.web.state import REQUEST_ID, web_of

_WEEK = timedelta(days=7)
_BLANK = b" \t\r\n"
_OBJECT = re.compile(rb"[ \t]*\{.*\}[ \t\r]*", re.DOTALL)

Given = list[tuple[ReadMessage, bool]]
"""Events that were given, each with whether only its data was."""


async def ask_page(request: Incoming) -> Response[str]:
    """The form in which a shipment is asked for, with an example."""
    web = web_of(request)

    def build(connection: Connection) -> Values:
        return _values(shown_text(example(today_of(web, connection) + _WEEK)))

    return await show(request, "ask", build, at="ask")


@get("/console/ask", **signed_in(CHECKERS))
async def show_ask(request: Incoming) -> Response[str]:
    """As `ask_page`."""
    return await ask_page(request)


@post("/console/ask", request_max_body_size=BODY_MOST, status_code=200, **signed_in(CHECKERS))
async def ask(request: Incoming) -> Response[str]:
    """The page with the answer to what was asked."""
    try:
        fields, file = await uploaded(request)
    except NotSent as error:
        return await refused(request, error, "ask")
    text = fields.get("shipment", "")
    try:
        given, texts = await _checked(request, text, file)
    except Mend as mend:
        return await _refused(request, text, mend.errors, 422)
    except Problem as problem:
        return await _refused(request, text, _faults(problem), problem.kind.status)
    return await _answered(request, text, "file" if file else "shipment", given, texts)


ROUTES: tuple[Any, ...] = (show_ask, ask)


async def _checked(request: Incoming, text: str, file: Upload | None) -> tuple[Given, Sequence[Texts]]:
    web, caller = web_of(request), caller_of(request)
    request_id = str(request.scope["state"].get(REQUEST_ID, ""))
    given: Given = await asked(_read, text, file, caller, request_id, instant_text(web.now()))
    read = [one for one, _ in given]
    check_trials(caller, read)
    if web.decider is None:
        raise TypeError("the server was not started by `deciding`")
    return given, await web.decider.check(read)


async def _answered(request: Incoming, text: str, field: str, given: Given, texts: Sequence[Texts]) -> Response[str]:
    web, now = web_of(request), web_of(request).now()
    reads = caller_of(request).role in READERS
    checked = [Check(read, answer, wrapped) for (read, wrapped), answer in zip(given, texts, strict=True)]
    errors = errors_of(checked[0]) if len(checked) == 1 else []

    def build(connection: Connection) -> Values:
        found = answers(connection, web.book, checked, reads)
        faults = [(field, error) for error in errors]
        return {**_values(shown_text(text), faults), **found, "now": now, "reads": reads}

    return await show(request, "ask", build, at="ask", status=422 if errors else 200)


async def _refused(request: Incoming, text: str, faults: Sequence[tuple[str, str]], status: int) -> Response[str]:
    def build(_: Connection) -> Values:
        return {**_values(shown_text(text), faults), "heading": say("ask.refused")}

    return await show(request, "ask", build, at="ask", status=status)


def _values(text: str, faults: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    heading = say("ask.rejected", n=len(faults))
    return {
        "text": text, "memo": None, "rows": (), "faults": faults, "heading": heading, "now": None, "reads": False,
    }  # fmt: skip


def _faults(problem: Problem) -> list[tuple[str, str]]:
    """Why nothing was checked, in sentences, each for the field."""
    if problem.kind is Kind.EVENT_FORBIDDEN:
        return [("shipment", fault.message) for fault in problem.errors]
    return [("shipment", say("ask.busy"))]


# --- what was given ---------------------------------------------------------------------------------------------------


def _read(text: str, file: Upload | None, caller: Caller, request_id: str, time: str) -> Given:
    """The events of a text or a file; raises Mend where there is none, or where they cannot be cut apart."""
    given: Given = []
    for index, raw in enumerate(_cut(text, file)):
        if index == BATCH_MOST:
            raise Mend([("file" if file else "shipment", say("ask.too_many", most=BATCH_MOST))])
        event = _around(raw, caller, f"{request_id}-{index}", time)
        message = message_of(raw if event is None else event, {"request": request_id, "index": index})
        given.append((read_message(message), event is not None))
    if not given:
        raise Mend([("file", say("ask.empty", file=file[0])) if file else ("shipment", say("ask.nothing"))])
    return given


def _cut(text: str, file: Upload | None) -> Iterator[bytes]:
    """The events of a text or a file as they stand: one, the elements of an array, or a line each."""
    if file is None:
        content = text.encode()
    else:
        try:
            content = unpacked(*file, BODY_MOST)
        except Failure as failure:
            why = str(failure)
            raise Mend([("file", f"C{why[1:]}." if why.startswith("cannot ") else f"{why}.")]) from failure
    content = content.strip(_BLANK)
    first, _, rest = content.partition(b"\n")
    if rest and _OBJECT.fullmatch(first):
        yield from (line for line in (piece.strip(_BLANK) for piece in content.split(b"\n")) if line)
    elif content.startswith(b"["):
        try:
            yield from elements(content)
        except Uncut as error:
            raise Mend([("file" if file else "shipment", f"{error.why[:1].upper()}{error.why[1:]}.")]) from error
    elif content:
        yield content


def _around(raw: bytes, caller: Caller, id: str, time: str) -> bytes | None:
    """The event around what is the data of one alone; None where it is an event, or nothing that can be read."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, Mapping) or {"specversion", "data", "type"} & found.keys():
        return None
    shipment = found.get("shipment_id")
    envelope = {
        "specversion": "1.0", "id": id, "source": _source(caller), "type": SHIPMENT_REQUESTED,
        "subject": shipment if isinstance(shipment, str) and shipment else "ask", "time": time,
        "datacontenttype": "application/json",
    }  # fmt: skip
    return orjson.dumps(envelope)[:-1] + b',"data":' + raw + b"}"


def _source(caller: Caller) -> str:
    """A source with which the caller may ask: their own, or of a publisher one that fits a pattern."""
    patterns = sorted(caller.sources, key=lambda pattern: "*" in pattern) if caller.role is Role.PUBLISHER else ()
    sources = [pattern.replace("*", stand) for pattern in patterns for stand in ("", "ask")]
    fitting = (source for source in sources if is_reference(source) and may_use(caller, source))
    return next(fitting, f"{HTTP_SOURCES}{caller.name}")
