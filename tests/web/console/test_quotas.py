"""The page of quotas: the figures of `tpp balance`, the worst first, under every filter, for those who may read it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from databases import KINDS
from quotas_ledger import HOSTILE, LONG, TODAY, lines, quotas_web
from quotas_run import Page, number, reader
from reading_run import listed
from signin_run import browser
from web_run import Served

from services.visible import visible

Row = dict[str, Any]


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with quotas_web(request.param, request, tmp_path_factory.mktemp("quotas"), lines()) as running:
        yield running


@pytest.fixture(scope="module")
def client(web: Served) -> Iterator[httpx.Client]:
    with reader(web) as made:
        yield made


@pytest.fixture(scope="module")
def balances(web: Served) -> dict[str, Row]:
    return {row["account"]: row for row in listed(web.ledger, "balance")}


@pytest.fixture(scope="module")
def asked(web: Served) -> dict[str, tuple[int, int, int]]:
    """By account the holds whose date is to come, their TPP, and those whose date is past, as `tpp holds` tells them."""
    found: dict[str, tuple[int, int, int]] = {}
    for hold in listed(web.ledger, "holds"):
        accounts = {reason["facts"].get("account") for reason in hold["reasons"] if "short_by" in reason["facts"]}
        for account in accounts - {None}:
            holds, tpp, past = found.get(account, (0, 0, 0))
            ahead = hold["export_date"] >= TODAY
            found[account] = (holds + ahead, tpp + hold["tpp"] * ahead, past + (not ahead))
    return found


def opened(client: httpx.Client, address: str = "/console/quotas", status: int = 200) -> Page:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return Page(answer.text)


def percent(millionths: int) -> str:
    return f"{millionths // 10_000:,}.{millionths // 1_000 % 10} %"


def test_every_account_has_the_figures_of_the_command_line(client: httpx.Client, balances: dict[str, Row]) -> None:
    page = opened(client, "/console/quotas?year=all")
    rows = page.rows() | opened(client, "/console/quotas?year=all&kind=none").rows()
    assert rows.keys() == balances.keys()
    for path, row in balances.items():
        cells = rows[path]
        assert cells[""].endswith(path)
        assert number(cells["Posted"]) == row["posted"]
        assert number(cells["Pending"]) == row["pending"]
        if row["limit"] is None:
            assert number(cells["Received"]) == row["balance"]
            continue
        assert number(cells["Limit"]) == row["limit"]
        assert number(cells["Left"]) == row["available"]
        assert cells["Used"] == percent(row["used"])
        assert cells["Full by"].partition("-")[0] == (row["forecast"]["exhausted_on"][:4] if row["forecast"] else "")
        if row["forecast"]:
            assert cells["Full by"].startswith(row["forecast"]["exhausted_on"])
    assert any(row["forecast"] for row in balances.values())


def test_what_is_attested_or_credited_stands_with_what_is_posted(client: httpx.Client) -> None:
    assert opened(client).rows()["lpp/CON-EVIL/2026"]["Posted"].endswith("attested 4,000")


def test_the_worst_comes_first_by_what_is_used_and_waits(
    client: httpx.Client, balances: dict[str, Row], asked: dict[str, tuple[int, int, int]]
) -> None:
    def worst(row: Row) -> tuple[int, str]:
        wanted = max(0, row["balance"]) + asked.get(row["account"], (0, 0, 0))[1]
        share = wanted * 1_000_000 // (row["limit"] or 1)
        return (-share if row["limit"] else -max(1_000_000, share), row["account"])

    shown = list(opened(client, "/console/quotas?year=all&kind=lpp").rows())
    limited = [row for row in balances.values() if row["limit"] is not None and row["account"].startswith("lpp/")]
    by_size = [worst(row)[0] for row in limited]
    assert [worst(balances[path])[0] for path in shown] == sorted(by_size)
    assert shown[0] == min(limited, key=worst)["account"]


def test_holds_that_wait_are_counted_and_lead_to_their_list(
    client: httpx.Client, asked: dict[str, tuple[int, int, int]]
) -> None:
    page = opened(client, "/console/quotas?year=all")
    rows = page.rows()
    assert asked
    for path, (holds, tpp, past) in asked.items():
        said = f"{holds} hold{'s' * (holds != 1)}{tpp:,}" if holds else f"{past} past their date"
        assert rows[path]["Waiting"] == said, path
    ahead = [path for path, (holds, _, _) in asked.items() if holds]
    links = [attrs["href"] for attrs, _ in page.found("a") if attrs["href"].startswith("/console/holds?account=")]
    assert sorted(links) == sorted(f"/console/holds?account={path.replace('/', '%2F')}" for path in ahead)


def test_the_sentence_counts_what_the_command_line_lists(
    client: httpx.Client, balances: dict[str, Row], asked: dict[str, tuple[int, int, int]]
) -> None:
    now = [row for row in balances.values() if not re.search("/202[0-5]$", row["account"])]
    short = sum(
        asked.get(row["account"], (0, 0))[1] > (row["available"] or 0) for row in now if row["limit"] is not None
    )
    soon = sum(bool(row["forecast"]) and row["forecast"]["exhausted_on"] <= "2026-12-24" for row in now)
    past = sum(row["account"].startswith("aia/") and row["balance"] >= 253_000_000 for row in now)
    assert short > 1
    assert soon > 0
    (said,) = opened(client).texts("p", id="lead")
    assert said == (
        f"{short} limits are asked for more than is left, {soon} will be full within 30 days, "
        f"{past} consignees are past the AIA trigger. {len(now)} accounts."
    )


FILTERS: list[tuple[str, Callable[[Row], bool]]] = [
    ("kind=lpp", lambda row: row["account"].startswith("lpp/")),
    ("kind=aia", lambda row: row["account"].startswith("aia/")),
    ("kind=none", lambda row: row["limit"] is None),
    ("near=50", lambda row: used(row) >= 500_000),
    ("near=100&kind=lpp", lambda row: row["account"].startswith("lpp/") and used(row) >= 1_000_000),
    ("near=80&kind=none", lambda row: row["limit"] is None and used(row) >= 800_000),
    ("account=lpp/*/2026", lambda row: re.fullmatch("lpp/.*/2026", row["account"]) is not None),
    ("account=humain", lambda row: "HUMAIN" in row["account"]),
    ("account=metal+cloud", lambda row: "SUSTAINABLE-METAL-CLOUD" in row["account"]),
    ("account=alert(1)%3C", lambda row: "CON-EVIL" in row["account"]),
    ("country=SA", lambda row: row["account"] == "nveu/CON-HUMAIN/SA"),
    ("account=nveu/*&country=AE", lambda row: row["account"] == "nveu/CON-G42/AE"),
    ("kind=license&account=a.B", lambda row: row["account"].startswith("license/")),
]


def used(row: Row) -> int:
    if row["limit"] is None:
        return int(row["balance"] * 1_000_000 // 253_000_000) if row["account"].startswith("aia/") else 0
    return int(row["used"])


@pytest.mark.parametrize(("query", "fits"), FILTERS, ids=[query for query, _ in FILTERS])
def test_a_filter_leaves_what_fits(
    client: httpx.Client, balances: dict[str, Row], query: str, fits: Callable[[Row], bool]
) -> None:
    shown = opened(client, f"/console/quotas?year=all&{query}").rows().keys()
    if "kind" not in query:  # only the first of those without a limit stand below the others
        shown |= opened(client, f"/console/quotas?year=all&{query}&kind=none").rows().keys()
    wanted = {path for path, row in balances.items() if fits(row)}
    assert 0 < len(wanted) < len(balances)
    assert shown == wanted


def test_a_period_leaves_the_accounts_of_its_year_and_those_without_one(
    client: httpx.Client, balances: dict[str, Row]
) -> None:
    shown = {year: opened(client, f"/console/quotas?kind=lpp&year={year}").rows().keys() for year in ("2025", "")}
    of = {year: {path for path in balances if re.fullmatch(f"lpp/.*/{year}", path)} for year in ("2025", "202[67]")}
    assert (shown["2025"], shown[""]) == (of["2025"], of["202[67]"])
    assert "nveu/CON-G42/AE" in opened(client, "/console/quotas?year=2025").rows()


def test_the_kinds_are_counted_and_what_was_chosen_stays_chosen(client: httpx.Client, balances: dict[str, Row]) -> None:
    page = opened(client, "/console/quotas?year=all&kind=nveu&near=50&account=%22%3E%3Cb%3E")
    options = {attrs["value"]: "".join(text) for attrs, text in page.found("option")}
    for family in ("lpp", "aia", "uveu", "country"):
        many = sum(path.startswith(f"{family}/") for path in balances)
        assert options[family].endswith(f"({many})")
    chosen = {attrs["value"] for attrs, _ in page.found("option") if "selected" in attrs}
    assert chosen == {"nveu", "", "50", "all"}
    assert page.found("input", id="account")[0][0]["value"] == '"><b>'


def test_without_a_match_the_page_says_so_and_leads_to_all(client: httpx.Client, balances: dict[str, Row]) -> None:
    page = opened(client, "/console/quotas?kind=facility&country=PL&account=nobody")
    assert "No account has the kind Facility, the owner or path nobody, the country PL" in page.texts("h2")
    assert ("Show all", str(len(balances))) == tuple(page.texts("a", href="/console/quotas?year=all")[0].rsplit(" ", 1))


@pytest.mark.parametrize(
    "query",
    ["kind=lpq", "near=7", "near=50%20", "country=pl", "country=POL", "year=26", "year=none", "page=0", "page=-1",
     "page=x", "page=9999999", "account=" + "a" * 201, "kind=%3Cscript%3E", "country=%00", "kind=lpp%0a"],
)  # fmt: skip
def test_a_malformed_filter_is_named_and_left_out(client: httpx.Client, query: str) -> None:
    if query in ("near=50%20", "kind=lpp%0a"):  # blanks around a value are none of it
        opened(client, f"/console/quotas?{query}")
        return
    page = opened(client, f"/console/quotas?{query}", 400)
    (said,) = page.texts("div", role="alert")
    assert said.startswith("Left out of the filter: ")
    assert page.rows()
    assert "<script>" not in client.get(f"/console/quotas?{query}").text


def test_unknown_names_of_a_query_and_odd_texts_are_no_failure(client: httpx.Client) -> None:
    for query in ("x=1", "account=%00", "account=*", "account=%5B%25_?*", "account=%F0%9F%98%80", "kind=&kind=aia"):
        assert client.get(f"/console/quotas?{query}").status_code == 200, query
    assert opened(client, "/console/quotas?page=900").rows() == {}


def test_names_are_text(client: httpx.Client) -> None:
    html = client.get("/console/quotas").text
    rows = Page(html).rows()
    assert rows["lpp/CON-EVIL/2026"][""].startswith(" ".join(visible(HOSTILE).split()))
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert rows["lpp/CON-LONG/2026"][""].startswith(LONG)


def test_a_limit_of_the_house_is_said_to_be_one(client: httpx.Client) -> None:
    rows = opened(client).rows()
    assert rows["nveu/CON-HUMAIN/SA"]["Limit"] == "1,200,000,000house limit"
    assert rows["nveu/CON-G42/AE"]["Limit"].replace(",", "").isdigit()
    assert rows["lpp/CON-FULL/2026"]["Limit"] == "0house limit"
    assert rows["lpp/CON-FULL/2026"]["Used"] == "100.0 %"


def test_the_page_stands_at_both_addresses_and_is_sound(client: httpx.Client) -> None:
    page, home = opened(client), opened(client, "/console/")
    assert home.rows() == page.rows()
    assert len(page.ids()) == len(set(page.ids()))
    labelled = {attrs.get("for") for attrs, _ in page.found("label")}
    fields = [
        attrs["id"] for tag in ("select", "input") for attrs, _ in page.found(tag) if attrs.get("type") != "hidden"
    ]
    assert set(fields) - {"shortcuts"} <= labelled
    assert all("scope" in attrs for attrs, _ in page.found("th"))
    assert len(page.found("h1")) == 1


def test_only_readers_open_it(web: Served) -> None:
    for role in ("monitor", "reviewer", "finance", "admin"):
        with reader(web, role) as one:
            assert one.get("/console/quotas").status_code == 200, role
    with reader(web, "publisher") as one:
        assert one.get("/console/quotas").status_code == 403
        assert "account-lpp_2f_" not in one.get("/console/").text
    with browser(web) as nobody:
        assert nobody.get("/console/quotas").headers["location"] == "/sign-in?next=/console/quotas"
