"""A rescreening of more shipments than one record looks at: in chunks, with others' events between them."""

from typing import Any

import orjson
import pytest
from rescreen_run import NOW, ZHIPU, Ledgers, told

import rulebook
from services.engine.engine import Engine
from services.engine.handlers import rescreening
from services.engine.parties import registered, screening
from services.resources import software

OPEN = [{"do": "request", "ship": {"id": f"S-{n}"}} for n in range(7)]
OTHERS = [{"do": "request", "ship": {"id": "OTHER", "consignee": {"id": "CON-2", "name": "Bharat Compute Pvt"}}}]
LOAD = {"do": "load", "version": "1", "entries": {"e/2": "Zhipu Huazhang"}}
HELD = "party.screening_hit"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of three."""
    monkeypatch.setattr(rescreening, "CHUNK", 3)


def test_what_happens_between_the_chunks_counts(ledger_url: str) -> None:
    """In the order of first presentation; what leaves before its turn is screened as it leaves, by the facts of now."""
    with Ledgers(ledger_url) as run:
        run.send([*OTHERS, *OPEN])
        (load,) = run.messages([LOAD], 20)
        given = run.engine.decide_between(Engine.read([load]))
        assert [told(one) for one in given] == [["recorded us"]]
        assert told(run.engine.go_on() or ()) == ["recorded us", f"held S-0 {HELD}", f"held S-1 {HELD}"]
        between = [
            {"do": "dispatch", "data": {"shipment_id": "S-4", "export_date": "2025-06-05"}},
            {"do": "cancel", "data": {"shipment_id": "S-3"}},
            {"do": "request", "ship": {"id": "NEW"}},
            {"do": "review", "data": {"shipment_id": "S-1"}},
            {"do": "dispatch", "data": {"shipment_id": "S-1", "export_date": "2025-06-05"}},
        ]
        answers = run.engine.decide_between(Engine.read(run.messages(between, 30)))
        assert [told(one) for one in answers] == [
            [f"held S-4 {HELD} lpp/CON-9/2025 15832 voided = 94992", "alert S-4 held left_without_approval"],
            ["recorded S-3 cancelled lpp/CON-9/2025 15832 voided = 79160"],
            [f"held NEW {HELD}"],
            ["released S-1"],
            ["recorded S-1 dispatched lpp/CON-9/2025 15832 posted = 79160"],
        ]
        assert run.bad() == [], "what is left is verified too"
        rest = [told(run.engine.go_on() or ()) for _ in range(3)]
        assert rest == [
            ["recorded us", f"held S-2 {HELD}", f"held S-5 {HELD}"],
            ["recorded us", f"held S-6 {HELD}"],
            ["recorded us held: 5 S-0 S-1 S-2 S-5 S-6"],
        ]
        assert run.engine.go_on() is None
        assert run.pending() == {
            "lpp/CON-2/2025 pending": 15_832, "lpp/CON-9/2025 pending": 63_328, "lpp/CON-9/2025 posted": 15_832,
        }  # fmt: skip
        assert run.bad() == []


def test_a_release_counts_at_its_dispatch_until_the_entry_changes(ledger_url: str) -> None:
    """What was released leaves under another version; where the entry changed it is held, before its turn as after it."""
    changed = {"e/2": {"name": "Zhipu Huazhang", "policy": "presumption of denial"}}
    leave = [{"do": "dispatch", "data": {"shipment_id": f"S-{n}", "export_date": "2025-06-05"}} for n in range(7)]
    with Ledgers(ledger_url) as run:
        released = [{"do": "review", "data": {"shipment_id": f"S-{n}"}} for n in range(7)]
        said = run.send([LOAD, *OPEN, *released])
        assert [one[0].split()[0] for one in said[1:]] == ["held"] * 7 + ["released"] * 7
        version, entry = run.messages([{**LOAD, "version": "2"}, {**LOAD, "version": "3", "entries": changed}], 30)
        run.engine.decide_between(Engine.read([version]))
        assert run.send([leave[5]], 40) == [["recorded S-5 dispatched lpp/CON-9/2025 15832 posted = 110824"]]
        assert {line for one in run.engine.run([version]) for line in told(one)} == {"recorded us"}
        assert run.send([leave[4]], 41) == [["recorded S-4 dispatched lpp/CON-9/2025 15832 posted = 110824"]]
        run.engine.decide_between(Engine.read([entry]))
        first = run.engine.decide_between(Engine.read(run.messages([leave[3]], 50)))
        assert [told(one) for one in first] == [
            [f"held S-3 {HELD} lpp/CON-9/2025 15832 voided = 94992", "alert S-3 held left_without_approval"]
        ]
        (given,) = [told(one) for one in run.engine.run([entry])]
        assert [line for line in given if line.startswith("held")] == [f"held S-{n} {HELD}" for n in (0, 1, 2, 6)]
        assert run.send([leave[0]], 60) == [["refused S-0 held shipment.state", "alert S-0 held left_without_approval"]]
        assert run.send([released[0], leave[0]], 70) == [
            ["released S-0"], ["recorded S-0 dispatched lpp/CON-9/2025 15832 posted = 94992"],
        ]  # fmt: skip
        assert run.pending() == {"lpp/CON-9/2025 pending": 3 * 15_832, "lpp/CON-9/2025 posted": 3 * 15_832}
        assert run.bad() == []


def test_a_rescreening_that_was_cut_off_goes_on_with_the_same_bytes(ledger_url: str) -> None:
    steps = [*OTHERS, *OPEN, LOAD]
    with Ledgers(":memory:") as run:
        *_, whole = run.engine.run(run.messages(steps))
    with Ledgers(ledger_url) as run:
        *before, load = run.messages(steps)
        run.engine.run(before)
        run.engine.decide_between(Engine.read([load]))
        run.engine.go_on()
        another = Engine(run.engine._ledger, rulebook.load("ai-diffusion"), lambda: NOW, software())
        another.go_on()
        assert run.engine.run([load]) == [whole], "the same load again: what is left is done, and all is told"
        assert run.bad() == []


def test_the_last_record_names_the_first_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescreening, "NAMED", 4)
    with Ledgers(":memory:") as run:
        *_, texts = run.engine.run(run.messages([*OPEN, LOAD]))
        last = orjson.loads(texts[-1])["data"]
        assert (last["held"], last["held_count"]) == (["S-0", "S-1", "S-2", "S-3"], 7)
        assert (last["recheck"], last["recheck_count"], last["alerts"]) == ([], 0, 0)
        assert last["causation"] == {"source": "//tpp-cli", "id": "us/1"}
        (gone,) = run.engine.run(run.messages([{**LOAD, "version": "2", "entries": {"e/1": "Kaspersky Lab"}}], 30))
        last = orjson.loads(gone[-1])["data"]
        assert (last["held"], last["held_count"]) == ([], 0)
        assert (last["recheck"], last["recheck_count"]) == (["S-0", "S-1", "S-2", "S-3"], 7)


def test_a_hold_by_list_says_what_it_rests_on() -> None:
    with Ledgers(":memory:") as run:
        *_, texts = run.engine.run(run.messages([OPEN[0], LOAD]))
        held = next(one for one in map(orjson.loads, texts) if one["type"] == "tpp.shipment.held.v1")["data"]
        assert held["causation"] == {"source": "//tpp-cli", "id": "us/1"}
        assert held["basis"]["lists"] == [{"name": "us", "version": "1", "digest": held["basis"]["lists"][0]["digest"]}]
        assert held["reasons"][0]["facts"]["entry"] == "e/2"
        assert held["lines"] == [{"line": 1, "class": "3A090.a", "authorization": None, "tpp": 15_832}]
        assert (held["authorization"], held["debits"], held["obligations"]) == (None, [], [])
        assert [one["result"] for one in held["findings"]] == ["not_met"]


@pytest.mark.parametrize("failing", ["S-4", "P-2"])
def test_what_the_program_fails_on_is_named_and_the_rest_is_screened(
    failing: str, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a chunk on which the program fails only the shipment or party on which it fails is left as it is."""
    names_of, matches_of = rescreening.names_of, registered.matches_of

    def of_shipment(context: Any, asked: Any) -> Any:
        if asked.shipment_id == failing:
            raise ZeroDivisionError
        return names_of(context, asked)

    def of_party(context: Any, lists: Any, party: Any, day: Any) -> Any:
        if party.id == failing and lists:
            raise ZeroDivisionError
        return matches_of(context, lists, party, day)

    parties = [
        {"do": "register", "data": {"id": f"P-{n}", "name": ZHIPU["name"], "country": "PL"}} for n in range(1, 4)
    ]
    with Ledgers(ledger_url) as run:
        run.send([*OPEN, *parties])
        monkeypatch.setattr(rescreening, "names_of", of_shipment)
        monkeypatch.setattr(registered, "matches_of", of_party)
        monkeypatch.setattr(screening, "matches_of", of_party)
        (given,) = run.send([LOAD], 40)
        others = [f"S-{n}" for n in range(7) if f"S-{n}" != failing]
        assert [line.split()[1] for line in given if line.startswith("held")] == others
        alerted = [line.split()[1] for line in given if line.startswith("party.alert")]
        assert alerted == [one for one in ("P-1", "P-2", "P-3") if one != failing]
        assert sum(line.startswith("rejected") for line in given) == 2, "the chunk, then what it failed on"
        (text,) = run.engine.run(run.messages([LOAD], 40))
        last = orjson.loads(text[-1])["data"]
        kind = "shipment" if failing.startswith("S") else "party"
        assert (last["unscreened"], last["held_count"]) == ([f"{kind}/{failing}"], len(others))
        monkeypatch.undo()
        monkeypatch.setattr(rescreening, "CHUNK", 3)
        assert run.bad() == []
        if kind == "shipment":
            leaves = {"do": "dispatch", "data": {"shipment_id": failing, "export_date": "2025-06-05"}}
            assert run.send([leaves], 50)[0][0].startswith(f"held {failing} {HELD}")
