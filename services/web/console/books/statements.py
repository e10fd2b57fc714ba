"""A statement of another system, uploaded and compared with the ledger; nothing of it is kept."""

import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from anyio import CapacityLimiter, to_thread
from litestar import Response, get, post
from litestar.exceptions import HTTPException

from ledger.database.store import Connection
from ledger.queries.reconcile import on_accounts, reconcile, shipment_lines
from ledger.queries.statements import matching
from services.failure import Failure
from services.finance.reconciliation import workbook
from services.finance.statement_import import BadRows, read_content, write_bad
from services.finance.statement_layout import FIELDS, layout
from services.views.console.look.words import say
from services.views.console.periods import bad_cells, reconciled
from services.views.moments import required_day
from services.views.reconciliation import as_json
from services.web.bodies import BODY_MOST
from services.web.console.acts import Mend, NotSent, refused, uploaded
from services.web.console.books.periods import FINANCE
from services.web.console.frame import Incoming, Values, show
from services.web.pages.sessions import signed_in
from services.web.pages.uploads import Upload
from services.web.state import Web, web_of

_STATEMENTS = CapacityLimiter(1)
"""How many threads read statements at once, beside those that read for pages."""
_BODY = BODY_MOST - (1 << 16)
"""The most bytes of the form: less than the server takes, so that a longer one gets an answer in words."""
_TOO_LARGE, _LONGEST = 413, 100
_NUMBERS = ("header_row", "skip_footer")
_TEXTS = ("encoding", "date_format", "decimal", "thousands", "sheet")
_FLAG = re.compile(
    r"--(map|constant|encoding|date-format|decimal|thousands|sheet|header-row|skip-footer)\b(?: FIELD=\w+)?"
)
_LABELS = {"map": "columns", "constant": "profile"}
_KINDS = {
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "reconciliation.xlsx"),
    "json": ("application/json", "reconciliation.json"),
    "errors": ("text/csv; charset=utf-8", "cells.csv"),
}
Fields = Mapping[str, str]


@get("/console/periods/reconcile", **signed_in(FINANCE))
async def show_reconcile(request: Incoming) -> Response[str]:
    """The form that takes a statement."""
    return await _page(request, {}, {})


@post("/console/periods/reconcile", request_max_body_size=_BODY, status_code=200, **signed_in(FINANCE))
async def compare_statement(request: Incoming) -> Response[Any]:
    """What the statement and the ledger have in common, on a page or as a file."""
    fields: Fields = {}
    try:
        fields, file = await uploaded(request)
        found = await to_thread.run_sync(_compared, web_of(request), fields, file, limiter=_STATEMENTS)
    except NotSent as error:
        return await refused(request, error, "periods")
    except Mend as error:
        return await _page(request, fields, {}, error)
    except HTTPException as error:
        if error.status_code != _TOO_LARGE:
            raise
        return await _page(request, {}, {}, _mend("file", say("periods.reconcile.too_long")))
    if isinstance(found, bytes):
        kind, name = _KINDS[fields["as"]]
        return Response(found, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
    return await _page(request, fields, found, found.get("error"))


ROUTES: tuple[Any, ...] = (show_reconcile, compare_statement)


async def _page(request: Incoming, given: Fields, found: Mapping[str, Any], error: Mend | None = None) -> Response[str]:
    errors = () if error is None else error.errors
    layouts = (*_TEXTS, *_NUMBERS, "profile")
    told = {
        "columns": any(given.get(f"map_{one}") for one in FIELDS),
        "layout": bool(errors) or any(given.get(one) for one in layouts),
    }

    def build(_: Connection) -> Values:
        return {
            "given": given, "told": told, "found": found.get("found"), "bad": found.get("bad", ()),
            "bad_more": found.get("bad_more"),
        }  # fmt: skip

    return await show(request, "reconcile", build, at="periods", status=422 if errors else 200, errors=errors)


def _compared(web: Web, fields: Fields, file: Upload | None) -> bytes | dict[str, Any]:
    """The result as a file, or for the page; of a statement that cannot be read its cells. Raises Mend."""
    if file is None or not file[0]:
        raise _mend("file", say("periods.reconcile.no_file"))
    first, last = _day(fields, "from"), _day(fields, "to")
    if first and last and first > last:
        raise _mend("from", say("periods.reconcile.order"))
    form, name = fields.get("as"), file[0].replace("\\", "/").rpartition("/")[2][:_LONGEST]
    try:
        read = read_content(name, file[1], layout(*_told(fields)))
    except BadRows as error:
        if form == "errors":
            return _bad(error)
        return {"error": _mend("file", f"{_in_words(error)}."), **bad_cells(error.cells())}
    except Failure as error:
        raise _mend(_field(str(error)), f"{_in_words(error)}.") from error
    if form == "errors":
        return _bad(None)
    with web.store.read() as connection:
        lines, account = read.lines, fields.get("account") or None
        if account is not None:
            lines = on_accounts(lines, account)
            if not lines and not matching(connection, account):
                raise _mend("account", say("periods.reconcile.no_account", account=account))
        result = reconcile(lines, shipment_lines(connection, account), first, last)
    if form == "json":
        return as_json(result, read.assumed)
    if form == "xlsx":
        return _workbook(result)
    return {"found": reconciled(result, read.assumed)}


def _workbook(result: Any) -> bytes:
    try:
        return workbook(result)
    except Failure as error:
        raise _mend("as", f"{error}.") from error


def _bad(error: BadRows | None) -> bytes:
    stream = BytesIO()
    write_bad(stream, () if error is None else error.cells())
    return stream.getvalue()


def _told(fields: Fields) -> tuple[str | None, dict[str, Any], bytes | None]:
    """What the form tells of the statement, as `layout` takes it."""
    told: dict[str, Any] = {name: fields.get(name) or None for name in _TEXTS}
    told |= {name: _number(fields, name) for name in _NUMBERS}
    told["map"] = {one: fields[f"map_{one}"] for one in FIELDS if fields.get(f"map_{one}")}
    profile = fields.get("profile")
    return (str(say("periods.reconcile.profile")), told, profile.encode()) if profile else (None, told, None)


def _number(fields: Fields, name: str) -> int | None:
    text = fields.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < _LONGEST // 10):
        raise _mend(name, say("periods.reconcile.whole", value=text[:_LONGEST]))
    return int(text)


def _day(fields: Fields, name: str) -> str | None:
    text = fields.get(name)
    if not text:
        return None
    try:
        return required_day(name, text).isoformat()
    except Failure as error:
        raise _mend(name, say("periods.reconcile.day", value=text[:_LONGEST])) from error


def _mend(field: str, sentence: str) -> Mend:
    return Mend([(field, sentence)])


def _in_words(error: Failure) -> str:
    """A failure with the labels of the form's fields where it names options of the command line."""
    return _FLAG.sub(lambda found: f"“{say(f'periods.reconcile.{_label(found[1])}')}”", str(error))


def _label(flag: str) -> str:
    return _LABELS.get(flag, flag.replace("-", "_"))


def _field(message: str) -> str:
    """The field that a failure is about: the one whose option it begins with, else the file."""
    found = _FLAG.match(message)
    if found is None or found[1] == "map":
        return "profile" if message.startswith(str(say("periods.reconcile.profile"))) else "file"
    return _label(found[1])
