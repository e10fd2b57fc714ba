"""An account: its page, and its statement as a file."""

import re
from collections.abc import Iterator
from datetime import date
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import quote, unquote

from anyio import CapacityLimiter, to_thread
from litestar import Response, get
from litestar.response import Stream
from pydantic_core import PydanticCustomError

from ledger.database.store import Connection
from ledger.queries.entries import Span, has_account
from ledger.queries.statements import statement
from schemas import accounts
from schemas.times import parse_day
from services.finance.exports import FORMS, write
from services.finance.workbook import ExportRefused
from services.views.console.account import account
from services.views.console.look.words import say
from services.web.access import READERS
from services.web.console.assets import UPLOT, integrity
from services.web.console.frame import Incoming, Missing, Values, address, notice, show, today_of
from services.web.pages.sessions import signed_in
from services.web.state import web_of

BELOW = "/console/accounts/"
STATEMENT = "/console/accounts-statement"

_PATH = re.compile("/+console/+accounts/(.*)", re.DOTALL)
_NUMBER = re.compile("[1-9][0-9]{0,17}", re.ASCII)
_TYPES = {
    "csv": ("csv", "text/csv; charset=utf-8"),
    "xlsx": ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "parquet": ("parquet", "application/vnd.apache.parquet"),
    "hledger": ("journal", "text/plain; charset=utf-8"),
}
_CHUNK = 65_536
_SHOWN = 200
_WRITES = CapacityLimiter(2)
"""How many statements are made at once; they hold up no page."""


@get(f"{BELOW}{{path:path}}", **signed_in(READERS))
async def show_account(request: Incoming) -> Response[str]:
    """The page of an account, or of a flow; its path stands as it is in the address."""
    path, web = _named(request), web_of(request)
    before = request.query_params.get("before", "")
    number = int(before) if _NUMBER.fullmatch(before) else None

    def build(connection: Connection) -> Values:
        made = account(connection, web.book, today_of(web, connection), path, number)
        if made is None:
            raise _missing(path)
        further = made["further"]
        return {
            **made,
            "first": f"{BELOW}{quote(path)}#entries" if number is not None else None,
            "next": f"{BELOW}{quote(path)}?before={further}#entries" if further else None,
            "integrity": {name: integrity(name) for name in UPLOT},
            "asked": {"first": "", "last": "", "format": "csv"},
        }

    return await show(request, "account", build, at="quotas", live=f"account:{path}")


@get(STATEMENT, **signed_in(READERS))
async def download_statement(request: Incoming) -> Response[Any]:
    """The statement of an account as a file, as `tpp statement` writes it; a page says why there is none."""
    given = {name: request.query_params.get(name, "") for name in ("account", "from", "to", "format")}
    path, form = given["account"], given["format"] or "csv"
    first, last, wrong = _days(given)
    if form not in FORMS:
        wrong = say("account.bad_format", value=form[:_SHOWN])
    if wrong is not None:
        links = [(f"{BELOW}{quote(path)}", say("account.back"))] if _exists(path) else []
        return await notice(request, say("account.not_made"), wrong, 400, links, at="quotas")
    web = web_of(request)

    def make() -> IO[bytes] | None:
        with web.store.read() as connection:
            if accounts.read(path) is None or not has_account(connection, path):
                return None
            out = TemporaryFile()  # noqa: SIM115  it is closed when it was sent
            write("statement", statement(connection, [path], Span(first, last)), form, out)
            return out

    try:
        made = await to_thread.run_sync(make, limiter=_WRITES)
    except ExportRefused as error:
        return await notice(request, say("account.not_made"), str(error), 422, at="quotas")
    if made is None:
        missing = _missing(path)
        return await notice(request, say("frame.missing.title"), str(missing), 404, missing.links, at="quotas")
    ending, kind = _TYPES[form]
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path)
    return Stream(
        _pieces(made), media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"'}
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_CHUNK):
            yield piece


def _days(given: dict[str, str]) -> tuple[date | None, date | None, Any]:
    """The first and the last day of a statement, None for no bound; and a sentence where one is wrong."""
    found: list[date | None] = []
    for name in ("from", "to"):
        try:
            found.append(parse_day(given[name]) if given[name] else None)
        except PydanticCustomError:
            return None, None, say("account.bad_day", field=say(f"account.{name}"), value=given[name][:_SHOWN])
    first, last = found
    wrong = first is not None and last is not None and first > last
    return first, last, say("account.bad_order") if wrong else None


def _named(request: Incoming) -> str:
    """What stands below the pages of accounts, as it was sent: the router folds slashes."""
    raw = request.scope.get("raw_path", b"")
    try:
        found = _PATH.fullmatch(unquote(raw.decode("ascii"), errors="strict"))
    except ValueError:
        found = None
    return found[1] if found else ""


def _exists(path: str) -> bool:
    return accounts.read(path) is not None or accounts.is_flow(path)


def _missing(path: str) -> Missing:
    """The page of an account that does not exist, with a link to those of the same owner."""
    owner = accounts.party(path)
    links = (
        [(address("/console/quotas", account=owner, year="all"), say("account.of_owner", owner=owner))] if owner else []
    )
    links.append(("/console/quotas", say("account.all_accounts")))
    return Missing(say("account.missing", account=path[:_SHOWN]).unescape(), links)


ROUTES: tuple[Any, ...] = (show_account, download_statement)
