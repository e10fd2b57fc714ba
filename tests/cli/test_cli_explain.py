"""`tpp explain`: the memo on one screen, the trace below it, and the page that prints as one memo."""

import gzip
import json
import re
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from cli_events import dispatch, event, lines, request
from cli_run import Tpp, runner

from rulebook import load
from schemas.models.parts import ReviewKind

ROOT = Path(__file__).resolve().parent.parent.parent
ORDINARY = [f"SHP-000{number}" for number in range(1, 8)]
HOSTILE = """<script>alert(1)</script>&lt;"'><img src=x onerror=y>{{ 7*7 }}{% raw %}\u202ehttps://evil.example"""
LABELS = ["Requested", "Decisive", "Near", "Owed", "Law"]
RECORDED = ROOT / "tests" / "proof" / "versions" / "0.1.0.db.gz"


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with the examples of the first tour."""
    folder = tmp_path_factory.mktemp("quickstart")
    runner(folder)("screen", str(ROOT / "examples" / "quickstart.jsonl"), "--out", "out.jsonl")
    return folder / "tpp-ledger.db"


@pytest.fixture
def tour(tpp: Tpp, quickstart: Path, tmp_path: Path) -> Tpp:
    """Runs `tpp` in a folder with a copy of that ledger."""
    shutil.copy(quickstart, tmp_path)
    return tpp


def short(tpp: Tpp, shipment: str) -> str:
    done = tpp("explain", shipment, "--short")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize("shipment", ORDINARY)
def test_the_memo_of_an_ordinary_shipment_fits_a_screen(tour: Tpp, shipment: str) -> None:
    told = short(tour, shipment).splitlines()
    assert len(told) <= 24
    assert max(map(len, told)) <= 80
    labels = [line.split()[0] for line in told[4:] if line and not line.startswith(" ")]
    assert [label for label in labels if label != "Review"] == LABELS


@pytest.mark.parametrize("shipment", ORDINARY)
def test_the_whole_is_the_memo_and_the_trace_below_it(tour: Tpp, shipment: str) -> None:
    whole = tour("explain", shipment).stdout.decode()
    assert whole.startswith(short(tour, shipment))
    assert "Provisions tried:" in whole
    assert "Provisions tried:" not in short(tour, shipment)
    assert max(map(len, whole.splitlines())) <= 80


def test_the_answer_the_paragraph_and_what_is_owed(filled: Tpp) -> None:
    told = " ".join(short(filled, "SHP-1").split())
    assert "Shipment SHP-1 left under LPP, 126,656 TPP, on 2025-06-05." in told
    assert "Decisive 15 CFR 740.29(d): 126,656 of 26,900,000 TPP used on lpp/CON-1/2025." in told
    assert "Near 26,773,344 of 26,900,000 TPP were left on lpp/CON-1/2025." in told
    assert "Owed 2025-07-05 lpp certification copy (15 CFR 740.29(g)(1))." in told
    assert "Law 90 FR 4544 as of 2025-06-05 (ai-diffusion): codified, not enforced since 2025-05-13." in told
    assert "Switches: none." in told


def test_a_hold_says_why_and_what_would_fit(filled: Tpp) -> None:
    told = " ".join(short(filled, "SHP-3").split())
    assert "Shipment SHP-3 may not go: a debit would exceed the limit of an account (quota.exhausted)." in told
    assert "15 CFR 740.29(d): lpp/CON-1/2025 has 10,941,344 TPP available and 15,832,000 are asked" in told
    assert "Near On lpp/CON-1/2025 691 units would fit, all of it from 2026-01-01." in told
    assert "Owed Nothing." in told


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ([request("A")], "Shipment A may go under LPP, 126,656 TPP, on 2025-06-05."),
        ([request("A"), dispatch("A")], "Shipment A left under LPP, 126,656 TPP, on 2025-06-05."),
        ([request("A"), event("c", "shipment.cancelled", {"shipment_id": "A"})],
         "Shipment A was cancelled, and does not go."),
        ([request("A", 1_700), event("d", "review.decided", {"shipment_id": "A", "action": "deny"})],
         "Shipment A may not go: reviewers denied it."),
        ([request("A", expires="2025-06-20"), event("t", "clock.ticked", {"now": "2025-08-01T00:00:00Z"}, "2025-08-01T00:00:00Z")],
         "Shipment A lapsed, since it had not left by its day."),
        ([request("A", date="2025-12-31"), dispatch("A", "2026-01-02", "2026-01-02T08:00:00Z")],
         "Shipment A left and is held: a statement or certification no longer counts on the export date (cert"),
        ([request("A", date="2025-01-12")], "or the rule has not begun (authorization.none)."),
        ([dispatch("A")], "Shipment A does not exist: nothing was requested under this identifier."),
    ],
    ids=["approved", "left", "cancelled", "denied", "lapsed", "left while held", "before the rule", "unknown"],
)  # fmt: skip
def test_the_answer_of_every_state(tpp: Tpp, events: list[bytes], answer: str) -> None:
    tpp("screen", "-", stdin=lines(*events))
    assert answer in " ".join(short(tpp, "A").split())


def test_a_release_names_its_reviewers(tpp: Tpp) -> None:
    flagged = request("A", flags=[{"number": 1, "note": "a note"}])
    released = {"shipment_id": "A", "second_reviewer": "r.two", "reason": "the flag is resolved."}
    tpp("screen", "-", stdin=lines(flagged, event("r", "review.decided", released)))
    told = " ".join(short(tpp, "A").split())
    assert "Shipment A may go under LPP, 126,656 TPP, on 2025-06-05." in told
    assert "Review r.one and r.two: the flag is resolved. Decisive 15 CFR 740.29(d)" in told


def test_shipments_of_an_older_ledger_have_their_memos(tpp: Tpp, tmp_path: Path) -> None:
    (tmp_path / "tpp-ledger.db").write_bytes(gzip.decompress(RECORDED.read_bytes()))
    assert tpp("migrate").returncode == 0
    with sqlite3.connect(tmp_path / "tpp-ledger.db") as ledger:
        states = dict(ledger.execute("SELECT id, state FROM shipment"))
    ledger.close()
    words = {"approved": "may go", "released": "may go", "dispatched": "left", "held": "may not go", "denied": "denied"}
    words |= {"cancelled": "cancelled", "expired": "lapsed", "held_at_dispatch": "is held"}
    assert states
    for shipment, state in states.items():
        told = " ".join(short(tpp, shipment).split())
        assert words[state] in told
        assert "(shipment.state)" not in told
        assert "codified, not enforced." in told


def test_what_was_met_is_said_to_be(filled: Tpp) -> None:
    assert "lpp certification copy (15 CFR 740.29(g)(1))." in short(filled, "SHP-1")
    met = {"kind": "lpp_certification_copy", "shipment_id": "SHP-1", "due": "2025-07-05", "date": "2025-07-01"}
    filled("screen", "-", stdin=lines(event("m", "obligation.met", met)))
    assert "lpp certification copy (15 CFR 740.29(g)(1)): met." in short(filled, "SHP-1")


def test_switches_in_force_are_named(tpp: Tpp) -> None:
    tpp("screen", "-", stdin=lines(request("A")), env={"TPP_SWITCHES": "lpp_5a002=true,aca_by_740_8a=false"})
    assert "Switches: lpp_5a002." in " ".join(short(tpp, "A").split())


def test_goods_that_left_without_approval_come_first(filled: Tpp) -> None:
    filled("screen", "-", stdin=lines(dispatch("SHP-3")))
    told = short(filled, "SHP-3")
    assert 0 < told.index("\nAlert ") < told.index("\nRequested ")


def test_every_authorization_has_paragraphs_on_which_it_turns() -> None:
    book = load("ai-diffusion")
    kinds = [kind for part in get_args(ReviewKind) for kind in (get_args(part) or (part,))]
    assert [kind for kind in kinds if not book.decisive(kind)] == ["LVS", "GBS"]


def test_short_is_for_people(filled: Tpp) -> None:
    done = filled("explain", "SHP-1", "--short", "--format", "json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert json.loads(filled("explain", "SHP-1", "--format", "json").stdout)[0]["record"] == 1


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def page(tpp: Tpp, *words: str) -> str:
    done = tpp("explain", *words, "--format", "html")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "table", "tr", "th", "td"}
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "scope"}


@pytest.mark.parametrize("shipment", ORDINARY)
def test_a_page_asks_for_nothing_from_elsewhere(tour: Tpp, shipment: str) -> None:
    text = page(tour, shipment)
    read = Page(text)
    assert read.tags <= TAGS
    assert read.attributes <= ATTRIBUTES
    assert not re.search(r"https?:|url\(|@import|@font-face", text)
    assert "15 CFR 740" in read.text


def test_a_short_page_has_the_memo_and_no_trace(tour: Tpp) -> None:
    text = Page(page(tour, "SHP-0002", "--short")).text
    memo = " ".join(short(tour, "SHP-0002").split())
    assert "1,432 of 26,900,000 TPP were left on lpp/CON-20/2025." in text
    assert "1,432 of 26,900,000 TPP were left on lpp/CON-20/2025." in memo
    assert "Provisions tried" not in text
    assert "Provisions tried" in Page(page(tour, "SHP-0002")).text


@pytest.fixture
def hostile(tpp: Tpp, tmp_path: Path) -> Tpp:
    """A ledger in whose names, reasons and references is what a browser obeys."""
    asked = json.loads(request("SHP-1", 1_700))
    asked["id"] = HOSTILE
    asked["data"]["ultimate_consignee"]["name"] = HOSTILE
    asked["data"]["exporter"]["name"] = HOSTILE
    asked["data"]["items"][0]["part_number"] = HOSTILE
    review = {"shipment_id": "SHP-1", "action": "deny", "reviewer": HOSTILE, "reason": HOSTILE}
    (tmp_path / "in.jsonl").write_bytes(lines(json.dumps(asked).encode(), event("r", "review.decided", review)))
    assert tpp("screen", "in.jsonl", "--out", "out.jsonl").returncode == 0
    return tpp


@pytest.mark.parametrize("words", [("SHP-1",), ("SHP-1", "--short")], ids=["whole", "short"])
def test_every_text_of_a_page_is_escaped(hostile: Tpp, words: tuple[str, ...]) -> None:
    text = page(hostile, *words)
    read = Page(text)
    assert read.tags <= TAGS
    assert read.attributes <= ATTRIBUTES
    assert HOSTILE.replace("\u202e", "\\u202e") in read.text
    assert "\u202e" not in text
    for what in ("<script", "<img", "&lt;\"'>"):
        assert what not in text


def test_hostile_names_keep_to_80_columns(hostile: Tpp) -> None:
    for words in (("SHP-1",), ("SHP-1", "--short")):
        assert max(map(len, hostile("explain", *words).stdout.decode().splitlines())) <= 80
