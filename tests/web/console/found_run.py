"""A ledger in which each page of shipments, obligations, parties and the search has something to show, and its server."""

import html
import re
from collections.abc import Iterator

import events
import httpx
import pytest
from databases import Databases
from events import party
from reading_run import CARRIER, WMS, event, request, screen, something_of_everything
from signin_run import SAME, sign_in
from web_run import Served, served

HOSTILE_ID = "A.b_c:d-9"
HOSTILE = """<script>alert("1")</script> & '\N{RIGHT-TO-LEFT OVERRIDE}txt' """ + "x" * 400
SHOWN = HOSTILE.replace("\N{RIGHT-TO-LEFT OVERRIDE}", r"\u202e")
LONG_ID = "L" + "9" * 127
OTHER = "//other.example"
MANY = "SHP-MANY"
REPEATS = 90


def lines() -> list[bytes]:
    """Something of everything, hostile texts, facts of parties, and a shipment with many records."""
    hostile = party(HOSTILE_ID, "PL", name=HOSTILE)
    time = "2025-06-24T09:00:00Z"
    certified = {"kind": "aia_consignee_certification", "party": "CON-10", "date": "2025-05-01", "reference": "C-77"}
    cleared = {"party": "CON-10", "list": "entity-list", "entry": "E-1", "reviewer": "r.one", "reason": HOSTILE[:200]}
    return [
        *something_of_everything(),
        request(HOSTILE_ID, 8, time, consignee=hostile, papers=[]),
        event("long", "shipment.requested", events.shipment({"id": LONG_ID, "papers": []}), time, OTHER),
        event("reg-1", "party.registered", hostile | {"valid_from": "2025-01-01"}),
        event("reg-2", "party.registered", party("CON-10", "PL", name="Zakład Ąę") | {"valid_from": "2025-01-01"}),
        event("reg-3", "party.registered", party("C0N-10", "PL", name="Twin") | {"valid_from": "2025-01-01"}),
        event("cert-1", "certification.received", certified | {"valid_until": "2025-06-15"}),
        event("clear-1", "match.cleared", cleared),
        event("veu-1", "veu.authorized", {"holder": "CON-10", "program": "national", "country": "PL"}),
        event("used-1", "usage.attested", {"account": "lpp/CON-10/2025", "tpp": 1_234}),
        event("merge-1", "party.merged", {"survivor": "CON-11", "absorbed": "CON-12"}),
        request("SHP-LATE", 2, time, date="2025-06-30", consignee="CON-20"),
        request(MANY, 3, time, papers=[]),
        *(event(f"again-{n}", "recheck.requested", {"shipment_id": MANY}, time) for n in range(REPEATS)),
    ]


def pages_of(request: pytest.FixtureRequest, folder: pytest.TempPathFactory) -> Iterator[Served]:
    """One running server for all tests of a file, on the kind of database that the fixture's parameter names."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    databases = Databases(request.param, folder.mktemp("shared"), server)
    url = databases.ledger()
    screen(url, lines())
    with served(url) as web:
        yield web
    databases.drop(url)


def person(web: Served, role: str, name: str, *sources: str) -> Iterator[httpx.Client]:
    """A browser in which somebody of a role is signed in."""
    with sign_in(web, web.token(role, name, *sources)) as client:
        yield client


def words(text: str) -> str:
    """What a page shows as text, with each run of blanks as one."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", re.sub("</?time>", "", text)))).strip()


def main_of(text: str) -> str:
    """The part of a page between the frame's head and foot."""
    return text[text.index("<main") : text.index("</main>")]


def ids(text: str) -> list[str]:
    """The ids of the elements of a page."""
    return re.findall(r'\sid="([^"]+)"', text)


def forms(text: str) -> list[dict[str, str]]:
    """The fields of each form of a page that is posted, with its `action`."""
    found = []
    for action, body in re.findall(
        r'<form class="filters" method="post" action="([^"]*)">(.*?)</form>', text, re.DOTALL
    ):
        fields = dict(re.findall(r'name="([a-z_]+)"[^>]*?value="([^"]*)"', body))
        found.append({name: html.unescape(value) for name, value in fields.items()} | {"action": html.unescape(action)})
    return found


def post(client: httpx.Client, fields: dict[str, str], **changed: str) -> httpx.Response:
    """Presses the button of a form whose fields are changed."""
    sent = fields | changed
    return client.post(sent.pop("action"), data=sent, headers=SAME)


__all__ = ["CARRIER", "WMS"]
