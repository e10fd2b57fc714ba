"""The page of obligations: what it lists is what `tpp obligations` lists; marking as sent, by whom, and only once."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date

import httpx
import pytest
from databases import KINDS
from found_run import forms, ids, main_of, pages_of, person, post, words
from reading_run import listed
from signin_run import SAME
from web_run import Served

import rulebook
from ledger.database.store import Store
from ledger.queries.console import duties
from ledger.queries.records import taken
from services.views.console.live import PARTS
from services.views.console.look.render import Touched, fragment
from services.views.console.obligations import element_id

GROUPS = ("left", "overdue", "today", "soon", "later", "keep")
TODAY = date(2025, 7, 1)
HERE = "/console/obligations"


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from pages_of(request, tmp_path_factory)


@pytest.fixture
def reviewer(web: Served) -> Iterator[httpx.Client]:
    yield from person(web, "reviewer", "r.osei")


def subject(row: dict) -> str:
    return f"shipment/{row['shipment_id']}" if "shipment_id" in row else f"party/{row['party']}"


def elements(rows: list[dict]) -> list[str]:
    return [element_id(subject(row), row["kind"], row["due"]) for row in rows]


def rows_of(page: str) -> list[str]:
    return re.findall(r'<article class="due" id="([^"]+)"', page)


def row(page: str, id: str) -> str:
    at = page.index(f'<article class="due" id="{id}"')
    return page[at : page.index("</article>", at)]


def all_pages(client: httpx.Client, **query: str) -> list[str]:
    found: list[str] = []
    address = str(httpx.URL(HERE, params=query))
    while address:
        page = client.get(address).text
        found += rows_of(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    return found


def the(web: Served, kind: str, shipment: str) -> dict:
    (found,) = [
        one for one in listed(web.ledger, "obligations", "--all") if one["kind"] == kind and one["about"] == shipment
    ]
    return found


def test_it_lists_what_tpp_obligations_lists_part_by_part(web: Served, reviewer: httpx.Client) -> None:
    every = listed(web.ledger, "obligations")
    found = [one for part in GROUPS for one in all_pages(reviewer, part=part)]
    assert sorted(found) == sorted(elements(every)) and len(found) == len(set(found)) > 10
    page = reviewer.get(HERE).text
    shown = rows_of(page)
    gone = [one for one in every if one["kind"] == "left_without_approval"]
    late = [one for one in every if one["overdue"] and one not in gone]
    assert shown[: len(gone) + len(late)] == elements(gone) + elements(late)
    lead = f"{len(gone)} shipments left without an approval. {len(late)} overdue, 0 due today, 4 more until 2025-07-15"
    assert lead in words(main_of(page))
    for one in [*gone, *late]:
        said = words(row(page, element_id(subject(one), one["kind"], one["due"])))
        for text in (one["due"], one["citation"], one["to"], one["about"], one["send"].removesuffix(".")):
            assert text in said, (text, said)
    assert len(ids(page)) == len(set(ids(page)))


def test_a_text_says_what_is_sent_to_whom(web: Served, reviewer: httpx.Client) -> None:
    one = the(web, "lpp_shipment_notice", "SHP-1")
    text = row(reviewer.get(HERE).text, elements([one])[0])
    text = text[text.index("<pre>") + 5 : text.index("</pre>")]
    assert text.splitlines()[:3] == ["To: EARReports@bis.doc.gov", "Subject: LPP Shipment", ""]
    assert text.splitlines()[3:] == [
        (
            "Under 15 CFR 740.29(g)(3), due on 2025-06-05, for shipment SHP-1: 1,000 × H100-SXM5-80GB, "
            "15,832,000 TPP, to Party CON-1 (CON-1), PL, on 2025-06-05, under LPP."
        )
    ]


def test_filters(web: Served, reviewer: httpx.Client) -> None:
    every = listed(web.ledger, "obligations")
    about = [one for one in every if one["about"] == "SHP-1"]
    assert sorted(one for part in GROUPS for one in all_pages(reviewer, part=part, about="SHP-1")) == sorted(
        elements(about)
    )
    consignee = [one for part in GROUPS for one in all_pages(reviewer, part=part, about="CON-11")]
    assert sorted(consignee) == sorted(elements([one for one in every if one["about"] == "SHP-11"]))
    copies = [one for one in every if one["kind"] == "lpp_certification_copy"]
    assert all_pages(reviewer, kind="lpp_certification_copy") == elements(copies)
    early = [one for one in every if one["due"] <= "2025-06-21"]
    assert sorted(all_pages(reviewer, due_by="2025-06-21")) == sorted(elements(early))
    ended = listed(web.ledger, "obligations", "--all")
    for state in ("met", "withdrawn"):
        assert sorted(all_pages(reviewer, state=state)) == sorted(
            elements([one for one in ended if one["state"] == state])
        )
    assert "Nothing is owed" in reviewer.get(HERE, params={"about": "<script>NOBODY"}).text
    assert "&lt;script&gt;NOBODY" in reviewer.get(HERE, params={"about": "<script>NOBODY"}).text


@pytest.mark.parametrize(
    "query",
    [
        {"due_by": "soon"}, {"due_by": "2025-02-30"}, {"state": "sent"}, {"part": "all"}, {"after": "x"},
        {"after": "2025-01-01,kind"}, {"kind": "a\0b"}, {"about": "x" * 700},
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_a_message(reviewer: httpx.Client, query: dict[str, str]) -> None:
    answer = reviewer.get(HERE, params=query)
    assert (answer.status_code, "<h1>Not shown</h1>" in answer.text) == (400, True)
    assert reviewer.get(HERE, params={"utm": "x", "state": ""}).status_code == 200


def test_marked_as_sent_once_however_often_it_is_pressed(web: Served, reviewer: httpx.Client) -> None:
    one = the(web, "lpp_certification_copy", "SHP-11")
    (form,) = [
        form
        for form in forms(reviewer.get(HERE, params={"part": "soon"}).text)
        if (form["kind"], form["shipment_id"]) == (one["kind"], "SHP-11")
    ]
    first = post(reviewer, form, date="2025-07-01", reference='MSG <1> "q"')
    second = post(reviewer, form, date="2025-07-01", reference="another")
    assert [answer.status_code for answer in (first, second)] == [303, 303]
    assert first.headers["location"] == second.headers["location"] == f"{HERE}?part=soon&answer={form['event_id']}"
    page = reviewer.get(first.headers["location"]).text
    assert (
        'Recorded: lpp_certification_copy of SHP-11, due on 2025-07-05, was met on 2025-07-01 (MSG <1> "q").'
        in words(page)
    )
    assert elements([one])[0] not in rows_of(page)
    assert the(web, "lpp_certification_copy", "SHP-11")["state"] == "met"
    assert elements([one])[0] in all_pages(reviewer, state="met")
    store = Store(web.ledger)
    try:
        with store.read() as connection:
            recorded = taken(connection, store, {"//tpp-http/r.osei": [form["event_id"]]})
    finally:
        store.close()
    (event,) = recorded.values()
    assert b'"by":"r.osei"' in event.event and b"another" not in event.event


def test_what_is_missing_is_said_at_its_field(web: Served, reviewer: httpx.Client) -> None:
    one = the(web, "lpp_certification_copy", "SHP-12")
    id = elements([one])[0]
    (form,) = [form for form in forms(reviewer.get(HERE).text) if form.get("shipment_id") == "SHP-12"]
    for changed, field in (
        ({"reference": " "}, "reference"),
        ({"date": "", "reference": "R"}, "date"),
        ({"date": "1/2/3", "reference": "R"}, "date"),
    ):
        answer = post(reviewer, form, **changed)
        assert answer.status_code == 422
        assert rows_of(answer.text) == [id] and f'href="#{id}-{field}"' in answer.text
        assert f'name="{field}"' in answer.text and " open>" in row(answer.text, id)
    assert 'value="R"' in answer.text and 'value="1/2/3"' in answer.text
    assert the(web, "lpp_certification_copy", "SHP-12")["state"] == "open"


def test_what_does_not_exist_is_refused_in_words(reviewer: httpx.Client) -> None:
    form = forms(reviewer.get(HERE).text)[0]
    answer = post(reviewer, form | {"shipment_id": "SHP-NONE"}, date="2025-07-01", reference="R")
    assert answer.status_code == 303
    said = words(reviewer.get(answer.headers["location"]).text)
    assert "Refused: No obligation" in said and "exists for shipment SHP-NONE." in said


def test_only_who_may_send_it_has_a_form(web: Served) -> None:
    for role, may in (("monitor", False), ("reviewer", True), ("finance", True), ("admin", True)):
        for client in person(web, role, f"o.{role}"):
            page = client.get(HERE).text
            assert bool(forms(page)) is may, role
            token = re.findall(r'name="form" value="([0-9a-f]{64})"', page)[0]
            fields = {"form": token, "event_id": "0" * 40, "kind": "k", "shipment_id": "S", "due": "2025-07-01"}
            sent = client.post(HERE, data=fields | {"date": "2025-07-01", "reference": "R"}, headers=SAME)
            assert sent.status_code == (303 if may else 403), role
            assert client.post(HERE, data=fields | {"form": "0" * 64}, headers=SAME).status_code == 403
    for client in person(web, "publisher", "o.publisher", "//wms.example/*"):
        assert client.get(HERE).status_code == client.get(f"{HERE}.ics").status_code == 403


def test_the_calendar_is_that_of_the_token(web: Served, reviewer: httpx.Client) -> None:
    with web.client() as client:
        theirs = client.get("/v1/obligations.ics", params={"token": web.token("calendar")})
    ours = reviewer.get(f"{HERE}.ics")
    assert ours.content == theirs.content and ours.headers["content-type"].startswith("text/calendar")


def test_what_was_met_meanwhile_is_struck_and_no_form_comes(web: Served, reviewer: httpx.Client) -> None:
    one = the(web, "lpp_certification_copy", "SHP-13")
    page = reviewer.get(HERE).text
    (form,) = [form for form in forms(page) if form.get("shipment_id") == "SHP-13"]
    assert post(reviewer, form, date="2025-07-01", reference="R").status_code == 303
    store = Store(web.ledger)
    try:
        with store.read() as connection:
            touched = Touched(frozenset({"SHP-13"}), frozenset(), obligations=True)
            given = PARTS["obligations"](connection, rulebook.load("ai-diffusion"), TODAY, "", touched)
    finally:
        store.close()
    (struck,) = [text for text in given if f'id="{elements([one])[0]}-when"' in text]
    assert "<s>" in struck and "Met" in struck and "<form" not in "".join(given)
    assert f'id="{elements([one])[0]}-when"' in page


def test_counts_end_at_a_bound_and_say_so(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2025, 7, 1)
    with closing(Store(web.ledger)) as store, store.read() as connection:
        whole = duties.duty_counts(connection, day)
        every = duties.overdue_count(connection, day)
        assert whole.left > 1 and every >= whole.overdue > 0
        monkeypatch.setattr(duties, "COUNTED", 1)
        assert duties.duty_counts(connection, day) == duties.DutyCounts(1, 1, min(1, whole.today), min(1, whole.soon))
        assert duties.overdue_count(connection, day) == 1
    lead = words(fragment("obligations_parts", "lead", duties.DutyCounts(2, 10_000, 0, 9_999), "2025-07-15"))
    assert "2 shipments left" in lead and "10,000 or more overdue, 0 due today, 9,999 more until 2025-07-15" in lead
