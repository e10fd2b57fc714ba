"""The pages of periods: a close in a person's name, the files of a period, two compared, a statement reconciled."""

import gzip
import io
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from reading_run import event, listed, request, screen, something_of_everything, writer
from signin_run import SAME, sign_in
from web_inside import inside
from web_run import TPP, Served, served

from ledger.database import connections
from ledger.database.store import Store
from ledger.journal import Ledger
from schemas.periods import period
from services.engine.commands.period_close import close_period
from services.finance.exports import FORMS, file_names
from services.resources import wall_clock
from services.views.console.periods import FIRST, MOST_CHANGES, PAGE
from services.web.access import Role
from services.web.pages.sessions import new_link

PERIODS = "/console/periods"
RECONCILE = f"{PERIODS}/reconcile"
HEADER = "shipment_id,account,date,amount\n"


@pytest.fixture
def web(ledger_url: str, tmp_path: Path) -> Iterator[Served]:
    """A running `tpp serve` on a ledger with something of everything, and a key of its own; on both databases."""
    screen(ledger_url, something_of_everything())
    with served(ledger_url, env={"TPP_SIGNING_KEY": str(tmp_path / "key")}) as running:
        yield running


@pytest.fixture
def finance(web: Served) -> Iterator[httpx.Client]:
    with sign_in(web, web.token("finance", "f.ines")) as client:
        yield client


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One running `tpp serve` for the tests that write nothing, on SQLite, with 2025-06 closed."""
    folder = tmp_path_factory.mktemp("still")
    url = f"sqlite:///{folder / 'still.db'}"
    screen(url, something_of_everything())
    subprocess.run([TPP, "snapshot", "close", "2025-06", "--ledger", url], cwd=folder, check=True)
    with served(url, env={"TPP_SIGNING_KEY": str(folder / "tpp-signing.key")}) as running:
        yield running


@pytest.fixture(scope="module")
def reader(still: Served) -> Iterator[httpx.Client]:
    with sign_in(still, still.token("finance", "f.ines")) as client:
        yield client


def text(answer: httpx.Response) -> str:
    """What a page says, without tags."""
    plain = re.sub("</?(a|b|code|small|span|time)\\b[^>]*>", "", answer.text)
    return " ".join(unescape(re.sub("<[^>]+>", " ", plain)).split())


def form(client: httpx.Client) -> str:
    return re.findall(r'name="form" value="([0-9a-f]{64})"', client.get(PERIODS).text)[0]


def close(client: httpx.Client, name: str, token: str | None = None) -> httpx.Response:
    return client.post(PERIODS, data={"form": token or form(client), "period": name}, headers=SAME)


def tpp(web: Served, *words: str, folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([TPP, *words, "--ledger", web.ledger], capture_output=True, cwd=folder, check=False)


def positions(web: Served) -> list[Any]:
    """The positions of the records of closes."""
    store = Store(web.ledger)
    try:
        with store.read() as connection:
            query = "SELECT position FROM journal WHERE type = 'tpp.snapshot.closed.v1' ORDER BY n"
            return [orjson.loads(row[0]) for row in connection.exec_driver_sql(query)]
    finally:
        store.close()


def test_a_close_is_of_the_person_who_presses(web: Served, finance: httpx.Client, tmp_path: Path) -> None:
    page = finance.get(PERIODS)
    assert "No period is closed. Entries begin on 2025-06-01." in text(page)
    assert re.findall(r'<th scope="row">(2025\S*)</th>', page.text) == ["2025-06", "2025-Q2", "2025"]
    assert 'name="period" required maxlength="16" autocomplete="off" value="2025-06"' in page.text
    answer = close(finance, "2025-06")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PERIODS}/2025-06?said=done")
    page = finance.get(answer.headers["location"])
    assert "You have closed 2025-06." in text(page)
    (told,) = listed(web.ledger, "snapshot", "list")
    assert told["digest"] in page.text and f"{told['entries']} entries" in text(page)
    assert re.search(r"Closed f\.ines, 20\d\d-\d\d-\d\d \d\d:\d\d UTC", text(page))
    assert positions(web) == [{"request": "snapshot close 2025-06", "by": "f.ines"}]
    assert "f.ines" in text(finance.get(PERIODS))
    done = tpp(web, "audit", "verify", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(web.ledger)
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM checkpoint").scalar() == 1
    store.close()


def test_the_command_line_closes_as_before(web: Served, finance: httpx.Client, tmp_path: Path) -> None:
    done = tpp(web, "snapshot", "close", "2025-Q2", folder=tmp_path)
    assert done.returncode == 0
    assert positions(web) == [{"request": "snapshot close 2025-Q2"}]
    assert "by the command line, " in text(finance.get(f"{PERIODS}/2025-Q2"))


def test_the_engine_notices_a_close_on_the_page(web: Served, finance: httpx.Client) -> None:
    token = web.token("admin", "a.one", "//wms.example/*")
    late = request("SHP-LATE", 3, "2025-06-11T08:00:00Z", consignee="CON-77")
    early = request("SHP-EARLY", 3, "2025-06-11T08:00:00Z", consignee="CON-77")
    with web.client(token) as client:

        def booked(line: bytes, shipment: str) -> Any:
            answer = client.post(
                "/v1/events", content=line, headers={"Content-Type": "application/cloudevents+json"}
            ).json()
            assert answer[0]["data"]["outcome"] == "approved", answer
            entries = client.get("/v1/accounts/lpp/CON-77/2025/entries").json()["items"]
            return next((one["booked"], one["late_for"]) for one in entries if one["shipment_id"] == shipment)

        assert booked(early, "SHP-EARLY") == ("2025-06-11", None)
        assert close(finance, "2025-06").status_code == 303
        assert booked(late, "SHP-LATE") == ("2025-07-01", "2025-06")


def test_who_presses_second_sees_the_snapshot_that_stands(web: Served, finance: httpx.Client) -> None:
    with sign_in(web, web.token("admin", "a.dmin")) as other:
        tokens = {id(client): form(client) for client in (finance, other)}
        with ThreadPoolExecutor(4) as pool:
            pressed = [pool.submit(close, one, "2025-06", tokens[id(one)]) for one in (finance, other, finance, other)]
            answers = [one.result() for one in pressed]
        assert {one.status_code for one in answers} == {303}
        ends = sorted(one.headers["location"].rpartition("=")[2] for one in answers)
        assert ends == ["before", "before", "before", "done"]
        (position,) = positions(web)
        assert position["by"] in ("f.ines", "a.dmin")
        page = finance.get(f"{PERIODS}/2025-06?said=before")
        assert "2025-06 was closed before you pressed; nothing was closed again." in text(page)
        assert position["by"] in text(page)
        assert "said=" not in finance.get(f"{PERIODS}/2025-06?said=<script>").text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("2099-Q3", "The last day of 2099-Q3, 2099-09-30, is not over. Nothing was closed."),
        ("2025-13", "'2025-13' is not a period; use a year, quarter or month such as 2025, 2025-Q2 or 2025-06."),
        ("", "'' is not a period"),
        ("9999", "'9999' cannot be closed: no open day would be left for late events."),
        ("<script>" * 64, "'<script><script><script><script><script>' is not a period"),
        ("٢٠٢٥", "is not a period"),
        ("\u202e2025-06", "is not a period"),
    ],
)
def test_what_is_not_closed_says_why(still: Served, reader: httpx.Client, name: str, sentence: str) -> None:
    answer = close(reader, name)
    assert answer.status_code == 422
    assert sentence in unescape(answer.text) and 'href="#period"' in answer.text
    assert "<script>'" not in answer.text and "\u202e" not in answer.text
    assert len(positions(still)) == 1


def test_only_finance_and_administrators_close(still: Served) -> None:
    for role in ("publisher", "monitor", "reviewer"):
        with sign_in(still, still.token(role, "somebody", *(["//erp/*"] if role == "publisher" else []))) as client:
            assert [
                client.get(f"{PERIODS}{end}").status_code for end in ("", "/2025-06", "/compare", "/reconcile")
            ] == [403] * 4
            assert client.post(PERIODS, data={"period": "2025-06"}, headers=SAME).status_code == 403
            assert client.post(RECONCILE, files={"file": b""}, headers=SAME).status_code == 403
    assert len(positions(still)) == 1


def test_a_form_from_elsewhere_closes_nothing(still: Served, reader: httpx.Client) -> None:
    token = form(reader)
    for data, headers in (
        ({"period": "2025-06"}, SAME),
        ({"period": "2025-06", "form": "0" * 64}, SAME),
        ({"period": "2025-06", "form": token}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        answer = reader.post(PERIODS, data=data, headers=headers)
        assert answer.status_code == 403 and "Nothing was sent" in text(answer)
    assert len(positions(still)) == 1


def test_a_key_that_is_not_the_ledgers_closes_nothing(ledger_url: str, tmp_path: Path) -> None:
    screen(ledger_url, something_of_everything())
    subprocess.run([TPP, "snapshot", "close", "2025-05", "--ledger", ledger_url], cwd=tmp_path, check=True)
    with served(ledger_url, env={"TPP_SIGNING_KEY": str(tmp_path / "other")}) as web:
        with sign_in(web, web.token("finance", "f.ines")) as client:
            answer = close(client, "2025-06")
        assert answer.status_code == 503
        assert "Not done" in text(answer) and "this ledger is signed with the key" in text(answer)
        assert len(positions(web)) == 1


def test_a_busy_ledger_is_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'busy.db'}"
    screen(url, something_of_everything())
    monkeypatch.setattr(connections, "BUSY_MS", 300)
    with (
        inside(url, (), signing_key=str(tmp_path / "key")) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        running.now = wall_clock()
        client.post(new_link(running.web.store, Role.FINANCE, "f.ines", "", running.now), headers=SAME)
        token = form(client)
        held, free = threading.Event(), threading.Event()

        def hold() -> None:
            other = Store(url)
            with other.begin():
                held.set()
                free.wait(30)
            other.close()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(30)
        try:
            answer = client.post(PERIODS, data={"form": token, "period": "2025-06"}, headers=SAME)
            assert answer.status_code == 503 and "Not done" in answer.text
            assert client.get(PERIODS).status_code == 200
        finally:
            free.set()
            holder.join()
        answer = client.post(PERIODS, data={"form": token, "period": "2025-06"}, headers=SAME)
        assert answer.headers["location"].endswith("?said=done")


def test_many_periods_are_listed_page_by_page(web: Served, finance: httpx.Client) -> None:
    store = Store(web.ledger)
    ledger = Ledger(store)
    names = [f"{year}-{month:02}" for year in (2025, 2026, 2027) for month in range(1, 13)][: PAGE + 3]
    for name in names:
        close_period(ledger, period(name), wall_clock(), "f.ines" if name.endswith("3") else None)
    store.close()
    seen: list[str] = []
    path = PERIODS
    while path:
        page = finance.get(path)
        seen += re.findall(r'<th scope="row"><a href="/console/periods/([^"]+)"', page.text)
        following = re.findall(r'rel="next" href="([^"]+)"', page.text)
        path = unescape(following[0]) if following else ""
    assert seen == names[::-1]
    for odd in ("x", "-1", "9" * 40, "١", "%00"):
        assert finance.get(f"{PERIODS}?before={odd}").status_code == 200
    first = text(finance.get(f"{PERIODS}/2025-01"))
    assert "by the command line" in first and "none, it is the first" in first
    assert finance.get(f"{PERIODS}/2025-01/csv/nothing.csv").status_code == 404


# --- files ------------------------------------------------------------------------------------------------------------


def test_each_file_has_the_bytes_that_the_command_writes(web: Served, finance: httpx.Client, tmp_path: Path) -> None:
    assert close(finance, "2025-06").status_code == 303
    page = finance.get(f"{PERIODS}/2025-06").text
    for form_ in FORMS:
        assert tpp(web, "snapshot", "export", "2025-06", "--format", form_, folder=tmp_path).returncode == 0
        for name in file_names(form_, "2025-06"):
            path = f"{PERIODS}/2025-06/{form_}/{name}"
            assert f'href="{path}"' in page
            answer = finance.get(path)
            assert answer.status_code == 200, answer.text
            assert answer.content == (tmp_path / "2025-06" / name).read_bytes(), name
            saved = name if name.startswith("2025-06") else f"2025-06-{name}"
            assert answer.headers["content-disposition"] == f'attachment; filename="{saved}"'


@pytest.mark.parametrize(
    "path",
    ["2025-07/csv/accounts.csv", "2025-06/csv/accounts.parquet", "2025-06/exe/accounts.csv",
     "2025-06/xlsx/2025-07.xlsx", f"{'x' * 512}/csv/%3Cscript%3E", "now", "%E2%80%AE"],
)  # fmt: skip
def test_what_there_is_no_file_or_period_of_is_not_found(reader: httpx.Client, path: str) -> None:
    answer = reader.get(f"{PERIODS}/{path}")
    assert answer.status_code == 404
    assert "text/html" in answer.headers["content-type"] and "<script>." not in answer.text


def test_books_that_differ_from_those_closed_give_no_file(tmp_path: Path) -> None:
    from databases import unguarded

    file = tmp_path / "tpp.db"
    url = f"sqlite:///{file}"
    screen(url, something_of_everything())
    subprocess.run([TPP, "snapshot", "close", "2025-06", "--ledger", url], cwd=tmp_path, check=True)
    raw = unguarded(file)
    raw.execute("UPDATE entry SET posted = posted + 1 WHERE n = (SELECT min(n) FROM entry)")
    raw.close()
    with served(url) as web, sign_in(web, web.token("finance", "f.ines")) as client:
        answer = client.get(f"{PERIODS}/2025-06/csv/accounts.csv")
        assert answer.status_code == 409 and "differ from those that were closed" in text(answer)


# --- compare ----------------------------------------------------------------------------------------------------------


def test_two_periods_are_compared_account_by_account(web: Served, finance: httpx.Client) -> None:
    assert close(finance, "2025-06").status_code == 303
    with writer(web.ledger) as write:
        write(
            [request(f"N-{n}", n, "2025-07-03T08:00:00Z", consignee=f"NEW-{n:03}") for n in range(1, MOST_CHANGES + 4)]
        )
    assert "Two closed periods, or one and now" in text(finance.get(f"{PERIODS}/compare"))
    page = finance.get(f"{PERIODS}/compare?from=2025-06&to=now")
    balances = {one["account"]: one["balance"] for one in listed(web.ledger, "balance")}
    known = listed(web.ledger, "balance", "--as-of", "2025-06-30", "--known-at", "snapshot:2025-06")
    before = {one["account"]: one["balance"] for one in known}
    moved = {path: balances[path] - before.get(path, 0) for path in balances if balances[path] != before.get(path, 0)}
    shown = re.findall(r'href="/console/accounts/([^"]+)">', page.text)
    assert shown == sorted(moved, key=lambda path: (-abs(moved[path]), path))[:MOST_CHANGES]
    assert f"{len(moved):,} accounts have another balance now than at the end of 2025-06" in text(page)
    assert f"{len(moved) - MOST_CHANGES:,} more accounts changed" in text(page)
    assert close(finance, "2025-Q2").status_code == 303
    assert "No account has another balance." in text(finance.get(f"{PERIODS}/compare?from=2025-06&to=2025-Q2"))
    for name in ("2025-05", "%3Cscript%3E", "x" * 600, "%00"):
        answer = finance.get(f"{PERIODS}/compare?from=2025-06&to={name}")
        assert answer.status_code == 404 and "neither a closed period nor now" in text(answer)
        assert "&amp;" not in answer.text


# --- reconcile --------------------------------------------------------------------------------------------------------


def reconcile(client: httpx.Client, content: bytes, name: str = "may.csv", **fields: str) -> httpx.Response:
    files = {"file": (name, content)}
    return client.post(RECONCILE, data={"form": form(client), **fields}, files=files, headers=SAME)


def statement(web: Served) -> str:
    """A statement that agrees with the ledger."""
    store = Store(web.ledger)
    try:
        from ledger.queries.reconcile import shipment_lines

        with store.read() as connection:
            lines = sorted(shipment_lines(connection))
    finally:
        store.close()
    return HEADER + "".join(f"{','.join(map(str, line))}\n" for line in lines)


def head(web: Served) -> Any:
    store = Store(web.ledger)
    try:
        with store.read() as connection:
            return connection.exec_driver_sql("SELECT n, sequence FROM head").one()
    finally:
        store.close()


def test_a_statement_is_compared_in_the_words_of_the_command(
    web: Served, finance: httpx.Client, tmp_path: Path
) -> None:
    before, whole = head(web), statement(web)
    answer = reconcile(finance, whole.encode())
    assert answer.status_code == 200 and "The statement and the ledger agree." in text(answer)
    lines = whole.splitlines(keepends=True)
    odd = "".join([lines[0], *lines[2:], lines[3], "SHP-<script>,lpp/CON-1/2025,2025-06-02,5\n"])
    changed = odd.replace(lines[2], re.sub(r"(\d+)\n", lambda one: f"{int(one[1]) + 7}\n", lines[2]))
    (tmp_path / "may.csv").write_text(changed)
    told = tpp(web, "reconcile", "may.csv", folder=tmp_path).stdout.decode()
    answer = reconcile(finance, changed.encode())
    assert told.splitlines()[0] in text(answer) and "The statement and the ledger differ." in text(answer)
    assert "+7" in answer.text and "SHP-&lt;script&gt;" in answer.text
    for form_, name in (("json", "reconciliation.json"), ("xlsx", "reconciliation.xlsx")):
        words = ("reconcile", "may.csv", "--format", form_, "--out", f"out.{form_}")
        assert tpp(web, *words, folder=tmp_path).returncode == 1
        saved = reconcile(finance, changed.encode(), **{"as": form_})
        assert saved.content == (tmp_path / f"out.{form_}").read_bytes()
        assert saved.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert reconcile(finance, changed.encode(), **{"as": "errors"}).text == "row,line,column,value,why\n"
    assert head(web) == before


def test_how_it_is_written_is_told_by_fields_or_a_profile(still: Served, reader: httpx.Client) -> None:
    german = statement(still).replace(HEADER, "Lieferung;Konto;Datum;TPP\n").replace(",", ";")
    german = re.sub(r"(\d{4})-(\d\d)-(\d\d);", r"\3.\2.\1;", german)
    fields = {"map_shipment_id": "Lieferung", "map_account": "Konto", "map_date": "Datum", "map_amount": "TPP"}
    answer = reconcile(reader, german.encode("utf-16"), date_format="DD.MM.YYYY", **fields)
    assert "agree." in text(answer) and "Statement read with encoding utf-16-le, dates DD.MM.YYYY." in text(answer)
    profile = 'date-format = "DD.MM.YYYY"\n[map]\nshipment_id = "Lieferung"\naccount = "Konto"\ndate = "Datum"\namount = "TPP"\n'
    assert "agree." in text(reconcile(reader, german.encode(), profile=profile))
    wrong = reconcile(reader, german.encode(), profile="maps = 1")
    assert wrong.status_code == 422 and 'href="#profile"' in wrong.text
    assert "Profile has an unknown member 'maps'; did you mean map?" in text(wrong)
    only = reconcile(
        reader, statement(still).encode(), account="lpp/CON-1/2025", **{"from": "2025-06-01", "to": "2025-06-02"}
    )
    assert only.status_code == 200 and " matched, 0 only in the statement" in text(only)


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"from": "2025-06-02", "to": "2025-06-01"}, "from", "The first date is after the last."),
        ({"to": "yesterday"}, "to", "“yesterday” is not a date such as 2025-06-30."),
        ({"header_row": "٣"}, "header_row", "“٣” is not a whole number."),
        ({"header_row": "0"}, "header_row", "“Row of the header”: 0 is not a whole number from 1 on."),
        ({"encoding": "klingon"}, "encoding", "“Encoding”: 'klingon' is not a text encoding"),
        ({"account": "lpp/NOBODY/2025"}, "account", "No account “lpp/NOBODY/2025” exists"),
        ({"sheet": "May"}, "file", "may.csv is not a workbook, so it has no sheet; leave out “Sheet of a workbook”."),
        ({"map_date": "Tag"}, "file", "Tag"),
    ],
)
def test_a_mistake_in_a_field_is_named(
    still: Served, reader: httpx.Client, fields: dict[str, str], field: str, sentence: str
) -> None:
    answer = reconcile(reader, statement(still).encode(), **fields)
    assert answer.status_code == 422
    assert sentence in text(answer) and f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    for name, value in fields.items():
        assert f'value="{value}"' in answer.text, name


def test_cells_that_cannot_be_read_are_listed(reader: httpx.Client) -> None:
    rows = [f'SHP-{n},lpp/CON-1/2025,2025-06-02,"<b>{n}</b>"' for n in range(1, FIRST + 6)]
    content = (HEADER + "\n".join(rows)).encode()
    answer = reconcile(reader, content)
    assert answer.status_code == 422
    assert f"may.csv has {FIRST + 5} rows that cannot be read, so nothing was compared." in text(answer)
    assert answer.text.count("is not a whole number") == FIRST and "5 more cells cannot be read" in text(answer)
    assert "&lt;b&gt;1&lt;/b&gt;" in answer.text and "<b>1</b>" not in answer.text
    saved = reconcile(reader, content, **{"as": "errors"})
    assert len(saved.text.splitlines()) == FIRST + 6
    one = reconcile(reader, (HEADER + rows[0]).encode())
    assert "row 1 of may.csv (line 2): amount '<b>1</b>' is not a whole number" in text(one)


def bomb() -> bytes:
    """A workbook one part of which would unpack to 256 MiB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("_rels/.rels", "w") as part:
        for _ in range(256):
            part.write(b" " * (1 << 20))
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xlsx", bomb(), "a.xlsx is too large: _rels/.rels unpacks to 268,435,456 bytes."),
        ("a.xlsx", b"PK\x03\x04 no archive", "a.xlsx is not an XLSX workbook, or it is damaged."),
        ("a.csv.gz", gzip.compress(b"x"), "a.csv.gz is compressed with gzip; decompress it first."),
        ("a.pdf", b"%PDF-1.7", "a.pdf is a PDF"),
        ("a.csv", b"", "a.csv is empty."),
        ("a.csv", b"\xff\xfe\xff", "a.csv is not text in utf-16-le"),
        ("a.csv", b"caf\xe9,b\n", "give its encoding, such as “Encoding” cp1252."),
        ("..\\..\\<script>.csv", b"<html>", "<script>.csv is HTML under the name .csv"),
        ("a.json", b"[" * 100_000, "a.json"),
        ("a.csv", HEADER.encode() + b"x" * 300_000, "a row of more than 262,144 characters"),
        ("\u202e.csv", b"", r"\u202e.csv is empty."),
    ],
    ids=["bomb", "damaged", "gzip", "pdf", "empty", "odd", "bytes", "html", "deep", "long", "marks"],
)
def test_a_hostile_file_is_answered_in_words(reader: httpx.Client, name: str, content: bytes, sentence: str) -> None:
    answer = reconcile(reader, content, name)
    assert answer.status_code == 422, answer.text
    assert sentence in text(answer) or sentence in unescape(answer.text), text(answer)
    assert "\u202e" not in answer.text and len(answer.content) < 60_000


def test_a_file_that_is_too_long_or_missing(reader: httpx.Client) -> None:
    long = reconcile(reader, b"x" * (8 * 1024 * 1024 - 40_000))
    assert long.status_code == 422 and "The file is larger than 8 MiB." in text(long)
    none = reader.post(RECONCILE, data={"form": form(reader)}, files={"file": ("", b"")}, headers=SAME)
    assert none.status_code in (403, 422)
    plain = reader.post(RECONCILE, data={"form": form(reader)}, headers=SAME)
    assert plain.status_code == 403
    foreign = reader.post(RECONCILE, data={"form": "0" * 64}, files={"file": ("a.csv", b"x")}, headers=SAME)
    assert foreign.status_code == 403


def test_many_lines_are_bounded(reader: httpx.Client) -> None:
    rows = "".join(f"X-{n},lpp/CON-1/2025,2025-06-02,{n}\n" for n in range(3_000))
    answer = reconcile(reader, (HEADER + rows).encode())
    assert answer.status_code == 200 and "Only in the statement (3,000)" in text(answer)
    assert f"{3_000 - FIRST:,} more are not shown" in text(answer)
    assert len(answer.content) < 60_000
    assert len(reconcile(reader, (HEADER + rows).encode(), **{"as": "json"}).json()["missing_here"]) == 3_000


def test_hostile_names_are_text(still: Served, reader: httpx.Client) -> None:
    name = '<script>"\u202e' + "x" * 100
    with writer(still.ledger) as write:
        write(
            [
                event(
                    "h-1",
                    "allocation.set",
                    {"account": f"lpp/{'%3Cscript%3E'}/2025", "limit": 5, "valid_from": "2025-06-01"},
                )
            ]
        )
    answer = reconcile(reader, f'{HEADER}"{name.replace(chr(34), chr(34) * 2)}",lpp/CON-1/2025,2025-06-02,5\n'.encode())
    assert answer.status_code == 200
    assert "&lt;script&gt;&#34;\\u202e" in answer.text and "\u202e" not in answer.text
