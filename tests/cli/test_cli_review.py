"""Holds and obligations answered from the command line: each command is an event, and the same one twice is one."""

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_events import answers, dispatch, event, kinds, lines, request
from cli_run import TPP, Tpp

from services.engine.message import Message
from services.resources import engine, reading
from services.views.requests import review_event

QUICKSTART = Path(__file__).resolve().parents[2] / "examples/quickstart.jsonl"
NOW = 1_750_000_000_000_000
FLAGS = [{"number": 2, "note": "the order does not fit the buyer"}]
WHY = ("--reason", "The customer's premises were visited")


def flagged(shipment: str, quantity: int = 8, **words: Any) -> bytes:
    """A request that is held until a reviewer sets a red flag aside."""
    asked = json.loads(request(shipment, quantity, **words))
    asked["data"]["red_flags"] = FLAGS
    return json.dumps(asked).encode()


def journal(tpp: Tpp, shipment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(tpp("explain", shipment, "--format", "json").stdout)
    return found


def records(tpp: Tpp) -> int:
    return int(json.loads(tpp("audit", "verify", "--format", "json").stdout)["records"])


@pytest.fixture
def held(tpp: Tpp) -> Tpp:
    """A ledger in which A waits for a reviewer."""
    assert kinds(tpp("screen", "-", stdin=lines(flagged("A"))).stdout) == ["held"]
    return tpp


def test_a_release_is_an_event_and_its_answer_a_sentence(held: Tpp) -> None:
    done = held("review", "A", "release", "--reviewer", "a.one", *WHY, env={"TPP_BROKER": "127.0.0.1:1"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == ("Shipment A is released under LPP: 126,656 TPP on lpp/CON-1/2025.\n")
    last = journal(held, "A")[-1]["event"]
    assert (last["type"], last["source"], last["subject"]) == ("tpp.review.decided.v1", "//tpp-cli", "A")
    assert last["data"] == {"shipment_id": "A", "action": "release", "reviewer": "a.one", "reason": WHY[1]}
    assert re.fullmatch("[0-9a-f]{40}", last["id"])
    assert json.loads(held("audit", "verify", "--format", "json").stdout)["bad"] == []


@pytest.mark.parametrize("action", ["release", "deny", "propose-release", "propose-deny", "withdraw"])
def test_the_same_command_twice_is_one_event_with_one_answer(held: Tpp, action: str) -> None:
    words = ("review", "A", action, "--reviewer", "a.one", *WHY, "--format", "json")
    first, second = held(*words), held(*words)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout
    assert records(held) == 2
    assert held(*words[:-1], "text").stdout == held(*words[:-1], "text").stdout
    assert records(held) == 2


def test_two_that_are_given_at_once_are_one_event(held: Tpp, tmp_path: Path) -> None:
    words = [TPP, "review", "A", "propose-release", "--reviewer", "a.one", *WHY, "--format", "json"]
    both = [subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = {one.communicate()[0] for one in both}
    assert [one.returncode for one in both] == [0, 0]
    assert len(outputs) == 1
    assert records(held) == 2


def test_the_same_command_on_another_hold_is_another_event(held: Tpp) -> None:
    """The first release leaves it held for want of room, and the second finds the room."""
    held("screen", "-", stdin=lines(flagged("B", 1_700), request("C", 1_690)))
    words = ("review", "B", "release", "--reviewer", "a.one", *WHY)
    first = held(*words)
    assert first.returncode == 1
    assert first.stdout.decode().startswith("Shipment B stays held. ")
    assert b"lpp/CON-1/2025" in first.stdout
    again = held(*words, "--format", "json")
    assert (again.returncode, kinds(again.stdout)[0]) == (1, "held")
    assert len(journal(held, "B")) == 3


def test_a_person_who_proposes_anew_after_a_withdrawal_is_taken_at_the_word(held: Tpp) -> None:
    def give(action: str, who: str) -> None:
        assert held("review", "A", action, "--reviewer", who, *WHY).returncode == 0

    given = [
        ("propose-release", "a.one"), ("propose-release", "b.two"), ("propose-release", "a.one"), ("propose-deny", "a.one"),
        ("propose-release", "a.one"), ("withdraw", "b.two"), ("propose-release", "a.one"), ("propose-release", "a.one"),
    ]  # fmt: skip
    counts = []
    for action, who in given:
        give(action, who)
        counts.append(len(journal(held, "A")) - 1)
    assert counts == [1, 2, 2, 3, 4, 5, 6, 6]


def test_four_eyes_refuses_in_a_sentence_until_the_first_person_has_proposed(held: Tpp) -> None:
    held("policy", "set", "four_eyes", "on", "--by", "admin", "--reason", "two persons")
    alone = held("review", "A", "release", "--reviewer", "a.one", *WHY)
    assert alone.returncode == 1
    assert alone.stdout.decode() == "Refused: The house's policy needs two persons: no second person is named.\n"
    words = ("review", "A", "release", "--reviewer", "a.one", "--second", "b.two", *WHY)
    refused = held(*words)
    assert refused.returncode == 1
    assert held(*words).stdout == refused.stdout
    assert len(journal(held, "A")) == 3
    proposed = held("review", "A", "propose-release", "--reviewer", "a.one", *WHY)
    assert proposed.stdout.decode() == (
        "Recorded: a.one proposes to release shipment A. It is done when a second person\ndecides so.\n"
    )
    assert held(*words).stdout.startswith(b"Shipment A is released under LPP")
    assert json.loads(held("audit", "verify", "--format", "json").stdout)["bad"] == []


def test_without_the_policy_again_what_was_refused_is_decided(held: Tpp) -> None:
    words = ("review", "A", "deny", "--reviewer", "a.one", *WHY)
    held("policy", "set", "four_eyes", "on", "--by", "admin", "--reason", "two persons")
    assert held(*words).returncode == 1
    held("policy", "set", "four_eyes", "off", "--by", "admin", "--reason", "too few persons")
    denied = held(*words)
    assert (denied.returncode, denied.stdout) == (0, b"Shipment A is denied, and does not go.\n")


def test_the_authorization_takes_the_place_of_the_claim(tpp: Tpp) -> None:
    license = {"number": "L-1", "consignee": "CON-1", "country": "PL", "tpp": 500_000}
    tpp("screen", "-", stdin=lines(event("lic", "license.issued", license), flagged("A")))
    proposed = tpp("review", "A", "propose-release", "--reviewer", "a.one", "--authorization", "LICENSE:L-1", *WHY)
    assert b"under LICENSE L-1" in proposed.stdout
    released = tpp("review", "A", "release", "--reviewer", "a.one", "--authorization", "LICENSE:L-1", *WHY)
    assert released.stdout.startswith(b"Shipment A is released under LICENSE L-1: 126,656 TPP on license/L-1")
    data = journal(tpp, "A")[-1]["event"]["data"]
    assert data["authorization"] == {"kind": "LICENSE", "reference": "L-1"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["release", "--reviewer", "a.one", "--second", "a.one", *WHY], b"--second"),
        (["release", "--reviewer", "a.one", "--authorization", "PASS", *WHY], b"--authorization"),
        (["release", "--reviewer", "a.one", "--authorization", "SAVING", *WHY], b"--second"),
        (["release", "--reviewer", "a.one", "--authorization", "LICENSE:", *WHY], b"--authorization"),
        (["release", "--reviewer", "", *WHY], b"--reviewer"),
        (["release", "--reviewer", "a.one", "--reason", "x" * 4_097], b"--reason"),
        (["deny", "--reviewer", "a.one", "--authorization", "LPP", *WHY], b"--authorization"),
        (["withdraw", "--reviewer", "a.one", "--second", "b.two", *WHY], b"--second"),
        (["propose-deny", "--reviewer", "a.one", "--second", "b.two", *WHY], b"--second"),
        (["allow", "--reviewer", "a.one", *WHY], b"'release', 'deny', 'propose-release', 'propose-deny', 'withdraw'"),
        (["release", *WHY], b"--reviewer"),
        (["release", "--reviewer", "a.one"], b"--reason"),
    ],
)
def test_what_cannot_be_an_event_is_wrong_usage_and_leaves_no_record(held: Tpp, words: list[str], said: bytes) -> None:
    done = held("review", "A", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr
    assert records(held) == 1


def test_a_shipment_that_is_not_held_or_not_known_is_refused_in_a_sentence(held: Tpp) -> None:
    held("screen", "-", stdin=lines(request("B")))
    for shipment, said in (("B", "Shipment B"), ("NONE", "NONE")):
        done = held("review", shipment, "deny", "--reviewer", "a.one", *WHY)
        assert (done.returncode, done.stderr) == (1, b"")
        assert done.stdout.decode().startswith("Refused: ")
        assert said in done.stdout.decode()
    done = held("review", "A B", "deny", "--reviewer", "a.one", *WHY)
    assert done.returncode == 2
    assert b"SHIPMENT" in done.stderr


def test_without_a_ledger_nothing_is_created(tpp: Tpp, tmp_path: Path) -> None:
    for words in (
        ["review", "A", "deny", "--reviewer", "a.one", *WHY],
        ["met", "left_without_approval", "A", "--due", "2025-07-01", "--by", "c.three", "--reference", "R"],
    ):
        done = tpp(*words)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert list(tmp_path.iterdir()) == []


def owed(tpp: Tpp) -> dict[str, dict[str, Any]]:
    found = json.loads(tpp("obligations", "--all", "--format", "json").stdout)
    return {one["kind"]: one for one in found}


def test_an_obligation_is_met_once(tpp: Tpp, tmp_path: Path) -> None:
    tpp("screen", "-", stdin=lines(flagged("A"), dispatch("A")))
    one = owed(tpp)["left_without_approval"]
    words = (
        "met", "left_without_approval", "A", "--due", one["due"], "--by", "c.three", "--reference", "VSD-1",
        "--date", "2025-06-09",
    )  # fmt: skip
    first = tpp(*words)
    assert first.returncode == 0
    assert first.stdout.decode() == (
        f"Recorded: left_without_approval of A, due on {one['due']}, was met on 2025-06-09\n(VSD-1).\n"
    )
    assert owed(tpp)["left_without_approval"]["state"] == "met"
    before = records(tpp)
    assert tpp(*words, "--format", "json").stdout == tpp(*words, "--format", "json").stdout
    assert records(tpp) == before
    with closing(sqlite3.connect(tmp_path / "tpp-ledger.db")) as connection:
        (raw,) = connection.execute("SELECT event FROM journal ORDER BY n DESC LIMIT 1").fetchone()
    assert json.loads(raw)["data"] == {
        "kind": "left_without_approval", "shipment_id": "A", "due": one["due"], "date": "2025-06-09", "by": "c.three",
        "reference": "VSD-1",
    }  # fmt: skip


def test_what_a_party_owes_is_met_by_the_party(filled: Tpp) -> None:
    filled("screen", str(QUICKSTART))
    party = next(one for one in json.loads(filled("obligations", "--format", "json").stdout) if "party" in one)
    done = filled(
        "met", party["kind"], party["party"], "--due", party["due"], "--by", "c.three", "--reference", "R-1",
        "--format", "json",
    )  # fmt: skip
    assert (done.returncode, kinds(done.stdout)) == (0, ["recorded"])
    assert {one["state"] for one in json.loads(filled("obligations", "--all", "--format", "json").stdout)
            if (one["kind"], one.get("party"), one["due"]) == (party["kind"], party["party"], party["due"])} == {"met"}  # fmt: skip


def test_what_is_not_owed_yet_is_refused_and_later_recorded(tpp: Tpp) -> None:
    tpp("screen", "-", stdin=lines(request("OTHER")))
    words = (
        "met", "left_without_approval", "A", "--due", "2025-06-05", "--by", "c.three", "--reference", "R",
        "--date", "2025-06-09",
    )  # fmt: skip
    refused = tpp(*words)
    assert refused.returncode == 1
    assert refused.stdout.decode().startswith("Refused: No obligation left_without_approval due on 2025-06-05 exists")
    tpp("screen", "-", stdin=lines(flagged("A"), dispatch("A")))
    assert tpp(*words).stdout.startswith(b"Recorded: ")


@pytest.mark.parametrize("words", [["--due", "soon"], ["--due", "2025-07-01", "--date", "2025-02-30"]])
def test_a_day_that_is_none_is_wrong_usage(held: Tpp, words: list[str]) -> None:
    done = held("met", "left_without_approval", "A", "--by", "c", "--reference", "R", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"is not a date such as" in done.stderr


def test_sentences_fit_a_screen_of_80_columns(held: Tpp) -> None:
    held("screen", "-", stdin=lines(flagged("B", 1_700), request("C", 1_690)))
    for shipment, action in (("B", "release"), ("B", "propose-deny"), ("C", "deny"), ("A", "release")):
        done = held("review", shipment, action, "--reviewer", "reviewer." * 9, *WHY)
        assert done.stdout
        assert max(map(len, done.stdout.decode().splitlines())) <= 80


def test_answers_stand_in_the_output_as_screen_writes_them(held: Tpp) -> None:
    done = held("review", "A", "release", "--reviewer", "a.one", *WHY, "--format", "json")
    (released, *_) = answers(done.stdout)
    assert released == journal(held, "A")[-1]["answers"][0]


@pytest.mark.usefixtures("held")
def test_of_a_command_that_is_decided_after_its_twin_the_time_does_not_count(tmp_path: Path) -> None:
    """Both looked at the ledger before either was decided: they have one id, and each a time of its own."""
    asked = {"shipment_id": "A", "action": "deny", "reviewer": "a.one", "reason": "no"}
    url = f"sqlite:///{tmp_path}/tpp-ledger.db"
    with reading(url) as connection:
        first, second = (review_event(connection, asked, now, proposes=False) for now in (NOW, NOW + 1_000_000))
    assert first != second
    with engine(url, None) as runs:
        texts = [runs.run([Message(one, {"request": "review"}, own=True)])[0] for one in (first, second, first)]
    assert kinds("\n".join(texts[0]).encode()) == ["denied"]
    assert list(texts[0]) == list(texts[1]) == list(texts[2])
