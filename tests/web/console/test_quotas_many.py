"""Quotas and an account in pages, a ledger in which nothing happened, and what the stream makes anew."""

from collections.abc import Iterator
from datetime import date

import httpx
import pytest
from databases import KINDS
from quotas_ledger import quotas_web
from quotas_run import Page, reader
from reading_run import request as asking
from reading_run import screen, tick
from web_run import Served, served

import rulebook
from ledger.database.store import Store
from services.views.console import account, quotas
from services.views.console.look.render import Touched

MANY, MOST = 2 * quotas.PAGE + 3, 2 * account.PAGE + 7
TODAY = date(2025, 6, 10)
BUSY = "lpp/CON-BUSY/2025"


def lines() -> list[bytes]:
    """More accounts than two pages have, each with another use, and more entries of one than two pages have."""
    each = [asking(f"SHP-{n}", n + 1, consignee=f"CON-{n:04}") for n in range(MANY)]
    more = [asking(f"BUSY-{n}", 1, consignee="CON-BUSY") for n in range(MOST)]
    return [*each, *more, asking("HELD", 1_700, consignee="CON-0007", date="2025-06-30"), tick(TODAY.isoformat())]


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with quotas_web(request.param, request, tmp_path_factory.mktemp("many"), lines()) as running:
        yield running


@pytest.fixture(scope="module")
def client(web: Served) -> Iterator[httpx.Client]:
    with reader(web) as made:
        yield made


def followed(client: httpx.Client, address: str) -> list[Page]:
    """A list's pages, one after another by the links between them."""
    found = []
    while address:
        found.append(Page(client.get(address).text))
        links = [attrs["href"] for attrs, _ in found[-1].found("a", rel="next")]
        links = [link for link in links if "page=" in link or "before=" in link]
        address = links[0] if links else ""
    return found


def test_accounts_come_in_pages_each_once(client: httpx.Client) -> None:
    pages = followed(client, "/console/quotas?kind=lpp")
    assert [len(page.rows()) for page in pages] == [quotas.PAGE, quotas.PAGE, MANY + 1 - 2 * quotas.PAGE]
    shown = [path for page in pages for path in page.rows()]
    assert shown[0] == "lpp/CON-0007/2025"
    busy = [f"lpp/CON-{n:04}/2025" for n in reversed(range(MANY)) if n != 7]
    assert sorted(shown[1:]) == sorted([*busy, BUSY])
    used = [int(page.rows()[path]["Left"].replace(",", "")) for page in pages for path in page.rows()][1:]
    assert used == sorted(used)
    assert f"1 to {quotas.PAGE} of {MANY + 1}" in " ".join(pages[0].texts("nav"))
    assert pages[1].texts("a", href="/console/quotas?kind=lpp") == ["First page"]


def test_entries_come_in_pages_the_newest_first(client: httpx.Client) -> None:
    pages = followed(client, f"/console/accounts/{BUSY}")
    first = [int(page.texts("td", class_="r")[0]) for page in pages]
    assert first == [MOST, MOST - account.PAGE, MOST - 2 * account.PAGE]
    rows = [attrs for page in pages for attrs, _ in page.found("tr") if "data-t" in attrs]
    assert len(rows) == MOST
    assert [int(row["data-pending"]) for row in rows] == [15_832 * n for n in range(MOST, 0, -1)]
    assert pages[1].found("figure", class_="chart")[0][0]["data-now"] == ""


@pytest.mark.parametrize("before", ["0", "-1", "x", "9" * 18, "9" * 30, "%00", "1"])
def test_a_page_of_entries_that_is_none(client: httpx.Client, before: str) -> None:
    assert client.get(f"/console/accounts/{BUSY}?before={before}").status_code == 200


def test_the_stream_gets_the_rows_of_accounts_that_were_touched(web: Served, client: httpx.Client) -> None:
    store, book = Store(web.ledger), rulebook.load("ai-diffusion", {})
    touched = Touched(frozenset({"HELD"}), frozenset({BUSY, "lpp/CON-0007/2025", "lpp/NONE/2025"}), False)
    with store.read() as connection:
        made = quotas.parts(connection, book, TODAY, "", touched)
        of_account = account.parts(connection, book, TODAY, BUSY, touched)
        others = account.parts(connection, book, TODAY, "lpp/CON-0001/2025", touched)
    store.close()
    shown = client.get("/console/quotas").text + client.get("/console/quotas?page=2").text
    assert [Page(part).ids()[0] for part in made] == [
        "lead",
        "account-lpp_2f_CON-0007_2f_2025",
        f"account-{BUSY.replace('/', '_2f_')}",
    ]
    assert all(part in shown for part in made)
    page = client.get(f"/console/accounts/{BUSY}").text
    assert [Page(part).ids()[0] for part in of_account] == ["figures", "waiting", "news"]
    assert of_account[0] in page
    assert of_account[1] in page
    assert {"figures", "waiting", "news"} <= set(Page(page).ids())
    assert f"The account has {MOST} entries now." in of_account[2]
    assert others == []


def test_a_new_ledger_says_how_to_begin(ledger_url: str) -> None:
    with served(ledger_url) as web, reader(web) as one:
        page = Page(one.get("/console/quotas").text)
        assert page.texts("h2")[0] == "No event has come in yet"
        assert page.texts("pre") == ["tpp publish examples/quickstart.jsonl"]
        assert page.found("select") == []


def test_a_ledger_without_an_account_says_so(ledger_url: str) -> None:
    screen(ledger_url, [b"{}"])
    with served(ledger_url) as web, reader(web) as one:
        assert Page(one.get("/console/quotas").text).texts("h2")[0] == "No account yet"
