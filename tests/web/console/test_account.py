"""The page of an account: the figures of `tpp balance`, the entries of `tpp statement`, its file, its limits."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import orjson
import pytest
from click.testing import CliRunner
from databases import KINDS
from quotas_ledger import HOSTILE, ODD, TODAY, close, lines, quotas_web
from quotas_run import Page, number, reader
from reading_run import listed
from signin_run import browser
from web_run import Served

from services.cli.commands import main
from services.visible import visible
from services.web.pages.sessions import sign_in_address

HUMAIN, TELANGANA, SESTERCE = "nveu/CON-HUMAIN/SA", "lpp/CON-GOVERNMENT-OF-TELANGANA/2026", "aia/CON-SESTERCE"
EVIL, ODD_LICENCE = "lpp/CON-EVIL/2026", f"license/{ODD}"


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("account")
    with quotas_web(request.param, request, folder, lines()) as running:
        close(running.ledger, "2026-Q3", folder)
        yield running


@pytest.fixture(scope="module")
def client(web: Served) -> Iterator[httpx.Client]:
    with reader(web) as made:
        yield made


def opened(client: httpx.Client, path: str, status: int = 200) -> Page:
    answer = client.get(f"/console/accounts/{path}")
    assert answer.status_code == status, answer.text
    return Page(answer.text)


def stats(page: Page) -> dict[str, str]:
    return dict(zip(page.texts("dt"), page.texts("dd"), strict=True))


def entries(page: Page) -> list[dict[str, str]]:
    """The rows of entries; the number under `No.`, its cause under `Cause`."""
    found: list[dict[str, str]] = []
    for tag, attrs, text in page.elements:
        if tag == "tr" and "data-t" in attrs:
            found.append({name: attrs[f"data-{name}"] for name in ("t", "posted", "pending")})
        elif tag == "td" and found and len(found[-1]) < 9:
            names = ["No.", "Happened", "Cause"]
            known = attrs.get("data-label") or names[sum(name in found[-1] for name in names)]
            found[-1][known] = " ".join("".join(text).split())
    return found


def test_every_account_has_the_figures_of_the_command_line(web: Served, client: httpx.Client) -> None:
    for row in listed(web.ledger, "balance"):
        page = opened(client, row["account"])
        said = stats(page)
        for part in ("Posted", "Pending", "Attested", "Credits"):
            assert number(said[part]) == row[part.lower()], row
        if row["limit"] is None:
            assert number(said["Balance, TPP"]) == row["balance"]
        else:
            assert (number(said["Left, TPP"]), number(said["Limit"])) == (row["available"], row["limit"])
            assert said["Used"] == f"{row['used'] // 10_000:,}.{row['used'] // 1_000 % 10} %"
        warned = " ".join(page.texts("div", class_="msg warn"))
        assert (f"Full by {row['forecast']['exhausted_on']}" if row["forecast"] else "") in warned
        assert ("Full by" in warned) == bool(row["forecast"])


def test_entries_are_those_of_the_statement_the_newest_first(web: Served, client: httpx.Client) -> None:
    for path in (HUMAIN, TELANGANA, SESTERCE):
        wanted = [row for row in listed(web.ledger, "statement", path) if row["entry"] is not None]
        wanted.sort(key=lambda row: -row["entry"])
        shown = entries(opened(client, path))
        assert [int(row["No."]) for row in shown] == [row["entry"] for row in wanted[:100]]
        pending, posted = 0, 0
        parts = {}
        for row in reversed(wanted):
            pending, posted = pending + row["pending"], posted + row["posted"] + row["attested"] - row["credits"]
            parts[row["entry"]] = (pending, posted)
        for cells, row in zip(shown, wanted, strict=False):
            assert [number(cells[part]) or 0 for part in ("Pending", "Posted")] == [row["pending"], row["posted"]]
            assert number(cells["Balance"]) == sum(parts[row["entry"]])
            assert (int(cells["pending"]), int(cells["posted"])) == parts[row["entry"]]
            assert cells["Cause"].endswith(row["shipment_id"])
            assert cells["Happened"] == row["happened"][:16].replace("T", " ")


def test_causes_are_words(client: httpx.Client) -> None:
    causes = {row["Cause"].split()[0] for row in entries(opened(client, HUMAIN))}
    assert causes == {"Approved", "Dispatched", "Cancelled"}
    (attested, *_) = (row["Cause"] for row in entries(opened(client, EVIL)))
    assert attested == "Attested"


def test_limits_stand_with_their_source_and_date(client: httpx.Client) -> None:
    page = opened(client, HUMAIN)
    rows = page.texts("tr")
    house = "House limit: policy <b>of</b> the house; set 2026-11-20. In force"
    assert f"2026-08-01{house}1,200,000,000" in rows
    assert "2026-06-01House limit: an earlier policy; set 2026-11-201,500,000,000" in rows
    assert "2026-10-01The rule’s limit; the house limit takes its place4,272,750,000" in rows
    assert page.texts("tr", class_="at") == [f"2026-08-01{house}1,200,000,000"]
    assert opened(client, TELANGANA).texts("tr", class_="at") == ["2026-01-01The rule’s limit. In force26,900,000"]
    assert opened(client, ODD_LICENCE).texts("tr", class_="at") == ["2025-01-13Licence of 2026-11-20. In force500,000"]


def test_a_limit_that_no_entry_knows_yet_is_told_apart(web: Served, client: httpx.Client) -> None:
    (row,) = listed(web.ledger, "balance", "nveu/CON-G42/AE")
    page = opened(client, "nveu/CON-G42/AE")
    (in_force,) = page.texts("tr", class_="at")
    note = f"The figures above are those of the limit that its last entry knew, {row['limit']:,} TPP."
    assert (note in page.texts("p", class_="note")) == (not in_force.endswith(f"In force{row['limit']:,}"))
    assert note in page.texts("p", class_="note")


def test_thresholds_have_the_day_since_which_they_are_passed(web: Served, client: httpx.Client) -> None:
    rows = opened(client, TELANGANA).texts("tr")
    history = [row for row in listed(web.ledger, "statement", TELANGANA) if row["entry"] is not None]
    for name, amount in (("1,000,000 TPP", 1_000_000), ("25 % 6,725,000", 6_725_000)):
        since = next(row["happened"][:10] for row in history if row["balance"] >= amount)
        assert f"{name}{since}" in rows
    assert "95.5 % 25,689,500not yet" in rows
    assert re.search("253,000,000 TPP2026-", " ".join(opened(client, SESTERCE).texts("tr")))


def test_what_waits_leads_to_holds(web: Served, client: httpx.Client) -> None:
    page = opened(client, TELANGANA)
    waiting = listed(web.ledger, "holds", "--account", TELANGANA)
    assert waiting
    tpp = sum(hold["tpp"] for hold in waiting if hold["export_date"] >= TODAY)
    assert f"{len(waiting)} holds ask for {tpp:,} TPP." in page.texts("p")
    for hold in waiting:
        assert page.texts("a", href=f"/console/holds/{hold['shipment_id']}") == [hold["shipment_id"]]
    assert "No hold waits for this account." in opened(client, HUMAIN).texts("p")


def test_the_pages_of_accounts_lead_through_all_of_them(web: Served, client: httpx.Client) -> None:
    paths = sorted(row["account"] for row in listed(web.ledger, "balance"))
    found, path = [], paths[0]
    assert opened(client, path).found("a", rel="prev") == []
    while path:
        found.append(path)
        after = [
            attrs["href"] for attrs, _ in opened(client, path).found("a", rel="next") if "before=" not in attrs["href"]
        ]
        path = unquote(after[0]).removeprefix("/console/accounts/") if after else ""
    assert found == paths


@pytest.mark.parametrize("path", [ODD_LICENCE, EVIL, "license/A.b_C%3Ad-9", "license%2FA.b_C:d-9"])
def test_a_path_has_every_character_of_an_identifier(client: httpx.Client, path: str) -> None:
    assert opened(client, path).texts("h1")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("lpp/CON-NOBODY/2026", "lpp/CON-NOBODY/2026"),
        ("lpp/CON-HUMAIN", "lpp/CON-HUMAIN"),
        ("x", "x"),
        ("flow/ZZ/2026", "flow/ZZ/2026"),
        ("lpp/%3Cscript%3E/2026", "lpp/<script>/2026"),
        ("lpp/%E2%80%AE/2026", r"lpp/\u202e/2026"),
        ("a" * 300, "a" * 200),
    ],
)
def test_an_account_that_does_not_exist(client: httpx.Client, path: str, said: str) -> None:
    page = opened(client, path, 404)
    assert f"There is no account {said}. An account begins with its first entry." in page.texts("p")
    owner = [attrs["href"] for attrs, text in page.found("a") if "".join(text).startswith("Accounts of")]
    assert owner == (["/console/quotas?account=CON-NOBODY&year=all"] if "NOBODY" in path else [])
    assert page.texts("a", href="/console/quotas")


def test_a_flow_has_its_figures_and_no_entries(web: Served, client: httpx.Client) -> None:
    (row,) = listed(web.ledger, "balance", "flow/IN/2026")
    page = opened(client, "flow/IN/2026")
    assert page.texts("h1") == ["India, 2026"]
    assert (number(stats(page)["Posted"]), number(stats(page)["Pending"])) == (row["posted"], row["pending"])
    assert page.found("form", action="/console/accounts-statement") == []
    assert page.found("table") == []


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet", "hledger"])
@pytest.mark.parametrize("days", [(None, None), ("2026-09-01", "2026-10-31"), ("2030-01-01", None)])
def test_a_statement_is_the_file_of_the_command_line(
    web: Served, client: httpx.Client, tmp_path: Path, form: str, days: tuple[str | None, str | None]
) -> None:
    options = [word for name, day in zip(("--from", "--to"), days, strict=True) if day for word in (name, day)]
    out = tmp_path / "statement"
    words = ["statement", HUMAIN, *options, "--format", form, "--out", str(out), "--ledger", web.ledger]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    query = {"account": HUMAIN, "from": days[0] or "", "to": days[1] or "", "format": form}
    answer = client.get("/console/accounts-statement", params=query)
    assert answer.status_code == 200
    assert answer.content == out.read_bytes()
    ending = "journal" if form == "hledger" else form
    assert answer.headers["content-disposition"] == f'attachment; filename="nveu-CON-HUMAIN-SA.{ending}"'


def test_a_statement_of_everything_is_csv(client: httpx.Client) -> None:
    plain = client.get("/console/accounts-statement", params={"account": HUMAIN})
    assert plain.headers["content-type"].startswith("text/csv")
    assert plain.text.count("\n") > 30


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"from": "2026-13-01"}, 400, "Statement from: 2026-13-01 is not a day, such as 2026-06-30."),
        ({"to": "<b>"}, 400, "to: <b> is not a day, such as 2026-06-30."),
        ({"from": "2026-02-01", "to": "2026-01-01"}, 400, "The first day of a statement must not be after its last."),
        ({"format": "table"}, 400, "table is not a format of statements."),
        ({"format": "pdf\x00"}, 400, "is not a format of statements."),
        ({"account": "lpp/CON-*/2026"}, 404, "There is no account lpp/CON-*/2026."),
        ({"account": "lpp/\x00/2026"}, 404, "There is no account"),
        ({"account": ""}, 404, "There is no account"),
        ({"account": "flow/IN/2026"}, 404, "There is no account flow/IN/2026."),
        ({"account": "lpp/CON-NOBODY/2026"}, 404, "An account begins with its first entry."),
    ],
)
def test_a_statement_that_is_not_made(client: httpx.Client, query: dict[str, str], status: int, said: str) -> None:
    answer = client.get("/console/accounts-statement", params={"account": HUMAIN, **query})
    assert answer.status_code == status
    assert any(said in text for text in Page(answer.text).texts("p")), answer.text


def test_closed_periods_lead_finance_to_them(web: Served, client: httpx.Client) -> None:
    said = [text for text in opened(client, HUMAIN).texts("p") if text.startswith("Closed periods")]
    assert said == ["Closed periods, as finance has them: 2026-Q3"]
    assert not [1 for attrs, _ in opened(client, HUMAIN).found("a") if "/console/periods" in attrs["href"]]
    with reader(web, "finance") as finance:
        links = [attrs["href"] for attrs, _ in opened(finance, HUMAIN).found("a")]
        assert any(link.startswith("/console/periods/") for link in links)


def test_the_chart_is_the_table_and_hidden_without_a_script(client: httpx.Client) -> None:
    page = opened(client, HUMAIN)
    ((figure, _),) = page.found("figure", class_="chart")
    assert "hidden" in figure
    assert figure["data-table"] == "#entries"
    assert figure["data-limit"] == "1200000000"
    assert figure["data-marks"] == "600000000 960000000 1140000000"
    for tag, name in (("script", "src"), ("link", "href")):
        for attrs, _ in page.found(tag):
            assert ("integrity" in attrs) == ("uplot" in attrs.get(name, "")), attrs
            assert attrs.get("integrity", "sha384-").startswith("sha384-")
    assert opened(client, SESTERCE).found("figure", class_="chart")[0][0]["data-limit"] == "253000000"
    assert opened(client, "uveu/CON-MICROSOFT/total").found("figure", class_="chart")[0][0]["data-limit"] == ""


def test_pages_are_sound(client: httpx.Client) -> None:
    for path in (HUMAIN, TELANGANA, SESTERCE, EVIL, ODD_LICENCE, "flow/IN/2026", "lpp/CON-FULL/2026"):
        page = opened(client, path)
        assert len(page.ids()) == len(set(page.ids())), path
        labelled = {attrs.get("for") for attrs, _ in page.found("label")}
        fields = {attrs["id"] for tag in ("select", "input") for attrs, _ in page.found(tag) if "id" in attrs}
        assert fields - {"shortcuts"} <= labelled
        assert all("scope" in attrs for attrs, _ in page.found("th"))
        assert len(page.found("h1")) == 1
        assert page.found("style") == []
        assert all("style" not in attrs for _, attrs, _ in page.elements)


def test_names_and_citations_are_text(client: httpx.Client) -> None:
    html = client.get(f"/console/accounts/{EVIL}").text
    assert Page(html).texts("h1") == [" ".join(visible(HOSTILE).split())]
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "<b>of</b> the house" not in client.get(f"/console/accounts/{HUMAIN}").text


def test_only_readers_open_it(web: Served) -> None:
    addresses = (f"/console/accounts/{HUMAIN}", f"/console/accounts-statement?account={quote(HUMAIN, safe='')}")
    for address in addresses:
        for role in ("monitor", "reviewer", "finance", "admin"):
            with reader(web, role) as one:
                assert one.get(address).status_code == 200, role
        with reader(web, "publisher") as one:
            assert one.get(address).status_code == 403
        with browser(web) as nobody:
            assert nobody.get(address).headers["location"] == sign_in_address(address)


def test_what_the_page_is_about_is_named_for_the_stream(client: httpx.Client) -> None:
    body = opened(client, EVIL).found("body")[0][0]
    assert body["data-live"] == f"account:{EVIL}"
    assert orjson.loads(body["data-after"]) > 0


def test_an_account_that_is_full_or_past_its_trigger_says_so(client: httpx.Client) -> None:
    assert opened(client, "lpp/CON-FULL/2026").texts("div", class_="msg bad") == ["Over its limit by 47,496 TPP."]
    warned = opened(client, SESTERCE).texts("div", class_="msg warn")
    assert any(said.startswith("Past the trigger of 253,000,000 TPP by 1,") for said in warned)
