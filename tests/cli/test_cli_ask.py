"""The commands that ask: balance, explain, holds, recheck, obligations, migrate, and help."""

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from cli_events import answers, dispatch, event, kinds, lines, request
from cli_run import Tpp
from installed import INSTALLED
from waiting import PATIENCE

KEYS = ["account", "limit", "pending", "posted", "attested", "credits", "balance", "available", "entries"]


def asked(tpp: Tpp, *words: str) -> list[dict[str, Any]]:
    done = tpp(*words, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = orjson.loads(done.stdout)
    return found


def test_balances_as_json_have_the_members_of_the_contract(filled: Tpp) -> None:
    lpp = asked(filled, "balance", "lpp/*")
    assert lpp == [
        {
            "account": "lpp/CON-1/2025",
            "limit": 26_900_000,
            "pending": 15_832_000,
            "posted": 126_656,
            "attested": 0,
            "credits": 0,
            "balance": 15_958_656,
            "available": 10_941_344,
            "entries": 3,
            "used": 593_258,
            "forecast": None,
        }
    ]
    every = asked(filled, "balance")
    assert [one["account"] for one in every] == sorted(one["account"] for one in every)
    assert {"country/IN/2025-2027", "lpp/CON-1/2025"} <= {one["account"] for one in every}
    assert all(list(one) == [*KEYS, "used", "forecast"] for one in every)


def test_patterns_tables_and_csv(filled: Tpp) -> None:
    assert [one["account"] for one in asked(filled, "balance", "country/*")] == ["country/IN/2025-2027"]
    assert [one["account"] for one in asked(filled, "balance", "*2025")] == ["lpp/CON-1/2025"]
    assert asked(filled, "balance", "lpp/CON*/2024") == []
    assert len(asked(filled, "balance", "lpp/CON-1/2025", "country/IN/2025-2027")) == 2
    rows = list(csv.DictReader(io.StringIO(filled("balance", "--format", "csv").stdout.decode())))
    assert list(rows[0]) == [*KEYS, "used", "exhausted_on", "earliest", "latest"]
    assert next(row for row in rows if row["account"] == "lpp/CON-1/2025")["balance"] == "15958656"
    table = filled("balance", "lpp/*").stdout.decode()
    assert "lpp/CON-1/2025" in table
    assert "15,958,656" in table


def test_the_flow_report_sums_what_was_decided_to_go(filled: Tpp) -> None:
    (flow,) = asked(filled, "balance", "flow/PL/2025")
    assert flow["account"] == "flow/PL/2025"
    assert flow["balance"] == 15_958_656
    assert flow["limit"] is None


@pytest.mark.parametrize(
    ("words", "balance", "posted"),
    [
        (("--as-of", "2025-06-02T09:29:59Z"), None, None),
        (("--as-of", "2025-06-02T09:30:00Z"), 126_656, 0),
        (("--as-of", "2025-06-02"), 126_656, 0),
        (("--as-of", "2025-06-05T19:00:00+02:00"), 126_656, 126_656),
        (("--as-of", "2025-06-10"), 15_958_656, 126_656),
        (("--known-at", "record:1"), 126_656, 0),
        (("--known-at", "record:2"), 126_656, 126_656),
        (("--known-at", "record:3"), 15_958_656, 126_656),
        (("--known-at", "record:999"), 15_958_656, 126_656),
        (("--known-at", "2020-01-01T00:00:00Z"), None, None),
        (("--known-at", "2999-01-01T00:00:00Z"), 15_958_656, 126_656),
        (("--as-of", "2025-06-03", "--known-at", "record:3"), 126_656, 0),
    ],
)
def test_as_of_and_known_at(filled: Tpp, words: tuple[str, ...], balance: int | None, posted: int | None) -> None:
    found = asked(filled, "balance", "lpp/CON-1/2025", *words)
    told = [(one["balance"], one["posted"]) for one in found if one["entries"]]
    assert told == ([] if balance is None else [(balance, posted)])


@pytest.mark.parametrize(
    "words", [("--as-of", "yesterday"), ("--known-at", "record:x"), ("--as-of", "2025-06-05T10:00:00")]
)
def test_a_time_that_is_none_is_exit_2(filled: Tpp, words: tuple[str, ...]) -> None:
    assert filled("balance", *words).returncode == 2


@pytest.mark.parametrize("words", [("balance",), ("holds",), ("obligations",), ("explain", "SHP-1")])
def test_no_ledger_there_is_exit_2_and_makes_none(tpp: Tpp, tmp_path: Path, words: tuple[str, ...]) -> None:
    done = tpp(*words)
    assert done.returncode == 2
    assert done.stderr
    assert not (tmp_path / "tpp-ledger.db").exists()


def test_explain_tells_every_decision_with_citations(filled: Tpp) -> None:
    told = filled("explain", "SHP-1").stdout.decode()
    for words in ("SHP-1", "15 CFR 740.29(d)", "LPP", "126,656", "dispatched", "2025-07-05", "not enforced"):
        assert words in told
    held = filled("explain", "SHP-3").stdout.decode()
    for words in ("quota.exhausted", "15,832,000", "10,941,344", "691"):
        assert words in held
    assert filled("explain", "SHP-9").returncode == 1


def test_holds_and_recheck(filled: Tpp) -> None:
    (hold,) = asked(filled, "holds")
    assert hold["shipment_id"] == "SHP-3"
    assert hold["codes"] == ["quota.exhausted"]
    assert hold["reasons"][0]["facts"]["short_by"] == 4_890_656
    table = filled("holds").stdout.decode()
    assert "SHP-3" in table
    assert "quota.exhausted" in table
    still = filled("recheck", "--all")
    assert still.returncode == 0
    assert answers(still.stdout)[0]["data"]["held"] == ["SHP-3"]
    cancel = event("no-2", "shipment.cancelled", {"shipment_id": "SHP-2"})
    off = event("no-1", "policy.set", {"name": "auto_recheck", "value": False, "by": "admin-1", "reason": "by hand"})
    filled("screen", "-", stdin=lines(off, cancel))
    released = filled("recheck", "--account", "lpp/CON-1/2025")
    assert kinds(released.stdout)[:2] == ["recorded", "released"]
    assert asked(filled, "holds") == []
    again = filled("recheck", "SHP-3")
    assert kinds(again.stdout) == ["refused"]
    assert answers(again.stdout)[0]["data"]["reasons"][0]["code"] == "shipment.state"


def test_a_refused_life_event_puts_nothing_on_the_work_list(filled: Tpp) -> None:
    filled("screen", "-", stdin=lines(event("no", "shipment.cancelled", {"shipment_id": "SHP-9"})))
    assert [one["shipment_id"] for one in asked(filled, "holds")] == ["SHP-3"]
    assert asked(filled, "holds")[0]["codes"] == ["quota.exhausted"]


def test_what_left_without_approval_stands_first_until_it_is_met(filled: Tpp) -> None:
    late = event("late", "shipment.requested", orjson.loads(request("SHP-4", quantity=1_000))["data"])
    done = filled("screen", "-", stdin=lines(late, dispatch("SHP-4"), dispatch("SHP-9")))
    assert "LEFT WITHOUT APPROVAL: 2;" in done.stderr.decode()
    listed = asked(filled, "holds")
    assert [(one["shipment_id"], one["state"], one["left_without_approval"]) for one in listed] == [
        ("SHP-4", "held", "2025-06-05"),
        ("SHP-9", "unknown", "2025-06-05"),
        ("SHP-3", "held", None),
    ]
    assert [one["codes"] for one in listed] == [["quota.exhausted"], [], ["quota.exhausted"]]
    assert "LEFT WITHOUT APPROVAL on 2025-06-05" in " ".join(filled("holds").stdout.decode().split())
    assert "open until it is met" in " ".join(filled("explain", "SHP-9").stdout.decode().split())
    met = {"kind": "left_without_approval", "due": "2025-06-05", "date": "2025-06-20"}
    filled(
        "screen",
        "-",
        stdin=lines(*(event(f"m-{n}", "obligation.met", {**met, "shipment_id": n}) for n in ("SHP-4", "SHP-9"))),
    )
    assert [one["shipment_id"] for one in asked(filled, "holds")] == ["SHP-3", "SHP-4"]
    assert "left without approval (15 CFR 764.5): met." in " ".join(filled("explain", "SHP-9").stdout.decode().split())


@pytest.mark.parametrize("words", [(), ("SHP-3", "--all"), ("--all", "--account", "lpp/CON-1/2025")])
def test_recheck_asks_for_exactly_one_thing(filled: Tpp, words: tuple[str, ...]) -> None:
    assert filled("recheck", *words).returncode == 2


def test_obligations_by_their_day(filled: Tpp) -> None:
    owed = asked(filled, "obligations")
    copies = [one for one in owed if one["kind"] == "lpp_certification_copy"]
    assert sorted(one["shipment_id"] for one in copies) == ["SHP-1", "SHP-2"]
    assert {one["due"] for one in copies} == {"2025-07-05"}
    assert [one["due"] for one in owed] == sorted(one["due"] for one in owed)
    before = asked(filled, "obligations", "--due-by", "2025-07-04")
    assert [one["kind"] for one in before] == ["lpp_shipment_notice"]
    assert any(
        one["kind"] == "lpp_certification_copy" for one in asked(filled, "obligations", "--due-by", "2025-07-05")
    )
    assert filled("obligations", "--due-by", "soon").returncode == 2
    table = filled("obligations").stdout.decode()
    assert "EARReports@bis.doc.gov" in table
    assert "LPP Shipment" in table


def test_migrate_makes_a_ledger_and_then_has_nothing_to_do(tpp: Tpp, tmp_path: Path) -> None:
    assert tpp("migrate").returncode == 0
    assert (tmp_path / "tpp-ledger.db").is_file()
    again = tpp("migrate")
    assert again.returncode == 0
    assert b"already" in again.stdout
    assert tpp("migrate", "--ledger", "nonsense://x").returncode == 2
    assert asked(tpp, "balance") == []


COMMANDS = ("screen", "check", "balance", "explain", "holds", "recheck", "obligations", "migrate")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_an_example_and_names_the_ledger(tpp: Tpp, command: str) -> None:
    done = tpp(command, "--help")
    assert done.returncode == 0
    assert f"tpp {command}".encode() in done.stdout
    assert b"Example" in done.stdout
    assert b"--ledger" in done.stdout


def test_help_is_quick_since_it_imports_no_database_and_no_models(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(INSTALLED), "--help"],
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    imported = {line.rsplit(b"|", 1)[-1].strip().split(b".")[0] for line in done.stderr.splitlines()}
    assert b"click" in imported
    assert not imported & {b"sqlalchemy", b"pydantic", b"pydantic_core", b"rich", b"orjson", b"alembic", b"psycopg"}
    assert all(name.encode() in done.stdout for name in COMMANDS)


def test_version(tpp: Tpp) -> None:
    assert b"0." in tpp("--version").stdout
