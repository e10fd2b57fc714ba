"""The pages of periods: a close in a person's name, the files of a period, two compared."""

import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from periods_run import PERIODS, RECONCILE, everything, form, text, tpp, with_a_close
from reading_run import listed, request, screen, something_of_everything, writer
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
from services.views.console.periods import MOST_CHANGES, PAGE
from services.web.access import Role
from services.web.pages.sessions import new_link


@pytest.fixture
def web(ledger_url: str, tmp_path: Path) -> Iterator[Served]:
    """A running `tpp serve` on a ledger with something of everything, and a key of its own; on both databases."""
    with everything(ledger_url, tmp_path / "key") as running:
        yield running


@pytest.fixture
def finance(web: Served) -> Iterator[httpx.Client]:
    with sign_in(web, web.token("finance", "f.ines")) as client:
        yield client


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One running `tpp serve` for the tests that write nothing, on SQLite, with 2025-06 closed."""
    with with_a_close(tmp_path_factory.mktemp("still")) as running:
        yield running


@pytest.fixture(scope="module")
def reader(still: Served) -> Iterator[httpx.Client]:
    with sign_in(still, still.token("finance", "f.ines")) as client:
        yield client


def close(client: httpx.Client, name: str, token: str | None = None) -> httpx.Response:
    return client.post(PERIODS, data={"form": token or form(client), "period": name}, headers=SAME)


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
