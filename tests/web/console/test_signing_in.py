"""Signing in leads back to the page that was asked for, and to no other; a form of an ended session sends nothing."""

from collections.abc import Iterator
from html import unescape
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import pytest
from asking import plain
from signin_run import SAME, browser, form_of, link, shared, sign_in
from web_run import Served

from ledger.database.store import Store
from ledger.doors.tokens import revoke_token
from services.resources import wall_clock


@pytest.fixture(scope="module", params=["sqlite"])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from shared(request, tmp_path_factory)


PAGE = "/console/holds/SHP%201%2F%C3%A4?reason=quota.exhausted&by=a+b%26"


def test_the_page_that_was_asked_for_is_opened_after_signing_in_with_a_token(web: Served) -> None:
    with browser(web) as client:
        to = client.get("/console/quotas?sort=used&x=%C3%A4%26").headers["location"]
        assert parse_qs(urlsplit(to).query) == {"next": ["/console/quotas?sort=used&x=%C3%A4%26"]}
        page = client.get(to).text
        assert '<input type="hidden" name="next" value="/console/quotas?sort=used&amp;x=%C3%A4%26">' in page
        wrong = client.post("/sign-in", data={"token": "tpp_no", "next": PAGE}, headers=SAME)
        assert f'name="next" value="{PAGE}"' in unescape(wrong.text)
        right = client.post("/sign-in", data={"token": web.token("reviewer"), "next": PAGE}, headers=SAME)
        assert (right.status_code, right.headers["location"]) == (303, PAGE)


def test_a_one_time_link_leads_to_the_page_that_it_names(web: Served) -> None:
    with browser(web) as client:
        path = link(web)
        assert client.get(path, params={"next": PAGE}).status_code == 200
        assert client.post(path, params={"next": PAGE}, headers=SAME).headers["location"] == PAGE


def test_the_first_page_needs_no_name(web: Served) -> None:
    with browser(web) as client:
        for path in ("/console", "/console/"):
            assert client.get(path).headers["location"] == "/sign-in"
        assert 'name="next"' not in client.get("/sign-in").text


@pytest.mark.parametrize(
    "next",
    [
        "https://elsewhere.example", "//elsewhere.example", "///elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example",
        "javascript:alert(1)", "/console.elsewhere.example", "/consolex", "console/", "/console/../v1/holds", "/console/%2e%2e/v1",
        "/console/%2E./v1", "/console\\..\\v1", "/console/\r\nSet-Cookie: a=b", "/console/\n", "/console/a b", "/console/\u2028",
        "/console@elsewhere.example", "/console:80@elsewhere.example/", "/sign-out", "", " /console/", "/console/#x", "/consolé",
        "/console/" + "x" * 2_000, "http:/console/", "/console/\x00", "/console/<script>", '/console/"',
    ],
)  # fmt: skip
def test_no_other_address_is_opened(web: Served, next: str) -> None:
    with browser(web) as client:
        token, path = web.token("reviewer"), link(web)
        answers = [
            client.post("/sign-in", data={"token": token, "next": next}, headers=SAME),
            client.post(path, params={"next": next}, headers=SAME),
        ]
        assert [(one.status_code, one.headers["location"]) for one in answers] == [(303, "/console/")] * 2
        shown = client.get("/sign-in", params={"next": next})
        assert (shown.status_code, 'name="next"' in shown.text) == (200, False)


def test_a_form_of_an_ended_session_is_told_that_nothing_was_sent(web: Served) -> None:
    token = web.token("reviewer", "r.osei")
    with sign_in(web, token) as client:
        form = form_of(client)
        store = Store(web.ledger)
        revoke_token(store, token.split("_")[1], wall_clock())
        store.close()
        late = client.post("/console/ask", data={"form": form}, files={"file": ("", b"")}, headers=SAME)
        assert late.status_code == HTTPStatus.UNAUTHORIZED
        assert "Nothing was sent. Sign in" in plain(late.text)
        assert 'href="/sign-in?next=/console/ask"' in late.text
        assert client.post("/sign-out", data={"form": form}, headers=SAME).headers["location"] == "/sign-in"


def test_what_is_too_large_is_refused_by_a_page(web: Served) -> None:
    with sign_in(web, web.token("reviewer", "r.osei")) as client:
        large = client.post("/sign-out", data={"form": "x" * 20_000}, headers=SAME)
        assert (large.status_code, "too large" in large.text) == (413, True)
        assert "text/html" in large.headers["content-type"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/console/nothing"), ("GET", "/console/holds/A/%3Cb%3E")])
def test_a_browser_that_asks_for_no_page_of_ours_gets_a_page(web: Served, method: str, path: str) -> None:
    with browser(web) as client:
        answer = client.request(method, path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "There is no page" in answer.text and 'href="/console/"' in answer.text and "<b>" not in answer.text
        assert client.request(method, path).headers["content-type"] == "application/problem+json"
        taken = client.request("DELETE", "/console/holds", headers={"Accept": "text/html"})
        assert (taken.status_code, taken.headers["allow"]) == (405, "GET, POST") and "<h1>" in taken.text
