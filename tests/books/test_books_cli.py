"""`tpp statement` and `tpp snapshot`: what they print, what they refuse, and the key and checkpoint of a close."""

import base64
import csv
import io
import json
import os
import pty
import re
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pytest
from books_readers import Told, caller
from cli_run import TPP
from databases import unguarded
from events import UNIT
from ledger_checks import JOURNAL, opened, rows
from ledger_events import Line, engine, records, request
from openpyxl import load_workbook
from pyarrow import parquet
from sqlalchemy import text
from waiting import PATIENCE

from schemas.columns import TABLES
from services.finance.exports import SNAPSHOT_TABLES

COLUMNS = [column.name for column in TABLES["statement"]]
PATHS = ["country/SA/2025-2027", "license/LIC-1", "lpp/CON-20/2025", "lpp/CON-21/2025"]
MEMBERS = ["snapshot_id", "period", "as_of", "record", "accounts", "entries", "digest", "previous_digest"]
LAST = datetime(2025, 6, 30, 23, 59, 59, 999_999, UTC)
Call = Callable[..., Told]


def life() -> list[bytes]:
    """A licence and four shipments under LPP: one left, one cancelled, one pending, one held."""
    line = Line()
    return [
        line.licensed("LIC-1", 40 * UNIT),
        line.requested("SHP-1", "CON-20", 8, "LPP"),
        line.dispatched("SHP-1"),
        line.requested("SHP-2", "CON-20", 100, "LPP"),
        line.cancelled("SHP-2"),
        line.requested("SHP-3", "CON-21", 5, "LPP"),
        line.requested("SHP-4", "CON-21", 2_000, "LPP"),
    ]


@pytest.fixture
def call(ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls `tpp` on a ledger with that life, in a folder of its own; on both databases."""
    monkeypatch.chdir(tmp_path)
    with opened(ledger_url) as store:
        engine(store).run(records(life()))
    return caller(ledger_url, tmp_path)


@pytest.fixture
def lite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The same on SQLite alone."""
    monkeypatch.chdir(tmp_path)
    with opened("sqlite:///tpp-ledger.db") as store:
        engine(store).run(records(life()))
    return caller("sqlite:///tpp-ledger.db", tmp_path)


# --- statement --------------------------------------------------------------------------------------------------------


def test_a_statement_from_opening_to_closing(call: Call) -> None:
    told = call("statement", "lpp/CON-20/2025", "--format", "json").json
    assert [list(row) for row in told] == [COLUMNS] * 6
    assert [row["kind"] for row in told] == [
        "opening", "shipment.requested", "shipment.dispatched", "shipment.requested", "shipment.cancelled", "closing",
    ]  # fmt: skip
    eight, hundred = 8 * UNIT, 100 * UNIT
    assert [
        [row[part] for part in ("pending", "posted", "attested", "credits", "change", "balance")] for row in told
    ] == [
        [0, 0, 0, 0, 0, 0],
        [eight, 0, 0, 0, eight, eight],
        [-eight, eight, 0, 0, 0, eight],
        [hundred, 0, 0, 0, hundred, eight + hundred],
        [-hundred, 0, 0, 0, -hundred, eight],
        [0, 0, 0, 0, 0, eight],
    ]
    first = told[1]
    assert (first["booked"], first["happened"], first["record"]) == ("2025-06-02", "2025-06-02T09:02:00Z", 2)
    assert (first["entry"], first["shipment_id"], first["source"]) == (1, "SHP-1", "//wms.example")
    assert (first["event_id"], first["late_for"]) == ("evt-00002", None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", first["recorded"])
    assert {told[0][name] for name in ("booked", "happened", "recorded", "record", "entry", "event_id")} == {None}


def test_both_days_are_included(lite: Call) -> None:
    def booked(*words: str) -> list[Any]:
        told = lite("statement", "lpp/CON-20/2025", "--format", "json", *words).json
        assert (told[0]["kind"], told[-1]["kind"]) == ("opening", "closing")
        return [told[0]["booked"], told[0]["balance"], len(told) - 2, told[-1]["balance"], told[-1]["booked"]]

    eight = 8 * UNIT
    assert booked("--from", "2025-06-02", "--to", "2025-06-02") == ["2025-06-02", 0, 4, eight, "2025-06-02"]
    assert booked("--from", "2025-06-03") == ["2025-06-03", eight, 0, eight, None]
    assert booked("--to", "2025-06-01") == [None, 0, 0, 0, "2025-06-01"]
    assert booked("--known-at", "record:2") == [None, 0, 1, eight, None]
    assert booked("--as-of", "2025-06-02T09:04:00Z") == [None, 0, 3, 108 * UNIT, None]
    assert booked("--as-of", "2025-06-02T09:04:00Z", "--known-at", "record:3")[3] == eight


def test_a_pattern_gives_each_account_its_opening_and_closing(call: Call) -> None:
    told = call("statement", "*", "--format", "json").json
    assert [row["account"] for row in told if row["kind"] == "opening"] == PATHS
    assert [row["account"] for row in told if row["kind"] == "closing"] == PATHS
    assert [row["account"] for row in told] == sorted(row["account"] for row in told)
    only = call("statement", "lpp/*", "--format", "json").json
    assert only == [row for row in told if row["account"].startswith("lpp/")]
    for path in PATHS:
        assert call("statement", path, "--format", "json").json == [row for row in told if row["account"] == path]
        assert sum(row["change"] for row in told if row["account"] == path) == next(
            row["balance"] for row in call("balance", path, "--format", "json").json
        )


def test_a_statement_in_every_form(lite: Call, tmp_path: Path) -> None:
    told = lite("statement", "*", "--format", "json").json
    table = lite("statement", "*")
    assert (table.code, table.error) == (0, "")
    assert "126,656" in table.out.decode()
    texts = [["" if value is None else str(value) for value in row.values()] for row in told]
    read = list(csv.reader(io.StringIO(lite("statement", "*", "--format", "csv").out.decode(), newline="")))
    assert read == [COLUMNS, *texts]
    for form in ("table", "json", "csv", "xlsx", "parquet", "hledger"):
        words = ("statement", "*", "--format", form)
        written = lite(*words, "--out", f"statement.{form}")
        assert written == Told(0, b"", "")
        if form != "xlsx":
            assert (tmp_path / f"statement.{form}").read_bytes() == lite(*words).out
    book = load_workbook(tmp_path / "statement.xlsx", read_only=True)
    cells = [["" if value is None else str(value) for value in row] for row in book["statement"].values]
    assert [[cell.removesuffix(" 00:00:00") for cell in row] for row in cells] == [COLUMNS, *texts]
    assert {row[1].is_date for row in book["statement"].iter_rows(min_row=2) if row[1].value} == {True}
    book.close()
    found = parquet.read_table(tmp_path / "statement.parquet").to_pylist()
    assert [(row["account"], row["kind"], row["change"], row["balance"]) for row in found] == [
        (row["account"], row["kind"], row["change"], row["balance"]) for row in told
    ]
    journal = (tmp_path / "statement.hledger").read_text()
    assert (
        f"2025-06-02 * shipment.requested SHP-1  ; record:2, entry:1\n    used:lpp:CON-20:2025:pending  {8 * UNIT} TPP\n"
        in journal
    )


@pytest.mark.parametrize("form", ["xlsx", "parquet"])
def test_a_file_is_not_for_a_terminal(lite: Call, form: str, tmp_path: Path) -> None:
    assert lite("statement", "*", "--format", form, "--out", "here").code == 0
    ours, theirs = pty.openpty()
    try:
        words = [TPP, "statement", "*", "--format", form]
        done = subprocess.run(words, stdout=theirs, stderr=subprocess.PIPE, cwd=tmp_path, timeout=PATIENCE, check=False)
    finally:
        os.close(theirs)
        os.close(ours)
    assert (done.returncode, done.stderr.decode()) == (
        2,
        f"Error: cannot write {form} to a terminal; give a file with --out\n",
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lpp/CON-99/2025",), "no account 'lpp/CON-99/2025' exists"),
        (("*", "--from", "2025-07-01", "--to", "2025-06-30"), "--from must not be after --to"),
        (("*", "--from", "2025-06-31"), "'2025-06-31' is not a date"),
        (("*", "--to", "June"), "'June' is not a date"),
        (("*", "--to", "2025-06-30T00:00:00Z"), "is not a date"),
        (("*", "--as-of", "2025-02-29"), "'2025-02-29' is neither a date nor an RFC 3339 time"),
        (("*", "--known-at", "snapshot:2025-Q2"), "snapshot '2025-Q2' does not exist"),
        (("*", "--known-at", "snapshot:NONE"), "snapshot 'NONE' does not exist"),
        (("*", "--known-at", "record:x"), "'record:x' is not a record"),
        (("*", "--format", "csv", "--out", "no/folder.csv"), "no/folder.csv"),
        (("*", "--format", "pdf"), "'pdf' is not one of"),
        ((), "Missing argument 'ACCOUNT'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_statement_that_cannot_be_made(lite: Call, words: tuple[str, ...], sentence: str) -> None:
    told = lite("statement", *words)
    assert told.code == (1 if "exist" in sentence else 2)
    assert sentence in told.sentence


@pytest.mark.parametrize("command", ["statement", "balance"])
def test_a_record_of_any_number_may_be_named(call: Call, command: str) -> None:
    now = call(command, "*", "--format", "json").json
    for number in (2**63 - 1, 2**63, 10**30):
        assert call(command, "*", "--known-at", f"record:{number}", "--format", "json").json == now


# --- snapshots --------------------------------------------------------------------------------------------------------


def test_a_close_gives_the_data_of_its_event(call: Call, ledger_url: str) -> None:
    call("audit", "key", "--new")
    assert call("snapshot", "list", "--format", "json").json == []
    told = call("snapshot", "close", "2025-06", "--format", "json").json
    assert list(told) == MEMBERS
    assert (told["snapshot_id"], told["period"], told["as_of"]) == ("2025-06", "2025-06", "2025-06-30")
    assert (told["record"], told["accounts"], told["entries"], told["previous_digest"]) == (7, len(PATHS), 6, None)
    assert re.fullmatch("sha256:[0-9a-f]{64}", told["digest"])
    assert call("snapshot", "close", "2025-06", "--format", "json").json == told
    table = call("snapshot", "close", "2025-06")
    assert (table.code, table.error) == (0, "")
    assert told["digest"] in table.out.decode()
    year = call("snapshot", "close", "2024", "--format", "json").json
    assert (year["previous_digest"], year["record"], year["entries"]) == (told["digest"], 7, 0)
    assert call("snapshot", "list", "--format", "json").json == [told, year]
    assert "2025-06-30" in call("snapshot", "list").out.decode()
    with opened(ledger_url) as store:
        records_made = rows(store, JOURNAL)
    assert [row.type for row in records_made[7:]] == ["tpp.snapshot.closed.v1"] * 2
    answers = [orjson.loads(row.answers) for row in records_made[7:]]
    assert [answer["data"] for answer in answers] == [told, year]
    assert [int(answer["sequence"]) for answer in answers] == [
        int(answers[0]["sequence"]),
        int(answers[0]["sequence"]) + 1,
    ]


def test_a_close_makes_the_key_and_signs_a_checkpoint(call: Call, ledger_url: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    assert not key.exists()
    assert call("snapshot", "close", "2025-06").code == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip()
    assert secret.startswith("PRIVATE+KEY+tpp-ledger+")
    assert call("snapshot", "close", "2025-06").code == 0
    assert call("snapshot", "close", "2025-Q2").code == 0
    assert key.read_text().strip() == secret
    with opened(ledger_url) as store:
        notes = rows(store, text("SELECT n, note FROM checkpoint ORDER BY n"))
    assert [row.n for row in notes] == [8, 9]
    for row in notes:
        origin, size, root = row.note.splitlines()[:3]
        assert (origin, size, len(base64.b64decode(root))) == ("tpp-ledger", str(row.n), 32)
    assert not set(tmp_path.rglob("*.key"))


@pytest.mark.parametrize("name", ["2025-13", "2025-00", "2025-Q5", "2025-Q0", "25", "0000", "garbage", "", "2025-6", "2025-Q2 ", "２０２５", "9999", "9999-Q4", "9999-12"])  # fmt: skip
def test_a_period_that_cannot_be_closed(lite: Call, name: str, tmp_path: Path) -> None:
    told = lite("snapshot", "close", name)
    assert told.code == (1 if name.startswith("9999") else 2)
    assert repr(name) in told.sentence
    assert lite("snapshot", "list", "--format", "json").json == []
    assert not (tmp_path / "key").exists()
    with opened("sqlite:///tpp-ledger.db") as store:
        engine(store).run(records([Line("//late.example").adjusted("lpp/CON-20/2025", 5)], 20))
    assert lite("statement", "lpp/CON-20/2025", "--format", "json").json[-2]["booked"] == "2025-06-02"


def test_an_export_in_every_form(lite: Call, tmp_path: Path) -> None:
    assert lite("snapshot", "close", "2025-06").code == 0
    files = {
        "csv": [f"{table}.csv" for table in SNAPSHOT_TABLES] + ["datapackage.json"],
        "xlsx": ["2025-06.xlsx"],
        "parquet": [f"{table}.parquet" for table in SNAPSHOT_TABLES],
        "hledger": ["2025-06.journal"],
    }
    for form, names in files.items():
        told = lite("snapshot", "export", "2025-06", "--format", form)
        assert (told.code, told.error) == (0, "")
        assert told.out.decode().splitlines() == [f"2025-06/{name}" for name in names]
    assert sorted(path.name for path in (tmp_path / "2025-06").iterdir()) == sorted(chain.from_iterable(files.values()))
    package = json.loads((tmp_path / "2025-06/datapackage.json").read_text())
    assert package["description"].endswith("90 FR 4544: codified, not enforced since 2025-05-13.")
    assert (tmp_path / "2025-06/holds.csv").read_text() == (
        f"shipment_id,record,happened,codes,tpp\nSHP-4,7,2025-06-02T09:07:00Z,quota.exhausted,{2_000 * UNIT}\n"
    )


def test_the_holds_of_a_snapshot_are_those_that_stand_of_what_had_happened(call: Call, ledger_url: str) -> None:
    line = Line("//later.example")
    july = datetime(2025, 7, 1, tzinfo=UTC)
    later = [
        line.event("shipment.requested", request("SHP-5", "CON-21", 2_000, "LPP"), july),
        line.event("shipment.requested", request("SHP-6", "CON-21", 2_000, "LPP"), LAST),
        line.cancelled("SHP-4"),
        line.event("shipment.requested", request("SHP-7", "CON-21", 2_000, "LPP")),
        line.event("shipment.cancelled", {"shipment_id": "SHP-7", "reason": "order withdrawn"}, july),
        line.event("shipment.amended", request("SHP-6", "CON-21", 2_001, "LPP"), july),
    ]
    names = ["2025-05", "2025-Q2", "2025-07"]
    for name in names[:2]:
        assert call("snapshot", "close", name).code == 0
        if name == "2025-05":
            with opened(ledger_url) as store:
                engine(store).run(records(later, 20))
    assert call("snapshot", "close", "2025-07").code == 0
    held = {}
    for name in names:
        assert call("snapshot", "export", name, "--format", "csv").code == 0
        rows = [row.split(",") for row in Path(name, "holds.csv").read_text().splitlines()[1:]]
        held[name] = [(shipment, int(tpp) // UNIT) for shipment, *_, tpp in rows]
    assert held == {
        "2025-05": [],
        "2025-Q2": [("SHP-6", 2_000), ("SHP-7", 2_000)],
        "2025-07": [("SHP-5", 2_000), ("SHP-6", 2_001)],
    }


@pytest.mark.parametrize("form", ["csv", "hledger"])
def test_an_export_of_changed_books_is_refused(lite: Call, tmp_path: Path, form: str) -> None:
    assert lite("snapshot", "close", "2025-06").code == 0
    with closing(unguarded(tmp_path / "tpp-ledger.db")) as connection:
        connection.execute("UPDATE entry SET posted = posted + 1 WHERE n = 3")
    told = lite("snapshot", "export", "2025-06", "--format", form)
    assert (told.code, told.out) == (1, b"")
    assert told.sentence.startswith("the books of 2025-06 differ from those that were closed")
    assert not (tmp_path / "2025-06").exists()


def test_a_close_over_answers_that_cannot_be_read_is_a_sentence(lite: Call, tmp_path: Path) -> None:
    with closing(unguarded(tmp_path / "tpp-ledger.db")) as connection:
        connection.execute("UPDATE journal SET answers = substr(answers, 2) WHERE n = 7")
    lite("audit", "key", "--new")
    told = lite("snapshot", "close", "2025-06")
    assert told.code == 2
    assert told.sentence.startswith("the ledger is damaged: journal record 7 cannot be read")
    assert lite("snapshot", "list", "--format", "json").json == []


def test_an_export_that_cannot_be_made(lite: Call, tmp_path: Path) -> None:
    told = lite("snapshot", "export", "2025-Q2", "--format", "csv")
    assert (told.code, told.sentence[:34]) == (1, "snapshot '2025-Q2' does not exist;")
    assert lite("snapshot", "close", "2025-Q2").code == 0
    told = lite("snapshot", "export", "2025-Q2")
    assert (told.code, told.out, "Missing option '--format'" in told.error) == (2, b"", True)
    (tmp_path / "taken").write_text("a file")
    told = lite("snapshot", "export", "2025-Q2", "--format", "csv", "--out", "taken")
    assert (told.code, told.sentence.startswith("cannot write the export")) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir() if "ledger" not in path.name) == ["key", "taken"]


@pytest.mark.parametrize(
    "words",
    [
        ("statement", "*"),
        ("snapshot", "close", "2025-06"),
        ("snapshot", "list"),
        ("snapshot", "export", "2025-06", "--format", "csv"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_ledger_is_no_new_ledger(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = caller("sqlite:///nothing.db", tmp_path)(*words)
    assert told.code == 2
    assert told.sentence.startswith("no ledger at ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("statement",), ("snapshot",), ("snapshot", "close"), ("snapshot", "list"), ("snapshot", "export")])  # fmt: skip
def test_help_has_an_example(words: tuple[str, ...], tmp_path: Path) -> None:
    told = caller("sqlite:///nothing.db", tmp_path)(*words, "--help")
    assert told.code == 0
    page = told.out.decode()
    assert f"tpp {' '.join(words)}" in page[page.index("Example:") :]
