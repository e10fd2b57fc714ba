"""The books as files, read back by programs that are not ours."""

import csv
import hashlib
import io
import re
import shutil
import subprocess
import warnings
from collections import Counter
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

import openpyxl
import pytest
from books_rows import PATHS, PERIOD, SHIPMENTS, Books, books, odd_books, statement, tables
from hypothesis import HealthCheck, Phase, given, settings
from pyarrow import parquet
from waiting import PATIENCE

from schemas.columns import TABLES, Column, Kind, csv_digest, csv_text
from schemas.times import instant_text
from services.finance import workbook
from services.finance.exports import FORMS, SNAPSHOT_TABLES, export, totals, write
from services.finance.workbook import ExportRefused
from services.views.moments import shown

FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
FEWER = settings(FEW, max_examples=4, phases=[Phase.generate])
PARTS = ("pending", "posted", "attested", "credits")
needs_hledger = pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed")
needs_office = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
Rows = list[tuple[Any, ...]]


def shown_rows(table: str, rows: Rows) -> list[list[str]]:
    """The rows as texts, none as the empty one, with the names of the columns."""
    instants = [column.kind is Kind.INSTANT for column in TABLES[table]]
    texts = [
        [
            "" if value is None else shown(value) if instant else str(value)
            for value, instant in zip(row, instants, strict=True)
        ]
        for row in rows
    ]
    return [[column.name for column in TABLES[table]], *texts]


def decoded(text: str) -> str:
    """A text of a workbook with its `_xHHHH_` read, as ECMA-376 has it (22.9.2.19)."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def sheets(path: Path) -> dict[str, list[list[Any]]]:
    """The values of a workbook's cells, texts decoded."""
    book = openpyxl.load_workbook(path)
    read = {
        sheet.title: [[decoded(cell) if isinstance(cell, str) else cell for cell in row] for row in sheet.values]
        for sheet in book
    }
    book.close()
    return read


def in_cells(table: str, rows: Rows) -> list[list[Any]]:
    """What the cells of a sheet are to hold."""
    kinds = [column.kind for column in TABLES[table]]
    cells = []
    for row in rows:
        pairs = zip(row, kinds, strict=True)
        cells.append([
            shown(value) if kind is Kind.INSTANT and value is not None
            else datetime.fromisoformat(value) if kind is Kind.DAY and value is not None
            else str(value) if kind is Kind.AMOUNT and value is not None and abs(value) >= 10**15
            else value
            for value, kind in pairs
        ])  # fmt: skip
    return [[column.name for column in TABLES[table]], *cells]


def hledger(path: Path, *words: str) -> str:
    done = subprocess.run(["hledger", "-f", path, *words], capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def balances(path: Path, segments: int | None) -> Counter[str]:
    """What hledger says is on the ledger's accounts, by so many segments of their paths; None: by all of them."""
    found: Counter[str] = Counter()
    for row in csv.DictReader(io.StringIO(hledger(path, "bal", "used", "--flat", "-N", "-O", "csv"))):
        _, *names, _ = row["account"].split(":")
        found[unquote("/".join(names[:segments]))] += int(row["balance"].removesuffix(" TPP"))
    return found


@FEW
@given(rows=books())
def test_csv_is_read_back_by_the_csv_module(rows: Books) -> None:
    for table, own in zip(SNAPSHOT_TABLES, rows, strict=True):
        text = b"".join(csv_text(table, own))
        assert list(csv.reader(io.StringIO(text.decode(), newline=""))) == shown_rows(table, own)
        assert csv_digest(table, iter(own)) == (hashlib.sha256(text).hexdigest(), len(text))


def test_csv_quotes_what_has_to_be_and_nothing_else() -> None:
    texts = ["a,b", 'a"b', "a\nb", "a\rb", " a;b ", "=1", None]
    rows = [(text, 1, 0, "c", 0) for text in texts]
    shown_texts = ['"a,b"', '"a""b"', '"a\nb"', '"a\rb"', " a;b ", "=1", ""]
    lines = "".join(f"{text},1,1970-01-01T00:00:00Z,c,0\n" for text in shown_texts)
    assert b"".join(csv_text("holds", rows)).decode() == f"shipment_id,record,happened,codes,tpp\n{lines}"
    assert b"".join(csv_text("holds", [])) == b"shipment_id,record,happened,codes,tpp\n"


@pytest.mark.parametrize(
    "moment", [0, 1, 999_999, 1_748_856_600_000_000, -1, -62_135_596_800_000_000, 253_402_300_799_999_999]
)
def test_instants_are_as_elsewhere(moment: int) -> None:
    assert instant_text(moment) == shown(moment)
    when = datetime.fromtimestamp(moment // 1_000_000, UTC).replace(microsecond=moment % 1_000_000)
    assert instant_text(moment) == when.isoformat().replace("+00:00", "Z")


def test_a_data_package_is_valid(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import frictionless

        rows = odd_books()
        paths = export(tmp_path, PERIOD, "csv", tables(rows))
        assert [path.name for path in paths] == ["accounts.csv", "entries.csv", "holds.csv", "datapackage.json"]
        report = frictionless.validate(tmp_path / "datapackage.json")
        assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "message"])
        assert report.stats["tasks"] == len(SNAPSHOT_TABLES)
        read = frictionless.Package(str(tmp_path / "datapackage.json")).get_resource("entries").read_rows()
        assert [row["happened"] for row in read] == [datetime.fromtimestamp(row[2] / 1e6, UTC) for row in rows[1]]
        assert [row["source"] for row in read] == [row[7] for row in rows[1]]

        (tmp_path / "accounts.csv").write_bytes((tmp_path / "accounts.csv").read_bytes().replace(b"CON-70", b"CON-71"))
        kinds = {kind for [kind] in frictionless.validate(tmp_path / "datapackage.json").flatten(["type"])}
        assert {"hash-count", "foreign-key"} & kinds


def test_the_digest_is_that_of_coreutils(tmp_path: Path) -> None:
    rows = odd_books()
    export(tmp_path, PERIOD, "csv", tables(rows))
    names = [f"{table}.csv" for table in SNAPSHOT_TABLES]
    done = subprocess.run(["sha256sum", *names], cwd=tmp_path, capture_output=True, text=True, check=True)
    digests = [csv_digest(table, own)[0] for table, own in zip(SNAPSHOT_TABLES, rows, strict=True)]
    assert done.stdout == "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))


@FEW
@given(rows=books())
def test_parquet_is_read_back(rows: Books, tmp_path: Path) -> None:
    export(tmp_path, PERIOD, "parquet", tables(rows))
    for table, own in zip(SNAPSHOT_TABLES, rows, strict=True):
        read = parquet.read_table(tmp_path / f"{table}.parquet")
        names = [column.name for column in TABLES[table]]
        kinds = {column.name: column.kind for column in TABLES[table]}
        assert read.column_names == names
        wanted = {Kind.TEXT: "string", Kind.DAY: "date32[day]", Kind.INSTANT: "timestamp[us, tz=UTC]"}
        assert [str(field.type) for field in read.schema] == [wanted.get(kinds[name], "int64") for name in names]
        back = []
        for row in read.to_pylist():
            for name, kind in kinds.items():
                if kind is Kind.INSTANT:
                    row[name] = instant_text((row[name] - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution)
                elif kind is Kind.DAY:
                    assert type(row[name]) is date
                    row[name] = row[name].isoformat()
            back.append(["" if value is None else str(value) for value in row.values()])
        assert [names, *back] == shown_rows(table, own)


@FEW
@given(rows=books())
def test_workbooks_are_read_back(rows: Books, tmp_path: Path) -> None:
    export(tmp_path, PERIOD, "xlsx", tables(rows))
    read = sheets(tmp_path / "2025-Q2.xlsx")
    assert list(read) == ["totals", *SNAPSHOT_TABLES, "shipments"]
    assert read["shipments"] == in_cells("shipments", SHIPMENTS)
    for table, own in zip(SNAPSHOT_TABLES, rows, strict=True):
        assert read[table] == in_cells(table, own)
    assert read["totals"] == in_cells("totals", totals(rows[0]))


def test_a_workbook_is_plain_values(tmp_path: Path) -> None:
    rows = odd_books()
    [path] = export(tmp_path, PERIOD, "xlsx", tables(rows))
    assert sheets(path)["entries"] == in_cells("entries", rows[1])
    book = openpyxl.load_workbook(path)
    assert {cell.data_type for sheet in book for row in sheet.rows for cell in row} == {"s", "n", "d", "inlineStr"} - (
        {"inlineStr"} if book["holds"]["A2"].data_type == "s" else {"s"}
    )
    assert all(cell.hyperlink is None for cell in book["holds"]["A"])
    accounts = book["accounts"]
    assert all(cell.font.bold for cell in accounts[1])
    assert accounts.freeze_panes == "A2"
    assert {sheet.title: sheet.auto_filter.ref for sheet in book} == {sheet.title: sheet.dimensions for sheet in book}
    assert {cell.number_format for cell in book["entries"]["B"][1:]} == {"yyyy-mm-dd"}
    widths = {sheet.title: [sheet.column_dimensions[cell.column_letter].width for cell in sheet[1]] for sheet in book}
    assert all(
        width > len(cell.value) for title in widths for width, cell in zip(widths[title], book[title][1], strict=True)
    )
    assert widths["accounts"][0] > max(len(row[0]) for row in rows[0])
    assert {accounts[f"{column}5"].number_format for column in "BCDEFGH"} == {"#,##0"}
    assert (accounts["C2"].value, accounts["C3"].value, accounts["C4"].value) == (
        "9007199254740991",
        f"{-(10**15)}",
        1 - 10**15,
    )
    assert [row[0] for row in sheets(path)["totals"]] == ["family", "country", "license", "lpp"]
    assert sheets(path)["totals"][2] == ["license", 0, 0, 0, str(2 * 10**15 - 1), str(1 - 2 * 10**15)]
    assert book.properties.created == book.properties.modified == datetime(1980, 1, 1)  # noqa: DTZ001
    with ZipFile(path) as parts:
        assert {part.date_time[0] for part in parts.infolist()} == {1980}
        assert not any(b"<f>" in parts.read(name) or b"hyperlink" in parts.read(name) for name in parts.namelist())
    book.close()


def test_what_a_sheet_cannot_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    rows = odd_books()
    monkeypatch.setattr(workbook, "MOST_ROWS", len(rows[1]) - 1)
    with pytest.raises(ExportRefused, match=r"table entries exceeds the 21 rows"):
        export(folder, PERIOD, "xlsx", tables(rows))
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(workbook, "MOST_ROWS", 1_048_575)
    out = io.BytesIO()
    with pytest.raises(ExportRefused, match="codes in row 2 of table holds exceeds the 32,767 characters"):
        write("holds", [("a", 1, 0, "c", 1), ("b", 1, 0, "c" * 32_768, 1)], "xlsx", out)
    assert out.getvalue() == b""


def test_a_day_that_spreadsheets_count_differently_stays_a_text(tmp_path: Path) -> None:
    days = ["0001-01-01", "1900-02-28", "1900-03-01", "9999-12-31"]
    path = tmp_path / "days.xlsx"
    workbook.write_workbook(path, [workbook.Sheet("days", [Column("day", Kind.DAY)], [(day,) for day in days])])
    assert sheets(path)["days"][1:] == [[days[0]], [days[1]], *([datetime.fromisoformat(day)] for day in days[2:])]


def test_a_column_is_as_wide_as_its_text_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "wide.xlsx"
    columns = [Column("a", Kind.TEXT), Column("b", Kind.TEXT)]
    workbook.write_workbook(path, [workbook.Sheet("wide", columns, [("x" * 30, "x" * 500), (None, None)])])
    dimensions = openpyxl.load_workbook(path)["wide"].column_dimensions
    assert 31 <= dimensions["A"].width <= 32
    assert 60 <= dimensions["B"].width <= 61


def test_a_sheet_holds_as_many_rows_as_it_says() -> None:
    assert workbook.MOST_ROWS == 2**20 - 1


@needs_hledger
@FEWER
@given(rows=books())
def test_hledger_accepts_the_journal(rows: Books, tmp_path: Path) -> None:
    [path] = export(tmp_path, PERIOD, "hledger", tables(rows))
    hledger(path, "check", "--strict")
    assert balances(path, None) == Counter({row[0]: row[7] for row in rows[0]})


@needs_hledger
def test_the_journal_reads_as_the_contract_says(tmp_path: Path) -> None:
    [path] = export(tmp_path, PERIOD, "hledger", tables(odd_books()))
    hledger(path, "check", "--strict")
    text = path.read_text()
    assert text.startswith("commodity 1000. TPP\naccount counter:opening\naccount counter:country\n")
    assert (
        "\n2025-06-02 * shipment.requested %3D1%2B1  ; record:1, entry:1\n"
        "    used:lpp:CON-70:2025:pending  1000 TPP\n"
        "    used:lpp:CON-70:2025:credits  -1 TPP\n"
        "    counter:lpp  -999 TPP\n"
    ) in text
    assert "\n2025-04-01 * opening\n    used:lpp:CON-70:2025:posted  7 TPP\n    counter:opening  -7 TPP\n" in text
    assert "\n2025-06-30 * closing\n    used:lpp:CON-70:2025:pending  0 TPP = 22000 TPP\n" in text
    entries = csv.DictReader(io.StringIO(hledger(path, "print", "tag:entry", "-O", "csv")))
    assert len({row["txnidx"] for row in entries}) == len(odd_books()[1])
    wrong = (
        path.read_text().replace("pending  1000 TPP\n", "pending  1001 TPP\n", 1).replace("-999 TPP", "-1000 TPP", 1)
    )
    path.write_text(wrong)
    done = subprocess.run(
        ["hledger", "-f", path, "check", "--strict"], capture_output=True, timeout=PATIENCE, check=False
    )
    assert b"balance assertion" in done.stderr


@needs_hledger
@FEWER
@given(rows=books())
def test_statements_are_a_journal_too(rows: Books, tmp_path: Path) -> None:
    path = tmp_path / "statements.journal"
    with path.open("wb") as out:
        own = [statement(rows, account, ("2025-06-01", "2025-06-30")) for account in PATHS]
        write("statement", chain.from_iterable(own), "hledger", out)
    hledger(path, "check", "--strict")
    assert balances(path, None) == Counter({row[0]: row[7] for row in rows[0]})


def test_a_statement_without_days_takes_those_of_its_entries() -> None:
    rows = odd_books()
    out = io.BytesIO()
    write("statement", statement(rows, "lpp/CON-70/2025", (None, None)), "hledger", out)
    text = out.getvalue().decode()
    assert "\n2025-06-02 * opening\n" in text
    assert "\n2025-06-02 * closing\n" in text
    out = io.BytesIO()
    write("statement", statement(rows, "license/L-1", (None, None)), "hledger", out)
    assert "*" not in out.getvalue().decode()


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet"])
def test_a_statement_in_each_form(form: str, tmp_path: Path) -> None:
    rows = statement(odd_books(), "lpp/CON-70/2025", ("2025-06-01", None))
    path = tmp_path / f"statement.{form}"
    with path.open("wb") as out:
        write("statement", iter(rows), form, out)
    names = [column.name for column in TABLES["statement"]]
    read = {
        "csv": lambda: [row["balance"] for row in csv.DictReader(path.read_text().splitlines())],
        "xlsx": lambda: [row[names.index("balance")] for row in sheets(path)["statement"]],
        "parquet": lambda: [names, *parquet.read_table(path)["balance"].to_pylist()],
    }[form]()
    assert str(read[-1]) == str(rows[-1][names.index("balance")])


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_give_the_same_bytes(form: str, tmp_path: Path) -> None:
    once = export(tmp_path / "once", PERIOD, form, tables(odd_books()))
    again = export(tmp_path / "a" / "gain", PERIOD, form, tables(odd_books()))
    assert [path.name for path in once] == [path.name for path in again]
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert sorted(path.name for path in once) == sorted(path.name for path in (tmp_path / "once").iterdir())
    export(tmp_path / "once", PERIOD, form, tables(odd_books()))
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]


def lines_of(row: dict[str, str]) -> dict[str, list[str]]:
    """A row's values in lines: LibreOffice ends the lines within a cell in its own way."""
    return {name: value.splitlines() for name, value in row.items()}


@needs_hledger
@needs_office
def test_totals_are_equal_everywhere(tmp_path: Path) -> None:
    rows = odd_books()
    for form in FORMS:
        export(tmp_path, PERIOD, form, tables(rows))
    every_sheet = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"
    words = [f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", every_sheet]
    subprocess.run(["soffice", *words, "2025-Q2.xlsx"], cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=True)
    for table in ("accounts", "entries", "holds"):
        ours = list(csv.DictReader(io.StringIO((tmp_path / f"{table}.csv").read_bytes().decode(), newline="")))
        converted = (tmp_path / f"2025-Q2-{table}.csv").read_bytes().decode()
        theirs = list(csv.DictReader(io.StringIO(converted, newline="")))
        assert [lines_of(row) for row in theirs] == [lines_of(row) for row in ours]
        for part in {*PARTS, "closing", "tpp"} & {column.name for column in TABLES[table]}:
            total = sum(int(row[part]) for row in ours)
            assert sum(int(row[part]) for row in theirs) == total
            assert sum(parquet.read_table(tmp_path / f"{table}.parquet")[part].to_pylist()) == total
    with (tmp_path / "2025-Q2-totals.csv").open(newline="") as file:
        by_family = {row["family"]: int(row["closing"]) for row in csv.DictReader(file)}
    assert balances(tmp_path / "2025-Q2.journal", 1) == Counter(by_family)
