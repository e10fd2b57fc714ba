"""`tpp reconcile`: every form of a statement, what it prints, and what it cannot read."""

import os
import pty
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from books_statement import (
    EXAMPLES,
    as_csv,
    as_json,
    as_xlsx,
    call,
    compared,
    ledger_lines,
    plant,
    saved,
    screen,
    sheets,
)
from openpyxl import Workbook
from waiting import PATIENCE

from ledger.queries.reconcile import Line

GOOD = Line("SHP-1", "lpp/CON-1/2025", "2025-06-05", 126_656)
HEADER = b"shipment_id,account,date,amount\n"


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ledger of the cluster events."""
    url = f"sqlite:///{tmp_path_factory.mktemp('clusters') / 'ledger.db'}"
    screen(url)
    return url


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ledger of the quickstart events."""
    url = f"sqlite:///{tmp_path_factory.mktemp('quick') / 'ledger.db'}"
    screen(url, "quickstart.jsonl")
    return url


# --- forms ------------------------------------------------------------------------------------------------------------

OTHER = {"shipment_id": "Delivery No.", "account": "Quota", "date": "Export", "amount": "TPP; booked"}
FORMS: dict[str, Callable[..., bytes]] = {
    "comma.csv": as_csv,
    "semicolon.csv": lambda lines, **more: as_csv(lines, ";", **more),
    "tab.txt": lambda lines, **more: as_csv(lines, "\t", **more),
    "bom.csv": lambda lines, **more: as_csv(lines, bom=True, **more),
    "book.xlsx": as_xlsx,
    "list.json": as_json,
}


def test_every_form_gives_the_same_result(clusters: str, tmp_path: Path) -> None:
    statement, expected = plant(ledger_lines(clusters), 11)
    mapping = [word for field, column in OTHER.items() for word in ("--map", f"{field}={column}")]
    for name, written in FORMS.items():
        file = tmp_path / name
        file.write_bytes(written(statement))
        assert compared(clusters, file) == expected, name
        file.write_bytes(written(statement, names=OTHER))
        assert compared(clusters, file, *mapping) == expected, name
    told = call(clusters, "-", "--format", "json", stdin=as_csv(statement))
    assert {name: value for name, value in told.json.items() if name != "assumed"} == expected


def test_accounts_and_dates_filter_both_sides(clusters: str, tmp_path: Path) -> None:
    lines = ledger_lines(clusters)
    file = tmp_path / "all.csv"
    file.write_bytes(as_csv(lines))
    chosen = [line for line in lines if line.account.startswith("lpp/") and "2025-06-01" <= line.date <= "2025-09-30"]
    found = compared(clusters, file, "--account", "lpp/*", "--from", "2025-06-01", "--to", "2025-09-30")
    total = sum(line.amount for line in chosen)
    assert found["matched"] == len(chosen) > 0
    assert found["totals"] == {"here": total, "there": total, "difference": 0}
    file.write_bytes(as_csv(chosen))
    assert compared(clusters, file, "--account", "lpp/*", "--from", "2025-06-01", "--to", "2025-09-30") == found


def test_texts_of_digits_signs_cases_and_blanks_are_read_as_they_are(quick: str, tmp_path: Path) -> None:
    rows = (
        b"\xef\xbb\xbf Amount ;ACCOUNT; Date;Shipment_ID;\r\n;;;;\r\n"
        b'+0005; lpp/X/2025;2025-06-01 ;0012;\r\n\r\n -7;"a;""b""";2025-06-02;;;\r\n'
    )
    file = tmp_path / "statement.csv"
    file.write_bytes(rows)
    found = compared(quick, file)["missing_here"]
    assert found == [
        {"row": 1, "shipment_id": "0012", "account": " lpp/X/2025", "date": "2025-06-01", "amount": 5,
         "duplicate_of": None},
        {"row": 2, "shipment_id": "", "account": 'a;"b"', "date": "2025-06-02", "amount": -7, "duplicate_of": None},
    ]  # fmt: skip
    book = Workbook()
    for row in (HEADER.decode().strip().split(","), ["0012", 4711, "2025-06-01", "12"], [12.0, None, "2025-06-02", -3]):
        book.active.append(row)
    file = tmp_path / "statement.xlsx"
    file.write_bytes(saved(book))
    assert [(one["shipment_id"], one["account"]) for one in compared(quick, file)["missing_here"]] == [
        ("0012", "4711"),
        ("12", ""),
    ]
    for empty, form in ((HEADER, "csv"), (b"[]", "json")):
        file = tmp_path / f"empty.{form}"
        file.write_bytes(empty)
        found = compared(quick, file)
        assert (found["matched"], found["missing_here"], found["different"]) == (0, [], [])


@pytest.mark.parametrize(("name", "different", "footer"), [("sap", 1, 1), ("oracle", 0, 2)])
def test_the_example_of_an_erp_is_read_by_its_profile(name: str, different: int, footer: int, quick: str) -> None:
    statement = EXAMPLES / "reconcile" / f"{name}.csv"
    assert call(quick, str(statement)).code == 2
    told = call(
        quick,
        str(statement),
        "--profile",
        str(statement.with_suffix(".toml")),
        "--to",
        "2025-06-30",
        "--format",
        "json",
    )
    found = told.json
    assert (told.code, found["matched"], len(found["different"])) == (different, 4 - different, different)
    assert (found["missing_here"], found["missing_there"]) == ([], [])
    assert found["assumed"]["footer"] == footer


def test_a_total_may_be_larger_than_64_bits(quick: str, tmp_path: Path) -> None:
    big = [GOOD._replace(shipment_id=f"BIG-{number}", amount=2**53 - 1) for number in range(3_000)]
    file = tmp_path / "big.json"
    file.write_bytes(as_json(big))
    assert compared(quick, file, "--account", GOOD.account)["totals"]["there"] == 3_000 * (2**53 - 1)


# --- for people and for spreadsheets ----------------------------------------------------------------------------------


def test_the_table_tells_counts_lines_and_totals(clusters: str, tmp_path: Path) -> None:
    statement, expected = plant(ledger_lines(clusters), 3)
    file = tmp_path / "statement.csv"
    file.write_bytes(as_csv([*statement, *(Line(f"\x1b[31m{n}", "a", "2025-01-01", n) for n in range(1, 31))]))
    told = call(clusters, str(file))
    text = told.out.decode()
    assert told.code == 1
    assert text.startswith(
        f"{expected['matched']:,} matched, 39 only in the statement, 6 only in the ledger, 24 different\n"
    )
    for part in ("(39)", "(6)", "(24)", "… and 19 more", "… and 4 more", "Totals"):
        assert part in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 200
    file.write_bytes(as_csv(ledger_lines(clusters)))
    told = call(clusters, str(file))
    assert told.code == 0
    assert "0 only in the statement, 0 only in the ledger, 0 different" in told.out.decode()


def test_a_workbook_has_a_sheet_for_each_name_and_text_is_never_a_formula(clusters: str, tmp_path: Path) -> None:
    statement, expected = plant(ledger_lines(clusters), 5)
    odd = [Line("=1+1", "http://x", "2025-01-01", 10**15), Line("{=A1}", "@SUM(A1)", "2025-01-01", -3)]
    file, out = tmp_path / "statement.csv", tmp_path / "result.xlsx"
    file.write_bytes(as_csv([*statement, *odd]))
    told = call(clusters, str(file), "--format", "xlsx", "--out", str(out))
    assert (told.code, told.out) == (1, b"")
    assert (
        told.error == f"{expected['matched']:,} matched, 11 only in the statement, 6 only in the ledger, 24 different\n"
    )
    found = {name: [tuple(map(_day_text, row)) for row in rows] for name, rows in sheets(out.read_bytes()).items()}
    assert list(found) == ["matched", "missing_here", "missing_there", "different", "totals"]
    assert found["matched"] == [("matched",), (expected["matched"],)]
    assert found["missing_here"][0] == ("row", "shipment_id", "account", "date", "amount", "duplicate_of")
    unknown = [tuple(one.values()) for one in expected["missing_here"]]
    tail = [(len(statement) + 1, "=1+1", "http://x", "2025-01-01", str(10**15), None)]
    tail += [(len(statement) + 2, "{=A1}", "@SUM(A1)", "2025-01-01", -3, None)]
    assert found["missing_here"][1:] == unknown + tail
    assert found["missing_there"][1:] == [tuple(one.values()) for one in expected["missing_there"]]
    assert found["different"][0][:3] == ("row", "fields", "here.shipment_id")
    assert found["different"][1:] == [
        (one["row"], " ".join(one["fields"]), *one["here"].values(), *one["there"].values(), one["difference"])
        for one in expected["different"]
    ]
    assert found["totals"][0] == ("here", "there", "difference")
    again = call(clusters, str(file), "--format", "xlsx")
    assert again.out == out.read_bytes()


def _day_text(cell: Any) -> Any:
    return cell.date().isoformat() if isinstance(cell, datetime) else cell


def test_a_workbook_is_not_written_to_a_terminal(quick: str) -> None:
    master, terminal = pty.openpty()
    code = "from services.cli.commands import main; main()"
    words = [sys.executable, "-c", code, "reconcile", "statement.csv", "--format", "xlsx", "--ledger", quick]
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(words, stdout=terminal, stderr=subprocess.PIPE, cwd=root, timeout=PATIENCE, check=False)
    os.close(terminal)
    os.close(master)
    assert done.returncode == 2
    assert done.stderr.decode().strip() == "Error: cannot write a workbook to a terminal; give a file with --out"


# --- what cannot be done ----------------------------------------------------------------------------------------------


def workbook(*rows: Sequence[Any]) -> bytes:
    book = Workbook()
    for row in (Line._fields, *rows):
        book.active.append(list(row))
    return saved(book)


def archive() -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("other.txt", "no workbook")
    return stream.getvalue()


NO_INTEGER = "is not a whole number up to 9,007,199,254,740,991"
NO_DAY = "is not a date such as 2025-06-30"
ROW = b"S-1,lpp/A/2025,2025-06-01,"
OBJECT = b'{"shipment_id": "S-1", "account": "a", "date": "2025-06-01", "amount": '
BAD: dict[str, tuple[str, bytes, str]] = {
    "fraction": ("a.csv", HEADER + ROW + b"5\n\n" + ROW + b"1.5\n", f"row 2 of FILE (line 4): amount '1.5' {NO_INTEGER}"),
    "thousands": (
        "a.csv",
        HEADER + ROW + b"126592\n" + ROW + b'"1,500"\n',
        f"row 2 of FILE (line 3): amount '1,500' {NO_INTEGER}; the other amounts do not set off thousands",
    ),
    "unquoted thousands": ("a.csv", HEADER + ROW + b"1,500\n", "row 1 of FILE (line 2) has 5 cells, but the header has 4; quote what holds a separator"),
    "large": ("a.csv", HEADER + ROW + b"9007199254740992\n", f"row 1 of FILE (line 2): amount '9007199254740992' {NO_INTEGER}"),
    "huge": ("a.csv", HEADER + ROW + b"9" * 5_000, f"row 1 of FILE (line 2): amount '{'9' * 59}… {NO_INTEGER}"),
    "digits": ("a.csv", HEADER + ROW + "٣".encode(), f"row 1 of FILE (line 2): amount '٣' {NO_INTEGER}"),
    "no amount": ("a.csv", HEADER + ROW + b" \n", "row 1 of FILE (line 2): amount is missing"),
    "short": ("a.csv", HEADER + b"S-1,lpp/A/2025\n", "FILE has 1 row that cannot be read, so nothing was compared"),
    "day": ("a.csv", HEADER + b"S-1,a,2025-02-30,1\n", f"row 1 of FILE (line 2): date '2025-02-30' {NO_DAY}"),
    "no day": ("a.csv", HEADER + b"S-1,a,,1\n", "row 1 of FILE (line 2): date is missing"),
    "column": (
        "a.csv",
        b"shipment_id;account;date;TPP\n",
        "FILE has no column amount, but shipment_id, account, date, TPP; give the right name with --map amount=COLUMN",
    ),
    "column twice": ("a.csv", b"shipment_id,account,date,amount,amount\n", "FILE has 2 columns named amount; rename all but one"),
    "cases": ("a.csv", b"shipment_id,account,date,Amount,AMOUNT\n", "FILE has 2 columns named amount; rename all but one"),
    "empty": ("a.csv", b"", "FILE is empty"),
    "blank": ("a.csv", b"\xef\xbb\xbf\r\n \r\n", "FILE is empty"),
    "separators": (
        "a.csv",
        b",,,\n",
        f"FILE has no row with the columns {', '.join(Line._fields)}; its first row is ,,,; give their names with --map FIELD=COLUMN, or the line of the header with --header-row",
    ),
    "quotes": ("a.csv", HEADER + b'"S-1"x,a,2025-06-01,1\n', "FILE is not CSV: line 2: ',' expected after '\"'"),
    "open quote": ("a.csv", HEADER + b'"S-1,a,2025-06-01,1\n', "FILE is not CSV: line 2: unexpected end of data"),
    "latin": ("a.csv", HEADER + b"\xe4,a,2025-06-01,1\n", "FILE is neither XLSX nor UTF-8 text: invalid byte 33 (line 2); give its encoding, such as --encoding cp1252"),
    "garbage": ("a.xlsx", bytes(range(256)), "FILE is not an XLSX workbook, or it is damaged"),
    "zip": ("a.xlsx", archive(), "FILE is a ZIP archive, not an XLSX workbook; unpack it first"),
    "cut": ("a.xlsx", as_xlsx([GOOD])[:-40], "FILE is not an XLSX workbook, or it is damaged"),
    "encrypted": (
        "a.xlsx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "FILE is encrypted or in the old XLS format; save it as XLSX without a password",
    ),
    "empty book": ("a.xlsx", saved(Workbook()), "the first sheet of FILE is empty"),
    "half": ("a.xlsx", workbook(("S-1", "a", "2025-06-01", 1.5)), f"row 1 of FILE (line 2): amount '1.5' {NO_INTEGER}"),
    "float": (
        "a.xlsx", workbook(("S-1", "a", "2025-06-01", 2.0**53)), f"row 1 of FILE (line 2): amount '9007199254740992' {NO_INTEGER}"
    ),
    "truth": ("a.xlsx", workbook(("S-1", "a", "2025-06-01", True)), f"row 1 of FILE (line 2): amount 'True' {NO_INTEGER}"),
    "formula": (
        "a.xlsx",
        workbook(("S-1", "a", "2025-06-01", "=1+1")),
        "row 1 of FILE (line 2): amount is a formula without a value; open the file, and save it again",
    ),
    "number as day": ("a.xlsx", workbook(("S-1", "a", 45_000, 1)), "row 1 of FILE (line 2): date '45000' is not a date but a number of days; format the column as a date in the spreadsheet"),
    "truth as id": ("a.xlsx", workbook((True, "a", "2025-06-01", 1)), "row 1 of FILE (line 2): shipment_id 'True' is not text"),
    "json": ("a.json", b'[{"a": 1},\n{"b" 2}]', "FILE is not JSON: line 2: Expecting ':' delimiter"),
    "object": ("a.json", b'{"rows": []}', "FILE is not a list of objects"),
    "no member": (
        "a.json", b"[{}]", f"FILE has no columns {', '.join(Line._fields)}, but no other; give the right names with {' '.join(f'--map {one}=COLUMN' for one in Line._fields)}"
    ),
    "item": ("a.json", b"[" + OBJECT + b"1}, 7]", "row 2 of FILE is not an object"),
    "member": ("a.json", b"[" + OBJECT + b'1}, {"amount": 1}]', "FILE has 1 row that cannot be read, so nothing was compared"),
    "json half": ("a.json", b"[" + OBJECT + b"1.5}]", f"row 1 of FILE (line 1): amount '1.5' {NO_INTEGER}"),
    "json nan": ("a.json", b"[" + OBJECT + b"NaN}]", f"row 1 of FILE (line 1): amount 'nan' {NO_INTEGER}"),
    "json list": ("a.json", b"[" + OBJECT + b"[1]}]", f"row 1 of FILE (line 1): amount \"[Decimal('1')]\" {NO_INTEGER}"),
    "json twice": ("a.json", b"[" + OBJECT + b'1, "amount": 2}]', "FILE is not a list of objects: a member occurs twice in an object"),
    "json exponent": ("a.json", b"[" + OBJECT + b"1e9999999999999999999}]", "FILE contains a number that cannot be read"),
    "json deep": ("a.json", b"[" * 100_000, "FILE is not a list of objects: it is nested too deeply"),
    "surrogate": (
        "a.json",
        b'[{"shipment_id": "\\ud800", "account": "a", "date": "2025-06-01", "amount": 1}]',
        "row 1 of FILE (line 1): shipment_id '\\ud800' is not text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_one_sentence(case: str, quick: str, tmp_path: Path) -> None:
    name, content, sentence = BAD[case]
    file = tmp_path / name
    file.write_bytes(content)
    told = call(quick, str(file), "--format", "json")
    assert (told.code, told.out) == (2, b"")
    assert told.error.startswith(f"Error: {sentence.replace('FILE', str(file))}\n")


def test_a_damaged_workbook_never_ends_in_a_traceback(quick: str, tmp_path: Path) -> None:
    whole = as_xlsx([GOOD])
    chance = random.Random(1)
    file = tmp_path / "damaged.xlsx"
    for _ in range(50):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            damaged[chance.randrange(4, len(damaged))] = chance.randrange(256)
        file.write_bytes(damaged)
        assert call(quick, str(file), "--format", "json").code in (1, 2)


USAGE = {
    "is not a date such as 2025-06-30": ["--from", "june"],
    "--from must not be after --to": ["--from", "2025-06-02", "--to", "2025-06-01"],
    "use FIELD=COLUMN, where FIELD is one of shipment_id, account, date, amount": ["--map", "tpp=TPP"],
    "FIELD is one of": ["--map", "amount"],
    "amount is mapped twice": ["--map", "amount=a", "--map", "amount=b"],
    "cannot write": ["--out", "no/such/folder/result.json"],
}


@pytest.mark.parametrize("sentence", USAGE)
def test_wrong_options_are_said(sentence: str, quick: str, tmp_path: Path) -> None:
    file = tmp_path / "statement.csv"
    file.write_bytes(HEADER)
    told = call(quick, str(file), *USAGE[sentence])
    assert (told.code, told.out) == (2, b"")
    assert sentence in told.error


def test_no_file_a_folder_and_no_ledger_are_said(quick: str, tmp_path: Path) -> None:
    file = tmp_path / "statement.csv"
    told = call(quick, str(file))
    assert (told.code, told.error) == (2, f"Error: cannot read {file}: No such file or directory\n")
    told = call(quick, str(tmp_path))
    assert (told.code, told.error) == (2, f"Error: cannot read {tmp_path}: Is a directory\n")
    file.write_bytes(HEADER)
    told = call(f"sqlite:///{tmp_path / 'none.db'}", str(file))
    assert told.code == 2
    assert "no ledger at" in told.error
    assert not (tmp_path / "none.db").exists()
