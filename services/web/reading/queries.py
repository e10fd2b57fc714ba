"""Query parameters, strictly read, and cursors: where in a list a page begins."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_plus

import orjson
from anyio import CapacityLimiter, to_thread
from litestar import Response
from litestar.connection import ASGIConnection

from ledger.database.store import Connection
from ledger.queries.balances import Moment
from schemas.times import parse_day
from services.failure import Failure
from services.views import moments
from services.web.problems import Fault, Kind, Problem
from services.web.state import web_of

LIMIT, MOST = 100, 1_000
"""How many items a page has where nothing is said, and at most."""
PAGED = ("limit", "cursor")
FIRST_PAGE = "first"
"""The cursor of the first page, of every list and under all filters."""
_PREFIX = "c."
_LONGEST = 4_096
"""The most characters of a cursor."""
_BIGGEST = 2**63 - 1
_READS = CapacityLimiter(4)
"""How many questions are put to the ledger at once; a few threads answer as many as there are cores for."""

Request = ASGIConnection[Any, Any, Any, Any]
Answer = TypeVar("Answer")


async def read_ledger(request: Request, question: Callable[[Connection], Answer]) -> Answer:
    """The answer to a question about the ledger at one moment."""
    store = web_of(request).store

    def ask() -> Answer:
        with store.read() as connection:
            return question(connection)

    return await in_thread(ask)


async def in_thread(question: Callable[[], Answer]) -> Answer:
    """The answer to a question that takes long, such as about the ledger; few are asked at once."""
    return await to_thread.run_sync(question, limiter=_READS)


def json_response(value: Any) -> Response[bytes]:
    """A value as JSON."""
    return Response(json_bytes(value), media_type="application/json")


def json_bytes(value: Any) -> bytes:
    """A value as JSON; amounts may have more than 64 bits, such as the sum of a flow."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(slots=True)
class Query:
    """The query parameters of a request, of which each stands once and has a value.

    Every method reads one; what is wrong is collected, and `check` raises Problem for all of it.
    """

    given: dict[str, str]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, name: str, code: str, message: str) -> None:
        """Notes what is wrong with a parameter."""
        self.faults.append(Fault(f"/{name.replace('~', '~0').replace('/', '~1')}", code, message))

    def check(self) -> None:
        """Raises Problem if anything was wrong."""
        if self.faults:
            raise Problem(Kind.QUERY_INVALID, self.faults[0].message, self.faults)

    def text(self, name: str) -> str | None:
        """A text; None where it is not given."""
        return self.given.get(name)

    def number(self, name: str, least: int, most: int) -> int | None:
        """A whole number in decimal digits."""
        text = self.given.get(name)
        if text is None:
            return None
        digits = text.lstrip("0") or "0"
        if text.isascii() and text.isdigit() and len(digits) <= len(str(most)) and least <= int(digits) <= most:
            return int(digits)
        self.fault(name, "invalid", f"{name}: {text!r} is not a whole number from {least:,} to {most:,}.")
        return None

    def choice(self, name: str, among: Iterable[str]) -> str | None:
        """One of several words."""
        text, words = self.given.get(name), list(among)
        if text is None or text in words:
            return text
        self.fault(name, "invalid", f"{name}: {text!r} is not one of {', '.join(words)}.")
        return None

    def day(self, name: str) -> date | None:
        """A date."""
        text = self.given.get(name)
        try:
            return None if text is None else parse_day(text)
        except ValueError:
            self.fault(name, "invalid", f"{name}: {text!r} is not a date such as 2025-06-30.")
            return None

    def instant(self, name: str) -> str | None:
        """The text of a date or an RFC 3339 time; of `known_at` also `record:N` and `snapshot:ID`."""
        text = self.given.get(name)
        if text is None or (name == "known_at" and text.startswith(("record:", "snapshot:"))):
            return text
        try:
            moments.instant(text)
        except Failure as error:
            self.fault(name, "invalid", f"{name}: {error}.")
        return text

    def moment(self) -> Callable[[Connection], Moment]:
        """What gives the moment that `as_of` and `known_at` name; it raises Problem if the ledger does not know it."""
        as_of, known_at = self.instant("as_of"), self.instant("known_at")

        def of(connection: Connection) -> Moment:
            try:
                return moments.moment(connection, as_of, known_at)
            except Failure as error:
                self.fault("known_at", "invalid", f"known_at: {error}.")
                raise Problem(Kind.QUERY_INVALID, self.faults[0].message, self.faults) from error

        return of


def read_query(request: Request, names: Sequence[str], *, secret: str | None = None) -> Query:
    """The query parameters of a request, of which only these names are known; what is wrong is in its faults.

    `secret`: the name of one whose value no message repeats.
    """
    query = Query({})
    for part in filter(None, request.scope["query_string"].split(b"&")):
        name, _, value = part.partition(b"=")
        try:
            key, text = (unquote_plus(one.decode("ascii"), errors="strict") for one in (name, value))
        except ValueError:
            query.fault(_shown(name), "invalid", f"{_shown(name)}: not UTF-8 in percent-encoding.")
            continue
        if key not in names:
            query.fault(key, "unknown", f"{key!r} is not a parameter of this route{_known(names)}.")
        elif key in query.given:
            query.fault(key, "repeated", f"{key} stands twice.")
        elif not text:
            query.fault(key, "empty", f"{key} has no value.")
        elif "\0" in text:
            query.fault(key, "invalid", f"{key}: NUL is not allowed{'' if key == secret else f' in {text!r}'}.")
        else:
            query.given[key] = text
    return query


def _shown(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")


def _known(names: Sequence[str]) -> str:
    return f", which has {', '.join(names)}" if names else ", which has none"


class Page(NamedTuple):
    """Which page of a list: after which place, None for the first, and how many items at most.

    `mark` names the list and its filters; `given` is what the first page noted for those after it.
    """

    mark: str
    after: Sequence[Any] | None
    limit: int
    given: str | None


def read_page(query: Query, name: str, *shapes: Sequence[type], plain: Mapping[str, str] | None = None) -> Page:
    """The page that `limit` and `cursor` name, of the list of this name under the query's filters.

    `shapes`: the types of a place; a place has one of them. `plain`: the values of filters that are not given. Raises
    Problem for what was wrong with the query so far, and for a cursor that is not one of this list under these filters.
    """
    limit = query.number("limit", 1, MOST) or LIMIT
    query.check()
    filters = {**(plain or {}), **{key: value for key, value in query.given.items() if key not in PAGED}}
    mark = sha256(orjson.dumps([name, filters], option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    text = query.text("cursor")
    if text is None or text == FIRST_PAGE:
        return Page(mark, None, limit, None)
    match _decoded(text):
        case {"list": str(of), "mark": str(marked), "after": list(after), "given": str() | None as given}:
            if of != name or marked != mark:
                raise broken_cursor("The cursor is of another list, or of other filters.")
            if any(_fits(after, shape) for shape in shapes):
                return Page(mark, after, limit, given)
    raise broken_cursor()


def _fits(place: Sequence[Any], shape: Sequence[type]) -> bool:
    return len(place) == len(shape) and all(map(_is, place, shape))


def _is(value: Any, kind: type) -> bool:
    if type(value) is not kind:
        return False
    return "\0" not in value if isinstance(value, str) else isinstance(value, int) and abs(value) <= _BIGGEST


def _sum(content: bytes) -> str:
    """What tells a cursor that was damaged on the way; it keeps nobody from making one."""
    return sha256(content).hexdigest()[:8]


def _decoded(text: str) -> Any:
    """The JSON of a cursor; None of what is not one, or is damaged."""
    if len(text) > _LONGEST or not text.isascii() or not text.startswith(_PREFIX):
        return None
    summed, text = text.removeprefix(_PREFIX)[:8], text.removeprefix(_PREFIX)[8:]
    try:
        padded = (text + "=" * (-len(text) % 4)).encode()
        content = base64.b64decode(padded, altchars=b"-_", validate=True)
        return orjson.loads(content) if _sum(content) == summed else None
    except (binascii.Error, ValueError):
        return None


def broken_cursor(detail: str = "The cursor is broken; take `next` of a page as it stands.") -> Problem:
    """The problem of a cursor that no page of this list has given."""
    return Problem(Kind.CURSOR_INVALID, detail, [Fault("/cursor", "invalid", detail)])


def page_of(
    name: str, page: Page, found: Sequence[tuple[Any, Sequence[Any]]], given: str | None = None
) -> Mapping[str, Any]:
    """A page as JSON: its items, each found with its place, and the cursor of the next page.

    `found` has one more than the page where there are more; `given` is noted for the pages after it.
    """
    rows = found[: page.limit]
    if len(found) <= page.limit:
        return {"items": [row for row, _ in rows], "next": None}
    cursor = {"list": name, "mark": page.mark, "after": list(rows[-1][1]), "given": given}
    content = orjson.dumps(cursor)
    text = base64.urlsafe_b64encode(content).decode().rstrip("=")
    return {"items": [row for row, _ in rows], "next": f"{_PREFIX}{_sum(content)}{text}"}
