"""Periods: close one, see what its close says, take its files, compare two."""

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from anyio import CapacityLimiter, to_thread
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream

from ledger.database.store import Connection
from ledger.queries.snapshots import closed, find, is_over
from schemas.columns import csv_text
from schemas.periods import Period, period
from services.engine.commands.period_close import not_over
from services.failure import Failure
from services.finance.exports import FORMS, SNAPSHOT_TABLES, export, file_names, write
from services.finance.snapshot_tables import closed_tables, exported_under
from services.finance.workbook import ExportRefused
from services.proof.closing import close_signed
from services.proof.keys import signer
from services.views.console.look.words import say
from services.views.console.periods import compare, period_page, periods
from services.views.memo import law_in_words
from services.web.access import Role, caller_of
from services.web.console.acts import Mend, NotSent, fields_of, refused
from services.web.console.frame import Incoming, Missing, Values, notice, show
from services.web.pages.sessions import log, redirect, signed_in, written
from services.web.pages.signin import MOST_BODY
from services.web.state import Web, web_of

FINANCE = frozenset({Role.FINANCE, Role.ADMIN})
"""Who closes periods, takes their files and compares statements."""
PERIODS = "/console/periods"
_BACK = ((PERIODS, say("periods.back")),)
_LONGEST, _MOST_RECORD = 40, 18
_EXPORTS = CapacityLimiter(1)
"""How many threads write files at once, beside those that read for pages."""
_PIECE = 1 << 16
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "journal": "text/plain; charset=utf-8",
}


@get("/console/periods", **signed_in(FINANCE))
async def show_periods(request: Incoming) -> Response[str]:
    """The closed periods, what can be closed next, and the form that closes."""
    return await _periods_page(request)


@post("/console/periods", request_max_body_size=MOST_BODY, status_code=303, **signed_in(FINANCE))
async def close(request: Incoming) -> Response[Any]:
    """Closes a period that is over, in the name of who is signed in; leads to its page, closed by whomever."""
    given = ""
    try:
        given = (await fields_of(request)).get("period", "")
        said = await written(_close, web_of(request), given, caller_of(request).name)
    except NotSent as error:
        return await refused(request, error, "periods")
    except Mend as error:
        return await _periods_page(request, 422, error.errors, given)
    return redirect(f"{PERIODS}/{given}?said={said}")


async def _periods_page(
    request: Incoming, status: int = 200, errors: Sequence[tuple[str, str]] = (), given: str = ""
) -> Response[str]:
    web, before = web_of(request), request.query_params.get("before", "")
    first = int(before) if before.isascii() and before.isdigit() and len(before) <= _MOST_RECORD else None

    def build(connection: Connection) -> Values:
        found = periods(connection, web.now(), first)
        over = [one["name"] for one in found["next"] if one["since"] is None]
        return found | {"given": given if errors else next(iter(over), "")}

    return await show(request, "periods", build, at="periods", status=status, errors=errors)


def _close(web: Web, name: str, by: str) -> str:
    """Closes a period; returns `done`, or `before` if it was closed already. Raises Mend and NotSent."""
    chosen = _period(name)
    with web.store.read() as connection:
        if find(connection, name) is None and not is_over(connection, chosen, web.now()):
            raise _mend(not_over(chosen))
    try:
        key = signer(web.settings, web.store, log.info)
    except Failure as error:
        title = say("frame.failed.title")
        raise NotSent(title, say("periods.close.failed", sentence=str(error)), 503) from error
    now = web.now()
    with web.store.read() as connection:
        stood = find(connection, name) is not None
    close_signed(web.store, key, chosen, now, by)
    with web.store.read() as connection:
        found = closed(connection, name)
    return "done" if not stood and found is not None and (found.by, found.recorded) == (by, now) else "before"


def _period(name: str) -> Period:
    try:
        return period(name)
    except ValueError:
        pass
    try:
        return period(name[:_LONGEST])
    except ValueError as error:
        raise _mend(str(error)) from error


def _mend(sentence: str) -> Mend:
    whole = f"{sentence[:1].upper()}{sentence[1:]}"
    return Mend([("period", say("periods.close.bad", sentence=whole))])


@get("/console/periods/compare", **signed_in(FINANCE))
async def show_compare(request: Incoming) -> Response[str]:
    """The balances at the ends of two periods, or of one and now."""
    first, second = (request.query_params.get(name, "").strip()[:_LONGEST] for name in ("from", "to"))

    def build(connection: Connection) -> Values:
        chosen = {"first": first, "second": second}
        if not first or not second:
            return {"rows": None, **chosen}
        for name in (first, second):
            if name != "now" and find(connection, name) is None:
                raise Missing(say("periods.compare.missing", name=name), _BACK)
        return compare(connection, first, second) or {"rows": None, **chosen}

    return await show(request, "compare", build, at="periods")


@get("/console/periods/{name:str}", **signed_in(FINANCE))
async def show_period(request: Incoming, name: FromPath[str]) -> Response[str]:
    """A closed period: who closed it, its digest, its files."""
    said = request.query_params.get("said")

    def build(connection: Connection) -> Values:
        found = period_page(connection, name)
        if found is None:
            raise Missing(say("periods.one.missing", name=name[:_LONGEST]), _BACK)
        files = [(form, file_names(form, name)) for form in FORMS]
        return found | {"files": files, "said": said if said in ("done", "before") else None}

    return await show(request, "period", build, at="periods")


@get("/console/periods/{name:str}/{form:str}/{file:str}", **signed_in(FINANCE))
async def show_file(request: Incoming, name: FromPath[str], form: FromPath[str], file: FromPath[str]) -> Response[Any]:
    """A file of a closed period: the bytes that `tpp snapshot export` writes."""
    try:
        made = await to_thread.run_sync(_made, web_of(request), name, form, file, limiter=_EXPORTS)
    except ExportRefused as error:
        return await notice(request, say("periods.files.refused"), f"{error}.", 409, _BACK, "periods")
    if made is None:
        sentence = say("periods.files.missing", name=name[:_LONGEST], file=file[:_LONGEST])
        return await notice(request, say("frame.missing.title"), sentence, 404, _BACK, "periods")
    saved = file if file.startswith(name) else f"{name}-{file}"
    headers = {"Content-Disposition": f'attachment; filename="{saved}"'}
    return Stream(_pieces(made), media_type=_TYPES[file.rpartition(".")[2]], headers=headers)


def _made(web: Web, name: str, form: str, file: str) -> IO[bytes] | None:
    """A file of a snapshot, complete, to be read from its start; None if there is no such file."""
    if form not in FORMS:
        return None
    with web.store.read() as connection:
        found = find(connection, name)
        if found is None or file not in file_names(form, name):
            return None
        tables = closed_tables(connection, found)
        made, table = TemporaryFile(), file.partition(".")[0]  # noqa: SIM115  the response closes it
        if form == "csv" and table in SNAPSHOT_TABLES:
            made.writelines(csv_text(table, tables[table]()))
        elif form == "parquet":
            write(table, tables[table](), form, made)
        else:
            with TemporaryDirectory(prefix="tpp-") as folder:
                export(Path(folder), period(name), form, tables, law=exported_under(law_in_words(web.book.status)))
                with (Path(folder) / file).open("rb") as whole:
                    shutil.copyfileobj(whole, made)
    made.seek(0)
    return made


async def _pieces(made: IO[bytes]) -> AsyncIterator[bytes]:
    with made:
        while piece := await to_thread.run_sync(made.read, _PIECE):
            yield piece


ROUTES: tuple[Any, ...] = (show_periods, close, show_compare, show_period, show_file)
