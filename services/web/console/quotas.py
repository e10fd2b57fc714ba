"""The quotas: who nears a limit, the worst first."""

import re
from collections.abc import Callable
from typing import Any

from litestar import Response, get
from markupsafe import Markup

from ledger.database.store import Connection
from schemas import accounts
from services.views.console.look.words import say
from services.views.console.quotas import ALL, NEAR, UNLIMITED, QuotaFilter, quotas
from services.web.access import READERS
from services.web.console.frame import Incoming, Values, address, show, today_of
from services.web.pages.sessions import signed_in
from services.web.state import web_of

PATH = "/console/quotas"

_LONGEST = 200
_FILTERS: dict[str, Callable[[str], bool]] = {
    "kind": lambda text: text in (*accounts.FAMILIES, UNLIMITED),
    "account": lambda text: len(text) <= _LONGEST,
    "country": lambda text: re.fullmatch("[A-Z]{2}", text, re.ASCII) is not None,
    "near": lambda text: text in map(str, NEAR),
    "year": lambda text: text == ALL or re.fullmatch("[0-9]{4}", text, re.ASCII) is not None,
    "page": lambda text: re.fullmatch("[1-9][0-9]{0,5}", text, re.ASCII) is not None,
}
_LABELS = {"account": "text", "year": "period"}
_SHOWN = 80


async def quotas_page(request: Incoming) -> Response[str]:
    """Accounts with the most used and waiting for their size first; those that the query asks for."""
    web, given, wrong = web_of(request), dict[str, str](), list[Markup]()
    for name, fits in _FILTERS.items():
        text = (request.query_params.get(name) or "").strip()
        if text and fits(text):
            given[name] = text
        elif text:
            wrong.append(say("quotas.bad_value", field=say(f"quotas.{_LABELS.get(name, name)}"), value=text[:_SHOWN]))
    number = int(given.pop("page", "1"))
    wanted = QuotaFilter(
        given.get("kind", ""), given.get("account", ""), given.get("country", ""), int(given.get("near", "0")),
        given.get("year", ""),
    )  # fmt: skip
    bad = say("quotas.bad_filter", values=Markup(", ").join(wrong)) if wrong else None

    def build(connection: Connection) -> Values:
        made = quotas(connection, web.book, today_of(web, connection), wanted, number)
        links = {
            "first": address(PATH, **given) if number > 1 else None,
            "further": address(PATH, **given, page=made["next"]) if made["next"] else None,
            "unlimited": address(PATH, **given | {"kind": given.get("kind") or UNLIMITED}),
        }
        return {**made, **links, "bad": bad, "shares": NEAR, "not_found": _not_found(given)}

    return await show(request, "quotas", build, at="quotas", live="quotas", status=400 if wrong else 200)


def _not_found(given: dict[str, str]) -> Markup:
    """That no account is as the filters say."""
    named = {"kind": "kind_is", "account": "text_is", "country": "country_is", "near": "near_is", "year": "year_is"}
    told = []
    for name, text in given.items():
        value = say("quotas.unlimited" if text == UNLIMITED else f"quotas.family.{text}") if name == "kind" else text
        told.append(say(f"quotas.{named[name]}", value=value))
    return say("quotas.not_found", filters=Markup(", ").join(told))


@get(PATH, **signed_in(READERS))
async def show_quotas(request: Incoming) -> Response[str]:
    """As `quotas_page`."""
    return await quotas_page(request)


ROUTES: tuple[Any, ...] = (show_quotas,)
