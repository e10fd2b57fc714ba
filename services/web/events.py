"""`POST /v1/events` and `POST /v1/check`: events in, an answer to each out (docs/contract/http.md, Events)."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from anyio import CapacityLimiter, fail_after, to_thread
from litestar import Request, Response, post

from schemas.event_types import EVENT_REJECTED
from services.engine.engine import Texts
from services.engine.message import ReadMessage
from services.telemetry.traces import TRACEPARENT, tracing
from services.web.access import Caller, caller_of, roles
from services.web.bodies import BODY_MOST, Body, Mode, mode_of
from services.web.decider import PATIENCE, RETRY_AFTER, Decider
from services.web.permissions import CHECKERS, SENDERS, check_events, check_trials
from services.web.problems import Kind, Problem
from services.web.reading.queries import read_query
from services.web.state import REQUEST_ID, Web, web_of

READ_AT_ONCE = 1 << 15
"""The most bytes of a body that is read in the event loop; a longer one is read in a thread."""

LONG = 1 << 20
"""The most bytes of a body that waits for no larger one to be read."""
_READERS = {large: CapacityLimiter(2) for large in (False, True)}
"""How many threads read bodies at once beside the event loop: those of LONG bytes at most, and larger ones."""

_TYPE = '"type":"'


@post("/v1/events", status_code=200, request_max_body_size=BODY_MOST, **roles(SENDERS))
async def decide_events(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Decides the events of the body, and answers each."""
    follow, read = await _asked(request, check_events)
    with _traced(request, read) as traced:
        decided = await _decider(request).decide(traced, follow=follow, gone=_gone(request))
    return _response(decided, follow=follow)


@post("/v1/check", status_code=200, request_max_body_size=BODY_MOST, **roles(CHECKERS))
async def check(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answers the events of the body as `/v1/events` would now, one after the other; writes nothing."""
    follow, read = await _asked(request, check_trials)
    return _response(await _decider(request).check(read, gone=_gone(request)), follow=follow)


ROUTES = (decide_events, check)


async def _asked(
    request: Request[Any, Any, Any], permit: Callable[[Caller, Sequence[ReadMessage]], None]
) -> tuple[bool, Sequence[ReadMessage]]:
    """Whether what follows is asked for, and the events that the caller may send; raises Problem."""
    follow = _follow(request)
    headers = request.scope["headers"]
    mode = mode_of(headers)
    body = Body(await request.body(), mode, headers, str(request.scope["state"].get(REQUEST_ID, "")))
    read = body.read() if len(body.content) <= READ_AT_ONCE else await _read_in_thread(body)
    permit(caller_of(request), read)
    return follow, read


@contextmanager
def _traced(request: Request[Any, Any, Any], read: Sequence[ReadMessage]) -> Iterator[Sequence[ReadMessage]]:
    """The messages of a request, within its span where traces are on."""
    traces = tracing()
    if traces is None:
        yield read
        return
    given = request.headers.getall(TRACEPARENT, [])
    with traces.serving(request.scope["path"], read, given[0] if len(given) == 1 else None) as traced:
        yield traced


async def _read_in_thread(body: Body) -> Sequence[ReadMessage]:
    """The events of a long body; raises Problem where others are read for so long that its turn does not come."""
    try:
        with fail_after(PATIENCE):
            return await to_thread.run_sync(body.read, limiter=_READERS[len(body.content) > LONG])
    except TimeoutError:
        why = f"Nothing was decided: no thread was free within {PATIENCE:g} seconds to read the body."
        raise Problem(Kind.LEDGER_BUSY, why, headers={"Retry-After": RETRY_AFTER}) from None


def _follow(request: Request[Any, Any, Any]) -> bool:
    """Whether the query asks for what follows; raises Problem if anything but `follow` stands in it."""
    query = read_query(request, ("follow",))
    follow = query.choice("follow", ("true", "false"))
    query.check()
    return follow == "true"


def _gone(request: Request[Any, Any, Any]) -> Callable[[], Awaitable[None]]:
    """What returns once the client of a request, whose body is read, has gone away."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return gone


def _response(decided: Sequence[Texts], *, follow: bool) -> Response[bytes]:
    """The answers as they were written, in a JSON array; 422 where there are some, and all are rejections."""
    texts = [text for texts in decided for text in (texts if follow else texts[:1])]
    rejected = bool(decided) and all(map(_is_rejection, decided))
    return Response(f"[{','.join(texts)}]".encode(), status_code=422 if rejected else 200, media_type=Mode.BATCH.value)


def _is_rejection(texts: Texts) -> bool:
    """Whether an answer is a rejection: nothing before its type is of a publisher."""
    at = texts[0].index(_TYPE) + len(_TYPE)
    return texts[0].startswith(f'{EVENT_REJECTED}"', at)


def _decider(request: Request[Any, Any, Any]) -> Decider:
    decider = web_of(request).decider
    if decider is None:
        raise TypeError("the server was not started by `deciding`")
    return decider


@contextmanager
def deciding(web: Web) -> Iterator[None]:
    """Decides what comes in until the end of the block, where what was taken is answered first."""
    web.decider = Decider(web.engine, stopping=web.stopping)
    try:
        yield
    finally:
        web.decider.close()
