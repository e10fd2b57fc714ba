"""The routes of accounts: their balances, one of them, its entries (docs/contract/http.md, Reading)."""

import re
from typing import Any
from urllib.parse import unquote

from litestar import Request, Response, get

from ledger.database.store import Connection
from ledger.queries.account_list import AccountOrder, AccountPlace
from ledger.queries.balances import has_flow
from ledger.queries.entries import Span, account_entries, has_account
from schemas import accounts
from services.views.accounts import account_in_full, balance_page, statement_to_json
from services.web.access import READERS, roles
from services.web.problems import Kind, Problem
from services.web.reading.queries import PAGED, json_response, page_of, read_ledger, read_page, read_query
from services.web.state import web_of

_BELOW = re.compile("/+v1/+accounts/(.*)", re.DOTALL)
_ENTRIES = "/entries"

Asked = Request[Any, Any, Any]


@get("/v1/accounts", **roles(READERS))
async def list_accounts(request: Asked) -> Response[bytes]:
    """Accounts with their balances, by path or nearest to their limits first."""
    query = read_query(request, ("match", "as_of", "known_at", "sort", *PAGED))
    match, moment = query.text("match"), query.moment()
    order = AccountOrder(query.choice("sort", AccountOrder) or AccountOrder.PATH)
    page = read_page(query, "accounts", (int, int, int, str), plain={"sort": AccountOrder.PATH})
    after = None if page.after is None else AccountPlace(*page.after)
    patterns = [] if match is None else [match]

    def found(connection: Connection) -> Any:
        return balance_page(connection, patterns, moment(connection), order, after, page.limit + 1)

    return json_response(page_of("accounts", page, await read_ledger(request, found)))


@get("/v1/accounts/{path:path}", **roles(READERS))
async def show_account(request: Asked) -> Response[bytes]:
    """An account by its path, whose slashes may be `%2F`; its entries where `/entries` follows."""
    named = _named(request)
    if not _exists(named) and named.endswith(_ENTRIES) and _exists(named.removesuffix(_ENTRIES)):
        return await _entries(request, named.removesuffix(_ENTRIES))
    query = read_query(request, ("as_of", "known_at"))
    moment = query.moment()
    if not _exists(named):
        raise _unknown(named)
    query.check()
    book = web_of(request).book
    found = await read_ledger(request, lambda connection: account_in_full(connection, book, named, moment(connection)))
    if found is None:
        raise _unknown(named)
    return json_response(found)


async def _entries(request: Asked, account: str) -> Response[bytes]:
    """The entries of an account, by number."""
    query = read_query(request, ("from", "to", *PAGED))
    span = Span(query.day("from"), query.day("to"))
    page = read_page(query, f"entries of {account}", (int,))

    def found(connection: Connection) -> Any:
        if not (has_account(connection, account) or has_flow(connection, account)):
            raise _unknown(account)
        after = 0 if page.after is None else page.after[0]
        rows = account_entries(connection, account, span, after, page.limit + 1)
        return [(statement_to_json(row), (row.entry,)) for row in rows]

    return json_response(page_of(f"entries of {account}", page, await read_ledger(request, found)))


def _named(request: Asked) -> str:
    """What stands below `/v1/accounts/`, as it was sent: the router folds slashes."""
    raw = request.scope.get("raw_path", b"")
    try:
        found = _BELOW.fullmatch(unquote(raw.decode("ascii"), errors="strict"))
    except ValueError:
        found = None
    return found[1] if found else ""


def _exists(path: str) -> bool:
    """Whether a path may be that of an account, or of the report of flows."""
    return accounts.read(path) is not None or accounts.is_flow(path)


def _unknown(path: str) -> Problem:
    return Problem(Kind.NOT_FOUND, f"There is no account {path!r}.")


ROUTES = (list_accounts, show_account)
