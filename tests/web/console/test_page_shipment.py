"""The page of a shipment: what it says is what `tpp explain` and `GET /v1/shipments/{id}` say; who may open it."""

import re
from collections.abc import Iterator
from datetime import date

import orjson
import pytest
from databases import KINDS
from found_run import (
    CARRIER,
    HOSTILE_ID,
    LONG_ID,
    MANY,
    OTHER,
    REPEATS,
    SHOWN,
    WMS,
    ids,
    main_of,
    pages_of,
    person,
    words,
)
from reading_run import listed
from web_run import Served

import rulebook
from ledger.database.store import Store
from services.views.console.live import PARTS
from services.views.console.look.render import Touched
from services.views.console.look.told import told

READERS = ("monitor", "reviewer", "finance", "admin")
TODAY = date(2025, 7, 1)


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from pages_of(request, tmp_path_factory)


def shown(web: Served, shipment: str, role: str = "monitor") -> str:
    for client in person(web, role, f"a.{role}"):
        answer = client.get(f"/console/shipments/{shipment}")
        assert answer.status_code == 200, answer.text
        return answer.text
    raise AssertionError


def test_it_says_what_tpp_explain_says(web: Served) -> None:
    for one in listed(web.ledger, "shipments"):
        shipment = one["shipment_id"]
        page = shown(web, shipment)
        said = words(main_of(page))
        explained = listed(web.ledger, "explain", shipment)
        for answer in [answer for record in explained[-20:] for answer in record["answers"]]:
            data = answer["data"]
            for entry in [*data.get("debits", ()), *data.get("entries", ())]:
                assert f"{entry['balance']:,}" in said and entry["account"] in said, shipment
                assert f"{entry['amount']:,}" in said, shipment
            for finding in data.get("findings", ()):
                assert words(told(finding["detail"])) in said and finding["provision"] in said, shipment
            for reason in data.get("reasons", ()):
                assert words(told(reason["message"])) in said and (
                    data.get("outcome") != "held" or reason["code"] in said
                ), shipment
        assert len(ids(page)) == len(set(ids(page)))


def test_it_says_what_counts_and_what_is_owed(web: Served) -> None:
    with web.client(web.token("monitor")) as client:
        for shipment in ("SHP-1", "SHP-2", "SHP-5", "SHP-4"):
            told = client.get(f"/v1/shipments/{shipment}").json()
            page = shown(web, shipment)
            now = words(page[page.index('<div id="now">') : page.index('id="owed-title"')])
            owed = page[page.index('id="owed-title"') : page.index("</section>", page.index('id="owed-title"'))]
            for debit in told["debits"]:
                assert f"{debit['account']} {debit['amount']:,}" in now
            counts = told["state"] in ("approved", "released", "dispatched")
            assert (f"a report, no debit {told['tpp']:,}" in now) is counts
            assert owed.count("<tr>") == len(told["obligations"])
            states = [("Overdue" if one["overdue"] else one["state"].capitalize()) for one in told["obligations"]]
            assert re.findall(r"Overdue|Open|Met|Withdrawn", words(owed)) == states


def test_a_day_that_passed_without_a_departure_is_told(web: Served) -> None:
    assert "2025-06-30 Did not leave" in words(shown(web, "SHP-LATE"))
    assert "Did not leave" not in shown(web, "SHP-1")
    assert "Did not leave" not in shown(web, "SHP-3")


def test_a_hold_leads_to_its_page_for_those_who_may_read_it(web: Served) -> None:
    assert 'href="/console/holds/SHP-3"' in shown(web, "SHP-3")
    assert 'href="/console/holds/' not in shown(web, "SHP-1")


@pytest.mark.parametrize("path", ["", "/events.jsonl", "/memo.html"])
def test_each_role_opens_it_and_a_publisher_its_own(web: Served, path: str) -> None:
    for role in READERS:
        for client in person(web, role, f"a.{role}"):
            assert client.get(f"/console/shipments/SHP-1{path}").status_code == 200, role
            assert client.get(f"/console/shipments/SHP-NONE{path}").status_code == 404, role
    for client in person(web, "publisher", "wms", f"{WMS}*"):
        assert client.get(f"/console/shipments/SHP-1{path}").status_code == 200
        for strange in ("SHP-3", LONG_ID, "SHP-NONE"):
            answer = client.get(f"/console/shipments/{strange}{path}")
            assert (answer.status_code, "<h1>Not found</h1>" in answer.text) == (404, True), strange


def test_no_id_is_a_failure(web: Served) -> None:
    for client in person(web, "admin", "a.admin"):
        for strange in ("a%00b", "%E2%80%AE", "a%2Fb", "x" * 900, "..%2F..%2Fetc"):
            assert client.get(f"/console/shipments/{strange}").status_code == 404, strange


def test_a_publisher_finds_no_link_that_it_may_not_follow(web: Served) -> None:
    for client in person(web, "publisher", "wms", f"{WMS}*"):
        page = client.get("/console/shipments/SHP-5").text
        assert "Held Left without approval" in words(page) and "held shipment can only be amended" in page
        assert re.findall(r'href="(/console/(?:accounts|parties|holds|quotas)[^"]*)"', page) == []
        assert "left-SHP-5" not in page and "ask-SHP-5" in page


def test_every_event_and_answer_as_json(web: Served) -> None:
    for shipment in ("SHP-5", MANY):
        explained = listed(web.ledger, "explain", shipment)
        for client in person(web, "monitor", "a.monitor"):
            answer = client.get(f"/console/shipments/{shipment}/events.jsonl")
            assert answer.headers["content-disposition"] == f'attachment; filename="{shipment}.jsonl"'
            assert [orjson.loads(line) for line in answer.content.splitlines()] == explained
    for client in person(web, "publisher", "wms", f"{WMS}*"):
        mine = [orjson.loads(line) for line in client.get("/console/shipments/SHP-5/events.jsonl").content.splitlines()]
        explained = listed(web.ledger, "explain", "SHP-5")
        assert [one["answers"] for one in mine] == [one["answers"] for one in explained]
        assert [one["event"]["source"] for one in explained] == [WMS, CARRIER]
        assert [one.get("event", {}).get("source") for one in mine] == [WMS, None]


def test_the_memo_is_a_file_to_print(web: Served) -> None:
    for client in person(web, "finance", "a.finance"):
        answer = client.get(f"/console/shipments/{HOSTILE_ID}/memo.html")
        assert answer.headers["content-disposition"] == 'attachment; filename="A.b_c_d-9.html"'
        assert "<script>alert" not in answer.text and f"Shipment {HOSTILE_ID} may not go" in answer.text


def test_hostile_names_and_every_character_of_an_id_are_text(web: Served) -> None:
    page = shown(web, HOSTILE_ID)
    assert "<script>alert" not in page and "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert f"{HOSTILE_ID} to {SHOWN}".strip() in words(page)
    assert 'href="/console/shipments/A.b_c%3Ad-9/events.jsonl"' in page
    assert LONG_ID in shown(web, LONG_ID)


def test_many_records_come_in_pages(web: Served) -> None:
    found: list[int] = []
    for client in person(web, "monitor", "a.monitor"):
        address = f"/console/shipments/{MANY}"
        while address:
            page = client.get(address).text
            numbers = [int(n) for n in re.findall(r'id="record-(\d+)"', page)]
            assert numbers == sorted(numbers) and len(numbers) <= 40
            found = [*numbers, *found]
            earlier = re.search(rf'href="(/console/shipments/{MANY}\?before=\d+)"', page)
            address = earlier[1] if earlier else ""
        for broken in ("x", "-1", "1" * 19, "٣"):
            answer = client.get(f"/console/shipments/{MANY}", params={"before": broken})
            assert (answer.status_code, "names no record" in answer.text) == (400, True)
    assert found == [one["record"] for one in listed(web.ledger, "explain", MANY)]
    assert len(found) == REPEATS + 1


def test_what_changes_takes_the_place_of_what_is_there(web: Served) -> None:
    page, store = shown(web, "SHP-2"), Store(web.ledger)
    try:
        with store.read() as connection:
            book = rulebook.load("ai-diffusion")
            given = PARTS["shipment"](
                connection, book, TODAY, "SHP-2", Touched(frozenset({"SHP-2"}), frozenset(), obligations=False)
            )
            assert (
                PARTS["shipment"](connection, book, TODAY, "SHP-2", Touched(frozenset({"SHP-1"}), frozenset(), True))
                == []
            )
    finally:
        store.close()
    assert [ids(f" {one}")[0] for one in given] == ["state", "now", "more"]
    for one in given[:2]:
        assert words(one) in words(page)
    assert "New: record" in given[2]
    assert {"state", "now", "more"} <= set(ids(page))
    assert OTHER not in page
