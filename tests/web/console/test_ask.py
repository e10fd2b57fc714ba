"""May it go? What the page answers, to whom, and what it does with what is no event."""

import gzip
import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import events
import httpx
import orjson
import pytest
from asking import ask, form_token, plain, text_of
from click.testing import CliRunner
from reading_run import WMS, event, request, screen
from signin_run import SAME, sign_in
from web_run import Served, served

from services.cli.commands import main

ROLES = {"publisher": 200, "monitor": 403, "reviewer": 200, "finance": 403, "admin": 200}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on a ledger in which CON-1 has 11,068,000 TPP of its yearly limit left."""
    url = f"sqlite:///{tmp_path_factory.mktemp('ask') / 'ledger.db'}"
    screen(url, [request("SHP-1", 1_000)])
    with served(url) as running:
        yield running


@pytest.fixture(scope="module")
def client(web: Served) -> Iterator[httpx.Client]:
    with sign_in(web, web.token("reviewer", "r.osei")) as signed:
        yield signed


def data(shipment: str = "ASK-1", quantity: int = 8, **words: Any) -> dict[str, Any]:
    return events.shipment({"id": shipment, "quantity": quantity, "papers": ["lpp 2025-02-01"], **words})


def records(web: Served) -> int:
    with web.client(web.token("reviewer")) as client:
        return (
            len(client.get("/v1/holds").json()["items"]) + client.get("/v1/accounts/lpp/CON-1/2025").json()["pending"]
        )


def test_each_role_opens_the_page_that_may_check(web: Served) -> None:
    for role, status in ROLES.items():
        with sign_in(web, web.token(role, f"some.{role}", "//wms.example/*")) as person:
            assert person.get("/console/ask").status_code == status, role
            sent = person.post("/console/ask", files={"file": ("", b"")}, data={"form": "x"}, headers=SAME)
            assert sent.status_code == HTTPStatus.FORBIDDEN
            if status == 403:
                assert f"Your role is {role}" in sent.text
    with web.client(follow_redirects=False) as nobody:
        assert nobody.get("/console/ask").headers["location"] == "/sign-in?next=/console/ask"


def test_the_example_of_the_page_is_screened(client: httpx.Client) -> None:
    page = ask(client, text_of(client.get("/console/ask").text))
    assert page.status_code == 200
    assert "Would be approved" in plain(page.text)


def test_what_fits_would_be_approved_with_debit_obligations_and_what_was_tried(
    web: Served, client: httpx.Client
) -> None:
    before = records(web)
    page = ask(client, data(quantity=100))
    said = plain(page.text)
    assert (page.status_code, records(web)) == (200, before)
    assert "Would be approved at" in said and "not reserved" in said
    assert "Shipment ASK-1 may go under LPP, 1,583,200 TPP, on 2025-06-05." in said
    assert 'href="/console/accounts/lpp/CON-1/2025"' in page.text
    assert "Used 15,832,000" in said and "Limit 26,900,000" in said
    assert "1,583,200 17,415,200 26,900,000" in said
    assert "Send a copy of the LPP consignee statement. 2025-07-05 15 CFR 740.29(g)(1)" in said
    tried = [plain(one) for one in page.text.split('<details class="tried">')[1:]]
    assert [one.split()[0] for one in tried] == ["Before", "NLR", "ACA", "AIA", "ACM", "VEU", "LPP"]
    assert tried[-1].startswith("LPP met 17,415,200 of 26,900,000 TPP used on lpp/CON-1/2025")
    assert "9,484,800 of 26,900,000 TPP were left on lpp/CON-1/2025." in said


def test_the_sentences_are_those_of_the_command_line(client: httpx.Client, tmp_path: Path) -> None:
    page = plain(ask(client, data("LIKE-CLI", 900)).text)
    url = f"sqlite:///{tmp_path / 'other.db'}"
    screen(url, [request("SHP-1", 1_000), event("e", "shipment.requested", data("LIKE-CLI", 900))])
    done = CliRunner().invoke(main, ["explain", "LIKE-CLI", "--short", "--ledger", url])
    _, _, memo = done.output.partition("====\n")
    answer, _, rows = " ".join(memo.split()).partition(" Requested ")
    assert answer.strip("= ") in page
    assert "may not go: a debit would exceed the limit of an account" in answer
    near = rows.partition(" Near ")[2].partition(" Owed ")[0]
    assert "699 units would fit" in near and near in page


def test_what_does_not_fit_would_be_held_with_reason_and_bar(client: httpx.Client) -> None:
    page = ask(client, data(quantity=1_700, date="2025-06-30"))
    said = plain(page.text)
    assert "Would be held" in said
    assert "Why not 15 CFR 740.29(d): lpp/CON-1/2025 has 11,068,000 TPP available and 26,914,400 are asked" in said
    assert 'class="b-asked"' in page.text and 'class="b-over"' in page.text
    assert "Would debit Nothing. Would owe Nothing." in said


def test_an_event_is_taken_as_it_is_and_its_kind_of_answer_said(client: httpx.Client) -> None:
    cancel = orjson.loads(event("c-1", "shipment.cancelled", {"shipment_id": "SHP-1", "reason": "no"}))
    assert "Would be recorded" in plain(ask(client, cancel).text)
    again = orjson.loads(event("c-2", "shipment.cancelled", {"shipment_id": "NOBODY", "reason": "no"}))
    said = plain(ask(client, again).text)
    assert "Would be refused" in said and "NOBODY" in said
    pretty = json.dumps(orjson.loads(event("e-1", "shipment.requested", data())), indent=3)
    assert "Would be approved" in plain(ask(client, pretty).text)


def test_a_publisher_asks_with_its_own_sources_only(web: Served) -> None:
    for pattern in ("//erp.example/pl", "//erp.example/*", "//erp.*/pl"):
        with sign_in(web, web.token("publisher", "erp", pattern)) as erp:
            page = ask(erp, data())
            assert (page.status_code, "Would be approved" in page.text) == (200, True)
            assert "/console/accounts/" not in page.text and "<figure" not in page.text
            other = ask(erp, orjson.loads(event("x", "shipment.requested", data(), source=WMS)))
            assert (other.status_code, "Not checked" in other.text) == (403, True)
            assert "The source must fit a pattern of the token" in plain(other.text)
            assert "Would be" not in plain(other.text)
            review = {"shipment_id": "SHP-1", "action": "deny", "reviewer": "erp", "reason": "no"}
            assert ask(erp, orjson.loads(event("y", "review.decided", review))).status_code == 403


def test_every_error_is_said_with_its_place_and_the_text_is_kept(client: httpx.Client) -> None:
    bad = data() | {"export_date": "soon", "end_use": "<script>alert(1)</script>"}
    page = ask(client, bad)
    assert page.status_code == 422
    assert '<a href="#shipment">/export_date: must be a calendar day' in page.text
    assert page.text.count('<li><a href="#shipment">') == 2
    assert "<script>alert" not in page.text
    assert orjson.loads(text_of(page.text)) == bad
    assert 'aria-invalid="true"' in page.text
    whole = orjson.loads(event("e", "shipment.requested", bad))
    assert '<a href="#shipment">/data/export_date: must be' in ask(client, whole).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Give a shipment as JSON"), ("   \n\t ", "Give a shipment as JSON"), ("{", "JSON"), ("[1, 2", "not closed"),
        ("[]", "Give a shipment"), ("null", "Would be rejected"), ("7", "Would be rejected"), ('{"a":1,"a":2}', "is repeated"), ("{}", "is required"),
        ('{"shipment_id": NaN}', "JSON"), ("\x00", "JSON"), ("[" * 50_000, ""), ('{"a":' * 50_000, "JSON"),
        ('{"shipment_id":"\\ud800"}', ""), ("x" * 2_000_000, "1,048,576"), ("\u202e{}", "JSON"),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_event_is_told_and_never_fails(client: httpx.Client, text: str, said: str) -> None:
    page = ask(client, text)
    assert page.status_code == 422, page.text[:2_000]
    assert said in page.text
    assert page.text.count("<h1>Ask</h1>") == 1


def test_hostile_names_are_shown_as_text(client: httpx.Client) -> None:
    name = "<script>alert('x')</script>\u202e" + "N" * 300
    given = data("A" * 60 + '"><img src=x>')
    given["ultimate_consignee"]["name"] = name
    page = ask(client, given)
    assert "<script>alert" not in page.text and "<img" not in page.text and "\u202e" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


LINES = b"\n".join(orjson.dumps(data(f"ASK-{n}", 400)) for n in range(3)) + b"\n\n{}\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("many.jsonl", LINES), ("many.jsonl", LINES.replace(b"\n", b"\r\n")), ("many.jsonl.gz", gzip.compress(LINES)),
        ("list.json", b"[" + b",\n".join([*LINES.splitlines()[:3], b"{}"]) + b"]"),
    ],
    ids=["jsonl", "crlf", "gz", "array"],
)  # fmt: skip
def test_several_events_are_answered_in_a_table_each_after_those_before(
    client: httpx.Client, name: str, content: bytes
) -> None:
    page = ask(client, "not this", (name, content))
    rows = [plain(row) for row in page.text.partition("<tbody>")[2].split("</tr>")[:-1]]
    assert [row.split(" ", 2)[2].partition(" Shipment")[0].partition(" /")[0] for row in rows] == [
        "Would be approved", "Would be held", "Would be held", "Would be rejected",
    ]  # fmt: skip
    assert "ASK-1 may not go" in rows[1] and "/end_use: is required." in rows[3]
    assert text_of(page.text) == "not this"


def test_a_file_of_one_pretty_event_is_one(client: httpx.Client) -> None:
    assert "Would be approved" in plain(ask(client, "", ("one.json", json.dumps(data(), indent=2).encode())).text)


def test_a_thousand_events_are_answered_and_no_more(client: httpx.Client) -> None:
    page = ask(client, "", ("many.jsonl", b"{}\n" * 1_000))
    assert (page.status_code, page.text.count("Would be rejected</span>")) == (200, 1_000)
    more = ask(client, "", ("many.jsonl", b"{}\n" * 1_001))
    assert (more.status_code, "more than 1,000 events" in more.text) == (422, True)
    assert '<a href="#file">' in more.text


BOMB = gzip.compress(b" " * 300_000_000)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.gz", BOMB, "more than 8,388,608 bytes"), ("a.jsonl", BOMB, "more than 8,388,608 bytes"),
        ("a.gz", gzip.compress(LINES)[:-9], "cut off"), ("a.gz", b"\x1f\x8b" + b"x" * 90, "Cannot read a.gz"),
        ("a.gz", b"{}", "not gzip"), ("a.xlsx", b"PK\x03\x04" + b"x" * 90, "zip archive"), ("a.jsonl", b"", "no events"),
        ("<b>.gz", b"{}", "&lt;b&gt;.gz"),
    ],
    ids=range(8),
)  # fmt: skip
def test_files_that_cannot_be_read_are_told(client: httpx.Client, name: str, content: bytes, said: str) -> None:
    page = ask(client, "", (name, content))
    assert page.status_code == 422
    assert said in page.text
    assert '<a href="#file">' in page.text


def test_a_line_of_more_than_a_mebibyte_is_rejected_and_the_others_are_answered(client: httpx.Client) -> None:
    content = orjson.dumps(data()) + b"\n" + b"x" * 1_100_000 + b"\n"
    page = plain(ask(client, "", ("long.jsonl", content)).text)
    assert "1 ASK-1 Would be approved" in page and "Would be rejected" in page


def test_a_form_of_elsewhere_asks_nothing(client: httpx.Client) -> None:
    form = {"form": form_token(client), "shipment": "{}"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        sent = client.post("/console/ask", data=form, files={"file": ("", b"")}, headers=headers)
        assert (sent.status_code, "Nothing was sent" in sent.text) == (403, True)
    large = client.post("/console/ask", data=form, files={"file": ("a", b" " * 9_000_000)}, headers=SAME)
    assert large.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
