"""Requests that no page of ours makes: a message in words, never a failure of the program or of the database."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from databases import KINDS
from reading_run import something_of_everything, writer
from signin_run import SAME, shared, sign_in
from web_run import Served

NAMES = {
    "/console": ("answer",),
    "/console/quotas": ("account", "country", "year", "page"),
    "/console/accounts-statement": ("account", "from", "format"),
    "/console/accounts/lpp/CON-1/2025": ("before",),
    "/console/holds": ("code", "account", "party", "after", "view"),
    "/console/holds/SHP-4": ("answer",),
    "/console/shipments/SHP-4": ("before",),
    "/console/obligations": ("kind", "due_by", "about", "after"),
    "/console/search": ("q",),
    "/console/parties/CON-1": ("before",),
    "/console/law": ("day",),
    "/console/tokens": ("before", "revoked", "ended", "n"),
    "/console/periods": ("before",),
    "/console/periods/compare": ("from", "to"),
    "/console/live": ("page", "after"),
    "/sign-in": ("next",),
}
PATHS = (
    "/console/accounts/{}",
    "/console/holds/{}",
    "/console/shipments/{}/events.jsonl",
    "/console/shipments/{}/memo.html",
    "/console/parties/{}",
    "/console/periods/{}",
    "/console/periods/2025-06/csv/{}",
    "/console/assets/{}",
    "/link/{}",
)
VALUES = (
    "a\0b",
    "9" * 30,
    "9" * 18 + "-\0",
    "0001-01-01,k,s\0",
    "0001-01",
    "9999-12-31",
    "%_\\",
    "../..",
    "\ud800",
    "x" * 5_000,
)
FORMS = {
    "/console/holds/SHP-4": {"do": "propose release", "reason": "r", "kind": "", "reference": "", "hold": "", "proposal": ""},
    "/console/holds": {"account": "lpp/CON-1/2025"},
    "/console/obligations": {"shipment_id": "SHP-1", "party": "", "kind": "k", "due": "2025-07-05", "date": "", "reference": ""},
    "/console/periods": {"period": ""},
    "/console/tokens": {"name": "n", "role": "publisher", "sources": "", "expires": ""},
    "/console/tokens/revoke": {"id": ""},
    "/console/tokens/link": {"name": "", "role": "monitor"},
    "/console/tokens/sign-out": {"name": ""},
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for running in shared(request, tmp_path_factory):
        with writer(running.ledger) as write:
            write(something_of_everything())
        yield running


@pytest.fixture(scope="module")
def admin(web: Served) -> Iterator[httpx.Client]:
    with sign_in(web, web.token("admin", "the.admin")) as client:
        yield client


def escaped(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def status_of(client: httpx.Client, path: str) -> int:
    with client.stream("GET", path) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
        return answer.status_code


@pytest.mark.parametrize("page", NAMES)
def test_no_value_of_a_query_makes_a_page_fail(admin: httpx.Client, page: str) -> None:
    addresses = [f"{page}?{name}={escaped(value)}" for name in NAMES[page] for value in VALUES]
    assert {one: status for one in addresses if (status := status_of(admin, one)) >= 500} == {}


@pytest.mark.parametrize("path", PATHS)
def test_no_part_of_an_address_makes_a_page_fail(admin: httpx.Client, path: str) -> None:
    addresses = [path.format(escaped(value)) for value in VALUES]
    assert {one: status for one in addresses if (status := status_of(admin, one)) >= 500} == {}


@pytest.mark.parametrize("path", FORMS)
def test_no_field_of_a_form_makes_a_page_fail(web: Served, admin: httpx.Client, path: str) -> None:
    token = re.findall(r'name="form" value="([0-9a-f]{64})"', admin.get("/console/me").text)[0]
    before = len(web.lines)
    for number, name in enumerate(FORMS[path]):
        for at, value in enumerate(VALUES):
            id = f"{sorted(FORMS).index(path):020d}{number:010d}{at:010d}"
            given = {"form": token, "event_id": id, **FORMS[path], name: value}
            body = "&".join(f"{field}={escaped(text)}" for field, text in given.items())
            headers = SAME | {"Content-Type": "application/x-www-form-urlencoded"}
            answer = admin.post(path, content=body, headers=headers)
            assert answer.status_code < 500, (name, value[:40], answer.text)
            if answer.status_code == 303:
                assert admin.get(answer.headers["location"], follow_redirects=True).status_code < 500, (
                    name,
                    value[:40],
                )
    assert not [line for line in web.lines[before:] if "Traceback" in line or "failed" in line]
