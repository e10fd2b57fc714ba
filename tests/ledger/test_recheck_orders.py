"""Facts, shipments, room and ticks in any order: no hold stays that would pass, and every interruption gives the same bytes."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from databases import Databases
from events import facility
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ledger_checks import check_debits, check_ledger, opened
from ledger_events import PARTIES, Line, engine, licence, request
from soak import much

from ledger.database.store import Store
from rulebook import load
from services.engine import chunks
from services.engine.engine import Engine
from services.engine.handlers import clock, reviews
from services.engine.message import Message
from services.proof.verification import verify
from services.resources import software

NAMES = [f"SHP-{n}" for n in range(1, 7)]
PAPERS = [
    ("lpp_consignee_statement", "CON-20"),
    ("lpp_consignee_statement", "CON-21"),
    ("aia_consignee_certification", "CON-30"),
]
ACCOUNTS = ["lpp/CON-20/2025", "lpp/CON-21/2025", "nveu/CON-50/AE", "license/LIC-1"]
AMOUNTS = st.sampled_from([0, 15_832, 11_000_000, 26_900_000])
SITES = {"facilities": [facility("FAC-1", "AE", "2025-06-01")], "valid_from": "2025-06-01"}
VEU = {"holder": "CON-50", "program": "national", "country": "AE"}
REVIEWS = {"reviewer": "r.one", "second_reviewer": "r.two"}

Event = tuple[str, dict[str, Any]]


@st.composite
def a_request(draw: st.DrawFn) -> Event:
    """A shipment is asked for or asked anew, with its papers or without."""
    kind = draw(st.sampled_from(["LPP", "LPP", "AIA", "VEU", "LICENSE"]))
    consignee = {"LPP": draw(st.sampled_from(["CON-20", "CON-21", "CON-22"])), "AIA": "CON-30", "VEU": "CON-50"}
    more: dict[str, Any] = {} if draw(st.booleans()) else {"certifications": []}
    if kind == "LICENSE":
        more["authorization"] = {"kind": "LICENSE", "reference": "LIC-1"}
    if draw(st.booleans()):
        more["expires"] = "2025-06-10"
    quantity = draw(st.sampled_from([1, 700, 1_000, 1_699]))
    verb = draw(st.sampled_from(["requested", "requested", "amended"]))
    return f"shipment.{verb}", request(
        draw(st.sampled_from(NAMES)), consignee.get(kind, "CON-40"), quantity, kind, **more
    )


@st.composite
def a_step(draw: st.DrawFn) -> Event:
    """What happens to a shipment, besides."""
    name = draw(st.sampled_from(NAMES))
    return draw(
        st.sampled_from(
            [
                ("shipment.cancelled", {"shipment_id": name}),
                ("shipment.dispatched", {"shipment_id": name, "export_date": "2025-06-16"}),
                ("shipment.dispatched", {"shipment_id": name, "export_date": "2025-06-17"}),
                ("shipment.returned", {"shipment_id": name, "items": [{"line": 1, "quantity": 500}]}),
                ("review.decided", {"shipment_id": name, "action": "release", **REVIEWS}),
                ("review.decided", {"shipment_id": name, "action": "deny", **REVIEWS}),
                ("clock.ticked", {"now": f"2025-06-{draw(st.sampled_from(['05', '10', '12']))}T00:00:00Z"}),
            ]
        )
    )


@st.composite
def a_fact(draw: st.DrawFn) -> Event:
    """What somebody learns."""
    account, amount = draw(st.sampled_from(ACCOUNTS)), draw(AMOUNTS)
    kind, party = draw(st.sampled_from(PAPERS))
    survivor, absorbed = draw(st.sampled_from([("CON-20", "CON-21"), ("CON-21", "CON-20"), ("CON-99", "CON-30")]))
    known = draw(st.sampled_from(["CON-20", "CON-21", "CON-30", "CON-50"]))
    return draw(
        st.sampled_from(
            [
                ("certification.received", {"kind": kind, "party": party, "date": "2025-01-02"}),
                ("party.registered", {**PARTIES[known], "valid_from": "2025-01-01"}),
                ("license.issued", licence("LIC-1", amount)),
                ("license.revoked", {"number": "LIC-1", "date": "2025-06-20"}),
                ("veu.authorized", VEU | SITES),
                ("veu.revoked", VEU | {"date": "2025-06-20"}),
                ("allocation.set", {"account": account, "limit": amount}),
                ("usage.attested", {"account": account, "tpp": amount}),
                ("adjustment.made", {"account": account, "amount": -amount}),
                ("attrition.reported", {"account": "nveu/CON-50/AE", "tpp": amount}),
                ("party.merged", {"survivor": survivor, "absorbed": absorbed}),
            ]
        )
    )


STORIES = st.lists(st.one_of(a_request(), a_request(), a_step(), a_fact()), min_size=4, max_size=20)
CUTS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 2)), max_size=3, unique_by=lambda cut: cut[0]).map(sorted)
"""After which events the process is killed, and how many chunks it did after each."""


def messages(story: Sequence[Event]) -> list[Message]:
    """The events of a story as lines of a file."""
    line = Line()
    raws = [line.event(kind, data, data.get("now")) for kind, data in story]
    return [Message(raw, {"file": "in.jsonl", "line": n}) for n, raw in enumerate(raws, 1)]


def good(store: Store, answers: Sequence[Sequence[str]]) -> None:
    """The ledger is whole and verified, no limit was passed, and no hold is left that a recheck would release."""
    check_ledger(store)
    check_debits([orjson.loads(text) for texts in answers for text in texts])
    found = verify(store, load("ai-diffusion"), software(), list, [])
    assert found.bad == []
    assert {one.table for one in found.not_records}.isdisjoint({"noted", "waiting", "shipment"})
    line = Line("//other.example")
    (asked,) = engine(store, lambda: 0).check(
        [Message(line.event("recheck.requested", {"all": True}), {"request": "r"})]
    )
    assert orjson.loads(asked[0])["data"]["released"] == []


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of two."""
    for module in (chunks, clock, reviews):
        monkeypatch.setattr(module, "CHUNK", 2)


OPTIONS: dict[str, Any] = {
    "max_examples": much(15, soak=1_000),
    "deadline": None,
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}


@settings(**OPTIONS)
@given(story=STORIES, cuts=CUTS)
def test_a_file_is_answered_alike_wherever_it_is_cut_off(
    databases: Databases, story: list[Event], cuts: list[tuple[int, int]]
) -> None:
    lines = messages(story)
    url, other = databases.ledger(), databases.ledger()
    with opened(url) as store:
        whole = [list(texts) for texts in engine(store, lambda: 0).run(lines)]
        good(store, whole)
    with opened(other) as store:
        for at, chunks_done in cuts:
            runs = engine(store, lambda: 0)
            runs.run(lines[:at])
            runs.decide_between(runs.read(lines[at : at + 1]))
            for _ in range(chunks_done):
                runs.go_on()
        assert [list(texts) for texts in engine(store, lambda: 0).run(lines)] == whole
        good(store, whole)
    for one in (url, other):
        databases.drop(one)


@settings(**OPTIONS)
@given(story=STORIES, cuts=CUTS, size=st.integers(1, 4))
def test_in_the_stream_other_events_go_between_and_each_has_one_answer(
    databases: Databases, story: list[Event], cuts: list[tuple[int, int]], size: int
) -> None:
    lines = messages(story)
    url = databases.ledger()
    with opened(url) as store:
        runs, answers = engine(store, lambda: 0), list[list[str]]()
        for at in range(0, len(lines), size):
            answers += [list(texts) for texts in runs.decide_between(Engine.read(lines[at : at + size]))]
            for _ in range(dict(cuts).get(at, 1)):
                answers.append(list(runs.go_on() or ()))
            runs = engine(store, lambda: 0) if at in dict(cuts) else runs
        answers.append(list(runs.finish()))
        assert len({orjson.loads(text)["id"] for texts in answers for text in texts}) == sum(map(len, answers))
        firsts = {texts[0] for texts in answers if texts}
        assert {texts[0] for texts in runs.run(lines)} <= firsts, "a repeat gets the first answer"
        good(store, answers)
    databases.drop(url)
