"""The lists that people work from: what each shows, in which order, and what its filters leave."""

import csv
import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from cli_events import dispatch, event, lines, request
from cli_run import Tpp, inside, runner


def threshold(identifier: str, account: str, *steps: str | int) -> bytes:
    return event(identifier, "threshold.set", {"account": account, "thresholds": list(steps)}, "2025-06-01T08:00:00Z")


def tick(day: str) -> bytes:
    now = f"{day}T00:00:00Z"
    return event(f"tick-{day}", "clock.ticked", {"now": now}, now)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds for want of room, of a paper and of a review; what left unapproved; thresholds, alerts; ticks to 1 July."""
    made = tmp_path_factory.mktemp("lists")
    text = lines(
        threshold("t-1", "lpp/*", "0.5"),
        threshold("t-2", "lpp/CON-1/2025", "0.9", 1_000_000),
        threshold("t-3", "lpp/CON-*", "0.7"),
        threshold("t-4", "lpp/*", "0.6"),
        request("SHP-1", 1_000),
        dispatch("SHP-1"),
        request("SHP-2", 1_700, time="2025-06-03T08:00:00Z", date="2025-06-30"),
        request("SHP-3", 5, time="2025-06-10T08:00:00Z", papers=[], date="2025-06-25"),
        request("SHP-4", 7, time="2025-06-20T08:00:00Z", to="IN", flags=[2]),
        request("SHP-5", 9, time="2025-06-20T09:00:00Z", papers=[]),
        dispatch("SHP-5", "2025-06-21", "2025-06-21T08:00:00Z"),
        dispatch("SHP-UNKNOWN", "2025-06-22", "2025-06-22T08:00:00Z"),
        event(
            "limit", "allocation.set", {"account": "lpp/CON-1/2025", "limit": 20_000_000, "valid_from": "2025-06-01"}
        ),
        tick("2025-06-30"),
        tick("2025-07-01"),
    )
    done = runner(made)("screen", "-", stdin=text)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return made


@pytest.fixture
def tpp(folder: Path) -> Tpp:
    return inside(folder)


def listed(tpp: Tpp, *words: str) -> list[dict[str, Any]]:
    done = tpp(*words, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = orjson.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ((), "SHP-5 SHP-UNKNOWN SHP-2 SHP-3 SHP-4"),
        (("--limit", "1"), "SHP-5"),
        (("--limit", "3"), "SHP-5 SHP-UNKNOWN SHP-2"),
        (("--sort", "export-date"), "SHP-5 SHP-UNKNOWN SHP-4 SHP-3 SHP-2"),
        (("--sort", "tpp"), "SHP-5 SHP-UNKNOWN SHP-2 SHP-4 SHP-3"),
        (("--code", "quota.exhausted"), "SHP-2"),
        (("--code", "certification.missing"), "SHP-5 SHP-3"),
        (("--country", "IN"), "SHP-4"),
        (("--party", "CON-1"), "SHP-5 SHP-2 SHP-3 SHP-4"),
        (("--party", "CON"), ""),
        (("--account", "lpp/CON-1/2025"), "SHP-2"),
        (("--account", "lpp/*"), "SHP-2"),
        (("--account", "LPP/*"), ""),
        (("--min-age", "11"), "SHP-2 SHP-3 SHP-4"),
        (("--min-age", "12"), "SHP-2 SHP-3"),
        (("--min-age", "11", "--as-of", "2025-07-02"), "SHP-5 SHP-2 SHP-3 SHP-4"),
        (("--country", "IN", "--code", "quota.exhausted"), ""),
    ],
)
def test_holds(tpp: Tpp, words: tuple[str, ...], ids: str) -> None:
    assert [one["shipment_id"] for one in listed(tpp, "holds", *words)] == ids.split()


def test_a_hold_says_whose_it_is_since_when_and_what_would_end_it(tpp: Tpp) -> None:
    found = {one["shipment_id"]: one for one in listed(tpp, "holds")}
    assert {name: found["SHP-2"][name] for name in ("consignee_id", "country", "since", "age_days", "lines")} == {
        "consignee_id": "CON-1", "country": "PL", "since": "2025-06-03", "age_days": 28,
        "lines": [{"line": 1, "part_number": "H100-SXM5-80GB", "quantity": 1_700}],
    }  # fmt: skip
    (room,) = found["SHP-2"]["ended_by"]
    assert room.startswith(f"{found['SHP-2']['reasons'][0]['facts']['short_by']:,} TPP more room on lpp/CON-1/2025")
    assert found["SHP-3"]["ended_by"][0].startswith("lpp_consignee_statement of CON-1, dated 2025-06-25 or earlier")
    assert "a review" in found["SHP-4"]["ended_by"]
    assert found["SHP-5"]["ended_by"][0] == "the obligation left_without_approval being met"
    assert (found["SHP-5"]["since"], found["SHP-5"]["age_days"]) == ("2025-06-21", 10)
    unknown = found["SHP-UNKNOWN"]
    assert (unknown["state"], unknown["consignee"], unknown["lines"], unknown["tpp"]) == ("unknown", None, [], None)


def test_every_code_of_a_hold_has_what_would_end_it() -> None:
    import rulebook
    from schemas.codes import REFUSALS, ReasonCode
    from services.views.work_list import ending

    book = rulebook.load("ai-diffusion")
    for code in set(ReasonCode) - set(REFUSALS):
        assert ending(book, {"code": str(code), "facts": {}}), code


def test_holds_are_counted_by_reason(tpp: Tpp) -> None:
    found = listed(tpp, "holds", "--summary")
    assert [(one["code"], one["holds"], one["age_days"]) for one in found] == [
        ("left_without_approval", 2, 10), ("certification.missing", 2, 21), ("quota.exhausted", 1, 28), ("red_flag", 1, 11),
    ]  # fmt: skip
    assert all(one["remedy"] for one in found)
    assert [one["code"] for one in listed(tpp, "holds", "--summary", "--country", "IN")] == ["red_flag"]
    assert tpp("holds", "--summary", "--limit", "1").returncode == 2


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ((), "SHP-5 SHP-4 SHP-3 SHP-2 SHP-1"),
        (("--limit", "2"), "SHP-5 SHP-4"),
        (("--state", "dispatched"), "SHP-1"),
        (("--state", "held"), "SHP-5 SHP-4 SHP-3 SHP-2"),
        (("--country", "IN"), "SHP-4"),
        (("--party", "CON-1", "--country", "PL"), "SHP-5 SHP-3 SHP-2 SHP-1"),
        (("--party", "con-1"), ""),
        (("--from", "2025-06-25", "--to", "2025-06-30"), "SHP-3 SHP-2"),
        (("--from", "2025-06-25", "--to", "2025-06-25"), "SHP-3"),
    ],
)
def test_shipments(tpp: Tpp, words: tuple[str, ...], ids: str) -> None:
    assert [one["shipment_id"] for one in listed(tpp, "shipments", *words)] == ids.split()


def test_a_shipment_says_under_what_it_goes(tpp: Tpp) -> None:
    (left,) = listed(tpp, "shipments", "--state", "dispatched")
    assert left["authorization"] == {"kind": "LPP", "reference": None}
    assert (left["country"], left["export_date"], left["consignee_id"]) == ("PL", "2025-06-05", "CON-1")
    rows = list(
        csv.DictReader(io.StringIO(tpp("shipments", "--state", "dispatched", "--format", "csv").stdout.decode()))
    )
    assert [(row["shipment_id"], row["authorization"]) for row in rows] == [("SHP-1", "LPP")]


def test_balances_say_how_much_is_used_and_when_it_is_used_up(tpp: Tpp) -> None:
    (one,) = listed(tpp, "balance", "lpp/CON-1/2025")
    assert one["used"] == one["balance"] * 1_000_000 // one["limit"]
    assert one["forecast"] is not None
    assert "2025-07-01" <= one["forecast"]["earliest"] <= one["forecast"]["latest"]
    announced = next(alert for alert in listed(tpp, "alerts", "--kind", "forecast"))
    assert one["forecast"]["exhausted_on"] == announced["projected_exhaustion"]
    (then,) = listed(tpp, "balance", "lpp/CON-1/2025", "--as-of", "2025-06-30")
    assert (then["used"], then["forecast"]) == (one["used"], None)


def test_obligations_name_what_is_overdue_and_put_records_last(tpp: Tpp) -> None:
    found = listed(tpp, "obligations")
    assert [one["overdue"] for one in found] == sorted((one["overdue"] for one in found), reverse=True)
    assert all(one["overdue"] == (one["due"] < "2025-07-01" and not one["retention"]) for one in found)
    kept = [one["retention"] for one in found]
    assert any(kept)
    assert kept == sorted(kept)
    later = listed(tpp, "obligations", "--as-of", "2040-01-01")
    assert all(one["overdue"] != one["retention"] for one in later)
    assert len(listed(tpp, "obligations", "--limit", "1")) == 1
    text = tpp("obligations").stdout.decode()
    assert text.index("OVERDUE") < text.index("Records to keep") < text.index("keep until")


def test_before_the_first_tick_nothing_is_overdue_and_no_hold_has_an_age(tmp_path: Path) -> None:
    tpp = inside(tmp_path)
    assert tpp("screen", "-", stdin=lines(request("SHP-1"), request("SHP-2", papers=[]))).returncode == 0
    assert {one["overdue"] for one in listed(tpp, "obligations")} == {None}
    assert listed(tpp, "holds")[0]["age_days"] is None
    assert listed(tpp, "holds", "--as-of", "2025-06-12")[0]["age_days"] == 10
    done = tpp("holds", "--min-age", "1")
    assert (done.returncode, b"--as-of" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (("--kind", "exhausted"), ["exhausted"]),
        (("--kind", "left_without_approval", "--limit", "1"), ["left_without_approval"]),
        (("--from", "2025-06-21", "--to", "2025-06-22"), ["left_without_approval", "left_without_approval"]),
        (("--account", "lpp/CON-1/2025", "--kind", "threshold"), ["threshold"]),
        (("--account", "lpp/NO*"), []),
        (("--from", "2026-01-01"), []),
    ],
)
def test_alerts(tpp: Tpp, words: tuple[str, ...], kinds: list[str]) -> None:
    assert [one["kind"] for one in listed(tpp, "alerts", *words)] == kinds


def test_alerts_come_latest_first_each_with_a_sentence(tpp: Tpp) -> None:
    found = listed(tpp, "alerts")
    assert [one["record"] for one in found] == sorted((one["record"] for one in found), reverse=True)
    assert all(one["message"] for one in found)
    assert {"exhausted", "forecast", "left_without_approval", "threshold"} <= {one["kind"] for one in found}


def test_thresholds_in_force(tpp: Tpp) -> None:
    assert [(one["account"], one["thresholds"], one["record"] is None) for one in listed(tpp, "thresholds")] == [
        ("lpp/*", ["0.6"], False),
        ("lpp/CON-*", ["0.7"], False),
        ("lpp/CON-1/2025", ["0.9", 1_000_000], False),
        ("aia/*", [253_000_000], True),
        ("*", ["0.5", "0.8", "0.95", "1.0"], True),
    ]
    for account, steps in (
        ("lpp/CON-1/2025", ["0.9", 1_000_000]), ("lpp/CON-2/2025", ["0.6"]), ("country/IN/2025-2027", ["0.5", "0.8", "0.95", "1.0"]),
        ("aia/CON-1", [253_000_000]),
    ):  # fmt: skip
        assert [one["thresholds"] for one in listed(tpp, "thresholds", "--account", account)] == [steps]


@pytest.mark.parametrize(
    "words",
    [
        ("holds", "--country", "FR"), ("holds", "--summary", "--country", "FR"), ("shipments", "--party", "NO"),
        ("alerts", "--account", "lpp/NO*"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["table", "json"])
def test_filters_that_leave_nothing_are_said(tpp: Tpp, words: tuple[str, ...], form: str) -> None:
    done = tpp(*words, "--format", form)
    assert (done.returncode, done.stdout) == (0, b"[]\n" if form == "json" else b"")
    assert done.stderr.count(b"\n") == 1


def test_csv_keeps_its_columns_and_adds_to_them(tpp: Tpp) -> None:
    heads = {
        "balance": "account,limit,pending,posted,attested,credits,balance,available,entries,",
        "holds": "shipment_id,record,happened,export_date,tpp,left_without_approval,codes,reasons,",
        "obligations": "due,kind,about,state,record,to,subject_line,citation,",
    }
    for name, head in heads.items():
        assert tpp(name, "--format", "csv").stdout.decode().startswith(head), name
