"""The search, which leads to what alone has an identifier, and the page of a party."""

import re
from collections.abc import Iterator

import httpx
import pytest
from databases import KINDS
from found_run import HOSTILE_ID, LONG_ID, MANY, OTHER, WMS, ids, main_of, pages_of, person, words
from reading_run import listed
from web_run import Served


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from pages_of(request, tmp_path_factory)


@pytest.fixture
def monitor(web: Served) -> Iterator[httpx.Client]:
    yield from person(web, "monitor", "m.one")


@pytest.fixture
def publisher(web: Served) -> Iterator[httpx.Client]:
    yield from person(web, "publisher", "wms", f"{WMS}*")


def search(client: httpx.Client, text: str) -> httpx.Response:
    return client.get("/console/search", params={"q": text})


def groups(answer: httpx.Response) -> dict[str, list[str]]:
    """The identifiers that a page of results shows, by their group."""
    assert answer.status_code == 200, answer.text
    assert len(ids(answer.text)) == len(set(ids(answer.text)))
    parts = re.split(r'<h2 id="group-([a-z]+)">', main_of(answer.text))
    return {
        kind: [words(one) for one in re.findall(r'class="id"[^>]*>([^<]*)<', body)]
        for kind, body in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("SHP-1", "/console/shipments/SHP-1"),
        (" shp-many ", f"/console/shipments/{MANY}"),
        (LONG_ID.lower(), f"/console/shipments/{LONG_ID}"),
        ("CON-10", "/console/parties/CON-10"),
        ("con-13", "/console/parties/CON-13"),
        ("EXP-1", "/console/parties/EXP-1"),
        ("lpp/CON-1/2025", "/console/accounts/lpp/CON-1/2025"),
        ("LPP/con-1/2025", "/console/accounts/lpp/CON-1/2025"),
        ("entries", "/console/accounts/license/entries"),
        ("ENTRIES", "/console/accounts/license/entries"),
    ],
)
def test_what_alone_has_an_identifier_is_opened(monitor: httpx.Client, text: str, address: str) -> None:
    answer = search(monitor, text)
    assert (answer.status_code, answer.headers.get("location")) == (303, address)


def test_what_several_have_is_listed(monitor: httpx.Client) -> None:
    found = groups(search(monitor, HOSTILE_ID))
    assert found["shipment"] == found["party"] == [HOSTILE_ID]


def test_parts_of_identifiers_and_of_names(monitor: httpx.Client) -> None:
    found = groups(search(monitor, "hp-1"))
    assert found["shipment"][:5] == ["SHP-1", "SHP-10", "SHP-11", "SHP-12", "SHP-13"]
    assert groups(search(monitor, "ZAKŁAD ąę"))["party"] == ["CON-10"]
    assert groups(search(monitor, "party con-1"))["party"]
    assert "lpp/CON-11/2025" in groups(search(monitor, "con-11/"))["account"]
    assert groups(search(monitor, "entr"))["license"] == ["entries"]
    hostile = search(monitor, '<script>alert("1")')
    assert groups(hostile)["party"] == [HOSTILE_ID] and "<script>alert" not in hostile.text


@pytest.mark.parametrize(
    "text", ["nothing-of-this", "%", "_", "*", "\\", "'", '"; --', "a" * 5_000, "\N{SNOWMAN}", "\0"]
)
def test_nothing_found_is_a_sentence(monitor: httpx.Client, publisher: httpx.Client, text: str) -> None:
    for client in (monitor, publisher):
        answer = search(client, text)
        assert answer.status_code == 200 and ("Nothing found" in answer.text or text in ("_", "'", "\0")), text
        assert text == "\0" or "\0" not in answer.text
    assert search(monitor, "").status_code == monitor.get("/console/search").status_code == 200


def test_a_publisher_finds_its_own_shipments_alone(web: Served, publisher: httpx.Client) -> None:
    assert search(publisher, "SHP-1").headers["location"] == "/console/shipments/SHP-1"
    for strange in ("SHP-3", LONG_ID, "EXP-1", "CON-10", "lpp/CON-1/2025", "entries"):
        answer = search(publisher, strange)
        assert answer.status_code == 200 and groups(answer) == {}, strange
    assert "SHP-3" not in groups(search(publisher, "shp"))["shipment"]
    assert set(groups(search(publisher, "shp"))) == {"shipment"}
    for client in person(web, "publisher", "other", OTHER):
        assert search(client, LONG_ID).headers["location"] == f"/console/shipments/{LONG_ID}"


def test_a_party_has_its_facts_by_date_with_their_sources(web: Served, monitor: httpx.Client) -> None:
    page = monitor.get("/console/parties/CON-10").text
    said = words(main_of(page))
    facts = said[said.index("Facts, the last first") :]
    for text in (
        "Registered as Zakład Ąę (CON-10), PL, headquarters PL, from 2025-01-01 on.",
        "AIA certification C-77, dated 2025-05-01, until 2025-06-15.",
        "CON-10 is a validated end-user, national, PL, from 2025-01-13 on: 0 facilities.",
        "Not entry E-1 of entity-list, says r.one: <script>",
    ):
        assert text in facts, text
    assert facts.count(WMS) == 4
    numbers = [int(n) for n in re.findall(r"record (\d+)", facts)]
    assert numbers == sorted(numbers, reverse=True)
    assert "AIA certification C-77 dated 2025-05-01 Expired 2025-06-15" in said
    assert 'cannot be told apart from <a class="id" href="/console/parties/C0N-10">' in page
    assert "<script>alert" not in page
    (account,) = listed(web.ledger, "balance", "lpp/CON-10/2025")
    assert (
        f"lpp/CON-10/2025 p.one attests 1,234 TPP used elsewhere {account['posted']:,} {account['pending']:,}" in said
    )
    assert f"{account['available']:,}" in said
    assert len(ids(page)) == len(set(ids(page)))


def test_its_shipments_are_those_that_tpp_lists_page_by_page(web: Served, monitor: httpx.Client) -> None:
    for party in ("CON-1", "EXP-1", "CON-11"):
        address, found = f"/console/parties/{party}", list[str]()
        while address:
            page = monitor.get(address).text
            found += re.findall(r'data-row href="/console/shipments/([^"]+)"', page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            address = following[1] if following else ""
        every = [one["shipment_id"].replace(":", "%3A") for one in listed(web.ledger, "shipments", "--party", party)]
        assert found == every and every, party


def test_a_merger_is_told_on_both_sides(monitor: httpx.Client) -> None:
    absorbed, survivor = (words(monitor.get(f"/console/parties/CON-{n}").text) for n in (12, 11))
    assert "This party was merged into CON-11 ." in absorbed
    assert "CON-12 was merged into CON-11, as of 2025-06-01: one legal person" in survivor
    assert "This party was merged" not in survivor


def test_a_hostile_name_is_text_and_an_unknown_party_is_not_found(web: Served, monitor: httpx.Client) -> None:
    page = monitor.get(f"/console/parties/{HOSTILE_ID}").text
    assert "<script>alert" not in page and "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    for strange in ("CON-NONE", "con-10", "SHP-1", "%E2%80%AE", "a%00b", "x" * 900):
        assert monitor.get(f"/console/parties/{strange}").status_code == 404, strange
    assert 'href="/console/search?q=CON-NONE"' in monitor.get("/console/parties/CON-NONE").text
    assert monitor.get("/console/parties/CON-1", params={"before": "x"}).status_code == 400
    for role in ("reviewer", "finance", "admin"):
        for client in person(web, role, f"p.{role}"):
            assert client.get("/console/parties/CON-1").status_code == 200
    for client in person(web, "publisher", "p.wms", f"{WMS}*"):
        assert client.get("/console/parties/CON-1").status_code == 403
