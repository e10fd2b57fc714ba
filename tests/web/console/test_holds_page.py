"""The list of holds, and one hold as it is read: the same figures and sentences as the command line, for any names."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date

import events
import httpx
import orjson
import pytest
from click.testing import CliRunner
from databases import KINDS
from holds_run import buttons, fill, flagged, page, shipment, text_of, too_much, unpapered
from reading_run import dispatch, event, listed, request
from signin_run import shared, sign_in, somebody
from web_run import Served

import rulebook
from ledger.database.store import Store
from ledger.queries.work_list import holds
from rulebook.screening.tried import GENERAL
from services.cli.commands import main
from services.views.console.live import PARTS
from services.views.console.look.render import Touched
from services.views.console.look.told import told
from services.views.work_list import awaited_besides, set_aside

TODAY = date(2025, 6, 2)
HOSTILE = [
    "<script>alert(1)</script>", "\u202egnitser\u202c", "'\"><img src=x onerror=alert(1)>", "{{ 7 * 7 }} {b} {0}",
    "x" * 512, "a\u200bb & <b>", "%s {n:,}",
]  # fmt: skip


NOTES = {
    "MUCH-1": (
        "MUCH-1 is held, 15 CFR 740.29(d). 26,914,400 TPP are asked for, 26,900,000 are left. You can amend "
        "it to 1,699 of its 1,700 units now, or cancel it."
    ),
    "MUCH-4": (
        "MUCH-4 is held, 15 CFR 740.29(d). 11,082,400 TPP are asked for, 11,068,000 are left. You can amend "
        "it to 699 of its 700 units now, or amend it to leave on 2026-01-01 or later, with the papers of that"
        " day, or cancel it."
    ),
    "PAPER-2": (
        "PAPER-2 is held, 15 CFR 740.29(f). The LPP statement of Party CON-PAPER-2 is not on file. You can "
        "send the LPP statement of Party CON-PAPER-2, dated 2025-06-05 or earlier, or cancel it."
    ),
    "FLAG-1": (
        "FLAG-1 is held, Supplement No. 3 to part 732. Red flag 2: seen. A reviewer decides it; you need do "
        "nothing until then."
    ),
    "GONE-3": (
        "GONE-3 is held, 15 CFR 740.29(f). The LPP statement of Party CON-GONE-3 is not on file. It left "
        "without an approval on 2025-06-05. Tell us how, and report its return if it comes back."
    ),
}
"""What the text for the publisher says of a hold."""


@pytest.fixture(scope="module", params=KINDS)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on a ledger with holds of every kind, which the tests of this file only read."""
    for web in shared(request, tmp_path_factory):
        fill(web, of_every_kind())
        yield web


@pytest.fixture(scope="module")
def client(desk: Served) -> Iterator[httpx.Client]:
    """A reviewer who is signed in."""
    with sign_in(desk, desk.token("reviewer", somebody())) as signed:
        yield signed


def universal(holder: str, to: str) -> list[bytes]:
    """A request of a holder of a universal VEU, of whom a share is too much, with its facility and its base."""
    place = {"id": "FAC-1", "address": "1 Example Road", "country": to, "valid_from": "2025-01-13"}
    base = {"uveu/CON-U/total": 1_000_000_000, "uveu/CON-U/outside-us": 500_000_000} if holder == "CON-U" else {}
    ask = {"consignee": events.party(holder, to, "US"), "claim": "VEU", "papers": [], "facility": "FAC-1", "to": to}
    granted = {"holder": holder, "program": "universal", "facilities": [place]}
    return [
        event(f"veu-{holder}", "veu.authorized", granted),
        *(event(path, "usage.attested", {"account": path, "tpp": tpp}) for path, tpp in base.items()),
        request(f"SHARE-{holder}", **ask),
    ]


def of_every_kind() -> list[bytes]:
    """Holds that wait for a reviewer, room, a paper, a licence; past their date; that left unapproved; and others."""
    lines = [
        flagged("FLAG-1"), flagged("FLAG-2", date="2025-06-02"), flagged("FLAG-3", date="2025-06-01"),
        too_much("MUCH-1", date="2025-12-30"), too_much("MUCH-2", date="2025-05-30"), too_much("MUCH-3", flags=[2]),
        unpapered("PAPER-1"), unpapered("PAPER-2", to="IN"), flagged("BOTH-1", papers=[]),
        request("DENY-1", to="CN"), request("DENY-2", to="CN", flags=[1]), request("DENY-3", to="MO", papers=[]),
        request("VEU-1", claim="VEU", to="AE"), request("LIC-1", claim="LICENSE L-9"),
        *universal("CON-U", "DE"), *universal("CON-V", "AE"),
        too_much("MUCH-0", quantity=1_000, consignee="CON-MUCH-4"), too_much("MUCH-4", quantity=700),
        request("FINE-1", 3), too_much("GONE-1"), dispatch("GONE-1"), dispatch("GONE-2"),
        unpapered("GONE-3", to="KR"), dispatch("GONE-3"),
        unpapered("OPER-1", operator=[events.party("OPER-A", "DE"), events.party("OPER-B", "FR")]),
    ]  # fmt: skip
    return [*lines, *(flagged(f"MORE-{n}", consignee="CON-MORE", to="DE") for n in range(55))]


def names(html: str) -> list[str]:
    """The shipments of a list, in its order."""
    return re.findall(r'<tr id="hold-([^"]+)"', html)


def everywhere(client: httpx.Client, path: str) -> list[str]:
    """The shipments of every page of a list."""
    found: list[str] = []
    while path:
        html = page(client, path)
        rows = names(html)
        assert len(rows) <= 50
        found += rows
        more = re.search(r'rel="next" href="([^"]+)"', html)
        path = more[1].replace("&amp;", "&") if more else ""
    return found


def counts(html: str) -> dict[str, int]:
    """How many holds each view says that it has."""
    views = html[html.index('class="views"') : html.index("</ul>")]
    found = re.findall(r'href="/console/holds(?:\?view=(\w+))?"[^>]*>[^<]*<span class="count">([\d,]+)', views)
    return {view or "leave": int(number.replace(",", "")) for view, number in found}


def by_hand(desk: Served) -> dict[str, list[str]]:
    """The shipments of each view, from every hold as the command line lists it, with its reasons."""
    book, store = rulebook.load("ai-diffusion", {}), Store(desk.ledger)
    found: dict[str, list[str]] = {}
    try:
        with store.read() as connection:
            for one in holds(connection):
                codes = list(dict.fromkeys(reason["code"] for reason in one.reasons))
                views = ["all"]
                if one.left:
                    views.append("left")
                elif one.export_date < TODAY.isoformat():
                    views.append("past")
                else:
                    views += ["leave", awaited_besides(codes, set_aside(book, one.reasons))]
                for view in views:
                    found.setdefault(view, []).append(one.id)
    finally:
        store.close()
    return found


def test_every_view_lists_and_counts_what_its_reasons_say(desk, client) -> None:
    expected = by_hand(desk)
    said = counts(page(client, "/console/holds"))
    assert said == {view: len(ids) for view, ids in expected.items()}
    assert set(expected) == {"all", "left", "past", "leave", "reviewer", "quota", "fact", "licence"}
    for view, ids in expected.items():
        assert everywhere(client, f"/console/holds?view={view}") == ids, view
    assert everywhere(client, "/console/holds") == expected["leave"]


def test_a_share_that_a_reviewer_may_set_aside_is_told_from_others(desk, client) -> None:
    codes = {one["shipment_id"]: set(one["codes"]) for one in listed(desk.ledger, "holds")}
    assert codes["SHARE-CON-U"] == codes["SHARE-CON-V"] == {"veu.share_exceeded"}
    assert names(page(client, "/console/holds?view=reviewer&reason=veu.share_exceeded")) == ["SHARE-CON-U"]
    assert names(page(client, "/console/holds?view=quota&reason=veu.share_exceeded")) == ["SHARE-CON-V"]
    assert "propose release" in buttons(page(client, "/console/holds/SHARE-CON-U"))
    assert "No release." in text_of(page(client, "/console/holds/SHARE-CON-V"))


def test_the_list_of_all_is_that_of_the_command_line(desk, client) -> None:
    rows = listed(desk.ledger, "holds")
    assert everywhere(client, "/console/holds?view=all") == [one["shipment_id"] for one in rows]
    html = page(client, "/console/holds?view=all&reason=quota.exhausted")
    for one in rows:
        if "quota.exhausted" in one["codes"]:
            row = text_of(html[html.index(f'id="hold-{one["shipment_id"]}"') :].split("</tr>")[0])
            for text in (one["reasons"][0]["message"], "; ".join(one["ended_by"])):
                assert text_of(str(told(text))) in row
            assert f"{one['tpp']:,}" in row and all(code in row for code in one["codes"])


@pytest.mark.parametrize("path", ["/console/holds", "/console/holds?view=left", "/console/holds?view=past"])
def test_reasons_are_counted_within_the_view(desk, client, path) -> None:
    html = page(client, path)
    rows = {one["shipment_id"]: one for one in listed(desk.ledger, "holds")}
    expected = Counter(code for id in everywhere(client, path) for code in rows[id]["codes"])
    found = {code: int(n) for code, n in re.findall(r'<option value="([a-z_.]+)">[a-z_.]+ \((\d+)\)', html)}
    assert found == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("party=CON-MUCH-1&view=all", ["MUCH-1"]),
        ("account=lpp/CON-MUCH-1/2025", ["MUCH-1"]),
        ("account=lpp/CON-MUCH-2/2025", ["MUCH-2"]),
        ("party=lpp/CON-GONE-*&view=all", ["GONE-1"]),
        ("country=CN", ["DENY-1", "DENY-2"]),
        ("by=2025-06-02", ["FLAG-2"]),
        ("reason=destination.denied&country=MO", ["DENY-3"]),
        ("view=past&by=2025-05-31", ["MUCH-2"]),
        ("country=CN&party=CON-NONE", []),
        ("reason=license.expired", []),
        ("unknown=1&view=quota&country=PL&party=CON-MUCH-1", ["MUCH-1"]),
    ],
)
def test_filters_are_addresses(client, query, expected) -> None:
    html = page(client, f"/console/holds?{query}")
    assert names(html) == expected
    if not expected:
        assert "No hold in this view fits the filter" in html and "Show all" in html


@pytest.mark.parametrize(
    "query",
    ["by=tomorrow", "by=2025-13-01", "country=xx", "reason=none", "view=mine", "after=x", "after=0~1~../", "party=%00",
     "after=1~99999999999999999999~1", "by=%F0%9F%98%80", "party=" + "x" * 300],
)  # fmt: skip
def test_what_an_address_asks_wrongly_is_a_message(client, query) -> None:
    html = page(client, f"/console/holds?{query}", 400)
    assert 'id="errors"' in html and names(html)
    for field in re.findall(r'<li><a href="#([^"]+)"', html):
        assert f'id="{field}"' in html


@pytest.mark.parametrize(
    "query", ["view=leave&view=past", "by=", "party=%E2%80%AE", "party=' OR 1=1 --", "country=%20"]
)
def test_an_odd_address_is_a_page(client, query) -> None:
    page(client, f"/console/holds?{query}")


@pytest.mark.parametrize(
    "id", ["MUCH-1", "PAPER-2", "DENY-1", "FLAG-1", "SHARE-CON-U", "SHARE-CON-V", "GONE-3", "LIC-1", "OPER-1"]
)
def test_a_hold_says_what_explain_says(desk, client, id) -> None:
    said = CliRunner().invoke(main, ["explain", id, "--short", "--ledger", desk.ledger])
    short = " ".join(said.output.split())
    html = page(client, f"/console/holds/{id}")
    verdict = html[html.index('id="hold-verdict"') : html.index("</div>", html.index('id="hold-verdict"'))]
    sentences = [text_of(one) for one in re.findall(r"<p [^>]*>.*?</p>", verdict, re.DOTALL)]
    assert len(sentences) > 1
    first = next(one for one in listed(desk.ledger, "holds") if one["shipment_id"] == id)["reasons"][0]
    assert sentences[0] == text_of(f"{told(first['message'])} {first['citation']}")
    said_alike = text_of(str(told(short.replace("- ", "-"))))
    for sentence in [f"{first['citation']}: {text_of(str(told(first['message'])))}", *sentences[1:]]:
        assert sentence.replace("- ", "-") in said_alike, sentence
    assert html.count('<details class="tried" open') == 1


@pytest.mark.parametrize("id", NOTES)
def test_the_text_for_the_publisher_says_what_to_do(client, id) -> None:
    html = page(client, f"/console/holds/{id}")
    assert text_of(re.search(r'id="note-text">(.*?)</p>', html, re.DOTALL)[1]) == NOTES[id]


def test_a_hold_shows_the_account_that_is_short_and_what_would_fit(client) -> None:
    html = page(client, "/console/holds/MUCH-1")
    said = text_of(html)
    assert "Posted 0, pending 0, left 26,900,000 of 26,900,000 TPP; asked 26,914,400." in said
    assert "1 A part of it, on lpp/CON-MUCH-1/2025 1,699 26,898,568 now" in said
    assert "The publisher amends to 1,699 units; 1 goes in another shipment" in said
    later = text_of(page(client, "/console/holds/MUCH-4"))
    assert "1 A part of it, on lpp/CON-MUCH-4/2025 699 11,066,568 now" in later
    assert "2 All of it 700 11,082,400 2026-01-01 The publisher amends the date" in later
    assert "Posted 0, pending 15,832,000, left 11,068,000 of 26,900,000 TPP; asked 11,082,400." in later
    assert 'class="b-over"' in html and 'href="/console/accounts/lpp/CON-MUCH-1/2025"' in html


def test_the_hold_before_and_the_next_one(client) -> None:
    ids = everywhere(client, "/console/holds")
    html = page(client, f"/console/holds/{ids[1]}")
    assert f"2 of {len(ids)}" in text_of(html)
    assert f'rel="prev" href="/console/holds/{ids[0]}"' in html and f'rel="next" href="/console/holds/{ids[2]}"' in html
    last = page(client, f"/console/holds/{ids[-1]}")
    assert f"{len(ids)} of {len(ids)}" in text_of(last) and 'rel="next"' not in last
    gone = page(client, "/console/holds/GONE-1")
    assert "1 of 3" in text_of(gone) and "Left without an approval on 2025-06-05." in text_of(gone)


def test_a_shipment_that_is_not_held_has_its_own_page(client) -> None:
    answer = client.get("/console/holds/FINE-1?answer=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/shipments/FINE-1?answer=x")


@pytest.mark.parametrize("id", ["NONE", "%3Cscript%3E", "x" * 600, "%E2%80%AE"])
def test_a_hold_of_no_shipment_is_not_found(client, id) -> None:
    html = page(client, f"/console/holds/{id}", 404)
    assert "There is no shipment" in html and "<script>" not in html


def test_names_are_text_whatever_they_are(desk, client) -> None:
    for name in HOSTILE:
        id = shipment()
        ask = orjson.loads(flagged(id))
        for party in ("exporter", "ultimate_consignee"):
            ask["data"][party]["name"] = name
        ask["data"]["items"][0]["part_number"] = name
        ask["data"]["red_flags"][0]["note"] = name
        fill(desk, [orjson.dumps(ask)])
        with sign_in(desk, desk.token("reviewer", somebody())) as other:
            html = page(other, f"/console/holds/{id}")
            form = re.search(r'name="form" value="(\w+)"', html)[1]
            hold = re.search(r'name="hold" value="(\d+)"', html)[1]
            fields = {
                "form": form,
                "hold": hold,
                "event_id": f"{len(id):040x}"[:36] + f"{len(name):04x}",
                "do": "propose deny",
            }
            sent = other.post(f"/console/holds/{id}", data=fields | {"form_of": "deny", "reason": name})
            assert sent.status_code == 303, sent.text
        for path in (
            f"/console/holds/{id}",
            f"/console/holds?party=CON-{id}&view=all",
            f"/console/holds?answer={fields['event_id']}",
        ):
            html = page(client, path)
            for raw in ("<script>alert", "<img src=x", "\u202e", "\u200b", "49 {b}"):
                assert raw not in html, (path, raw)
        said = text_of(page(client, f"/console/holds/{id}"))
        shown = name.replace("\u202e", "\\u202e").replace("\u202c", "\\u202c").replace("\u200b", "\\u200b")
        assert said.count(shown) >= 3, shown


def test_nothing_is_held_and_nothing_has_come_in(web) -> None:
    with sign_in(web, web.token("reviewer", somebody())) as signed:
        html = page(signed, "/console/holds")
        assert "No event has come in yet" in html and 'id="recheck"' not in html
        fill(web, [request("FINE-1", 3)])
        html = page(signed, "/console/holds")
        assert "Nothing is held" in html and 'id="holds"' in html
        assert "No hold is in this view" in page(signed, "/console/holds?view=past")


def test_touched_rows_are_those_of_the_page(desk, client) -> None:
    html = page(client, "/console/holds?view=reviewer")
    made = parts_of(desk, "holds", "", "FLAG-1", "FINE-1", "NONE")
    assert len(made) == 2
    assert 'id="hold-FLAG-1" data-into="holds"' in made[0]
    assert text_of(made[0]) in text_of(html)
    assert 'id="hold-FINE-1" class="gone"' in made[1] and "data-into" not in made[1] and "Approved" in made[1]


def parts_of(desk: Served, name: str, about: str, *ids: str) -> list[str]:
    """The parts of a page that shipments touched."""
    store = Store(desk.ledger)
    try:
        with store.read() as connection:
            touched = Touched(frozenset(ids), frozenset(), False)
            return PARTS[name](connection, rulebook.load("ai-diffusion", {}), TODAY, about, touched)
    finally:
        store.close()


def test_a_hold_that_was_decided_meanwhile_says_so(desk, client) -> None:
    id = shipment()
    fill(desk, [flagged(id)])
    html = page(client, f"/console/holds/{id}")
    about = re.search(r'data-live="hold:([^"]+)"', html)[1]
    assert '<div id="meanwhile" class="msg warn" role="status" hidden></div>' in html and "data-act" in html
    state, verdict = parts_of(desk, "hold", about, id)
    assert 'id="hold-state"' in state and state in html and verdict in html
    assert parts_of(desk, "hold", about, "FLAG-1") == []
    fill(desk, [event(f"p-{id}", "review.proposed", {"shipment_id": id})])
    state, _, said = parts_of(desk, "hold", about, id)
    assert "Held, release proposed" in state
    assert 'id="meanwhile"' in said and "r.one proposes to release" in said and "data-ends" not in said
    amended = orjson.loads(flagged(id, quantity=9)) | {"type": "tpp.shipment.amended.v1", "id": f"a-{id}"}
    fill(desk, [orjson.dumps(amended)])
    *_, said = parts_of(desk, "hold", about, id)
    assert "data-ends" in said and f"/console/holds/{id}" in said
    fill(desk, [event(f"d-{id}", "review.decided", {"shipment_id": id, "second_reviewer": "r.two"})])
    state, said = parts_of(desk, "hold", about, id)
    assert "Released" in state and "data-ends" in said and f"/console/shipments/{id}" in said
    assert f"Shipment {id} was released under LPP on 2025-06-02T09:30:00Z by r.one and r.two." in said


def test_every_finding_is_under_the_authorization_for_which_it_was_tried() -> None:
    book = rulebook.load("ai-diffusion", {})
    cited = ["90 FR 4544, DATES", "15 CFR 742.6(a)(6)(iii)(B)", "15 CFR 740.8(a)", "15 CFR 740.8(a)", "15 CFR 740.8(b)",
             "15 CFR 740.27(a)", "15 CFR 740.29(d)", "of the house", "15 CFR 740.8(a)", "15 CFR 740.8(b)", "15 CFR 748.4; 750.7"]  # fmt: skip
    kinds = [kind for kind, _ in book.text.tried_in(cited, None)]
    assert kinds == [GENERAL, "NLR", "ACA", "ACA", "ACA", "AIA", "LPP", "LPP", "NAC", "NAC", "LICENSE"]
    closed = ["15 CFR 742.6(a)(6)(iii)(B)", "15 CFR 740.8(a)", "15 CFR 740.8(c)(1)", "15 CFR 748.4; 750.7"]
    assert [kind for kind, _ in book.text.tried_in(closed, None)] == ["NLR", "NAC", "NAC", "LICENSE"]
    assert [kind for kind, _ in book.text.tried_in(["90 FR 4544, DATES", "15 CFR 740.29(d)"], "LPP")] == [
        GENERAL,
        "LPP",
    ]
    assert all(rule for _, rule in book.text.tried_in([one for one in cited if one != "of the house"], None))
