"""The forms in which statements come, of statement_forms.toml: each is read exactly, or refused with advice."""

import csv
import io
import tomllib
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from books_statement import ASSUMED, Told, call
from openpyxl import Workbook, load_workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from ledger.database.store import Store

FORMS = tomllib.loads(Path(__file__).with_name("statement_forms.toml").read_text("utf-8"))
LINES: dict[str, list[Any]] = FORMS["lines"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ledger without lines, so that every line of a statement is only in the statement."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'ledger.db'}")
    store.open()
    yield str(store.url)
    store.close()


def content(form: dict[str, Any]) -> bytes:
    """The bytes of a form's file."""
    if "cells" in form or "sheets" in form:
        return _workbook(form)
    if "hex" in form:
        return bytes.fromhex(form["hex"])
    text = form["text"].replace("\n", form.get("ends", "\n"))
    return bytes.fromhex(form.get("mark", "")) + text.encode(form.get("in", "utf-8"))


def _workbook(form: dict[str, Any]) -> bytes:
    book = Workbook()
    if form.get("mac"):
        book.epoch = CALENDAR_MAC_1904
    book.remove(book.active)
    for name, rows in (form.get("sheets") or {"Sheet1": form["cells"]}).items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([None if cell == "" else cell for cell in row])
        if name in form.get("hidden", ()):
            sheet.sheet_state = "hidden"
        for area in form.get("merged", ()):
            sheet.merge_cells(area)
        for row in form.get("hidden_rows", ()):
            sheet.row_dimensions[row].hidden = True
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def lines(form: dict[str, Any]) -> list[dict[str, Any]]:
    """What is right: the lines of a form by the names in `lines`, or as they are given."""
    wanted = form.get("reads", "ABC")
    found = [LINES[name] for name in wanted] if isinstance(wanted, str) else wanted
    return [
        {"row": row, "shipment_id": line[0], "account": line[1], "date": line[2], "amount": line[3]}
        for row, line in enumerate(found, 1)
    ]


def asked(form: dict[str, Any], url: str, folder: Path, *words: str) -> Told:
    """What `reconcile` says of a form's file."""
    file = folder / form.get("file", "statement.xlsx" if "cells" in form or "sheets" in form else "statement.csv")
    file.write_bytes(content(form))
    return call(url, str(file), "--format", "json", *form.get("options", ()), *words)


@pytest.mark.parametrize("form", FORMS["form"], ids=lambda form: form["name"])
def test_a_form_is_read_exactly_or_refused_with_advice(form: dict[str, Any], empty: str, tmp_path: Path) -> None:
    told = asked(form, empty, tmp_path)
    if "says" in form:
        assert (told.code, told.out) == (2, b""), told.out
        assert told.error.startswith("Error: ")
        for part in form["says"]:
            assert part in told.error
        return
    assert told.code in (0, 1), told.error
    found = told.json["missing_here"]
    assert [{key: one[key] for key in one if key != "duplicate_of"} for one in found] == lines(form)
    assumed = told.json["assumed"]
    assert list(assumed) == ASSUMED
    assert {key: assumed[key] for key in form.get("assumed", {})} == {
        key: None if value == "none" else value for key, value in form.get("assumed", {}).items()
    }


def test_the_forms_are_many_and_no_name_comes_twice() -> None:
    names = [form["name"] for form in FORMS["form"]]
    assert len(set(names)) == len(names) >= 77


TABLE = "shipment_id;account;date;amount\n"


def test_all_bad_rows_are_told_with_their_lines_and_written_to_a_file(empty: str, tmp_path: Path) -> None:
    rows = "S-1;a;2025-06-05;1\n\nS-2;a;31.06.2025;x\nS-3;a;2025-06-05;1,5\nS-4;a;2025-06-05;=1+1\n"
    form = {"text": f"Title\n{TABLE}{rows}"}
    errors = tmp_path / "errors.csv"
    told = asked(form, empty, tmp_path, "--errors", str(errors))
    file = tmp_path / "statement.csv"
    assert (told.code, told.out) == (2, b"")
    assert told.error.splitlines() == [
        f"Error: {file} has 3 rows that cannot be read, so nothing was compared",
        "  row 2 (line 5): date '31.06.2025' is not a date such as 2025-06-30",
        "  row 2 (line 5): amount 'x' is not a whole number up to 9,007,199,254,740,991",
        "  row 3 (line 6): amount '1,5' is not a whole number up to 9,007,199,254,740,991",
        "  row 4 (line 7): amount '=1+1' is not a whole number up to 9,007,199,254,740,991",
    ]
    written = list(csv.reader(io.StringIO(errors.read_text("utf-8"))))
    assert written[0] == ["row", "line", "column", "value", "why"]
    assert written[1] == ["2", "5", "date", "31.06.2025", "is not a date such as 2025-06-30"]
    assert [row[:4] for row in written[2:]] == [["2", "5", "amount", "x"], ["3", "6", "amount", "1,5"],
                                                ["4", "7", "amount", "=1+1"]]  # fmt: skip
    form["text"] = f"{TABLE}S-1;a;2025-06-05;1\n"
    assert asked(form, empty, tmp_path, "--errors", str(errors)).code == 1
    assert errors.read_text("utf-8") == "row,line,column,value,why\n"


def test_bad_cells_never_replace_the_statement_or_its_profile(empty: str, tmp_path: Path) -> None:
    profile = tmp_path / "erp.toml"
    profile.write_text('decimal = "."\n', "utf-8")
    (tmp_path / "link.csv").symlink_to(tmp_path / "statement.csv")
    form = {"text": f"{TABLE}S-1;a;2025-06-05;x\n"}
    for name in ("statement.csv", "link.csv", "erp.toml", "out.json"):
        words = ("--profile", str(profile), "--errors", str(tmp_path / name), "--out", str(tmp_path / "out.json"))
        told = asked(form, empty, tmp_path, *words)
        assert (told.code, told.out) == (2, b"")
        assert str(tmp_path / name) in told.error and "another file" in told.error
    assert (tmp_path / "statement.csv").read_bytes() == content(form)
    assert profile.read_text("utf-8") == 'decimal = "."\n'
    assert not (tmp_path / "out.json").exists()


def test_many_bad_rows_are_shown_in_part_and_written_whole(empty: str, tmp_path: Path) -> None:
    form = {"text": TABLE + "S;a;2025-06-05;x\n" * 500 + "S;a;2025-06-05;1\n"}
    told = asked(form, empty, tmp_path, "--errors", str(tmp_path / "errors.csv"))
    assert told.code == 2
    assert len(told.error.splitlines()) == 22
    assert told.error.splitlines()[-1] == f"  … and 480 more cells; {tmp_path / 'errors.csv'} has all of them"
    assert (tmp_path / "errors.csv").read_text("utf-8").count("\n") == 501
    told = asked(form, empty, tmp_path)
    assert told.error.splitlines()[-1] == "  … and 480 more cells; --errors FILE writes all of them to a file"


def test_a_profile_has_the_names_of_the_options_which_go_first(empty: str, tmp_path: Path) -> None:
    profile = tmp_path / "erp.toml"
    profile.write_text(
        'encoding = "cp1252"\ndate-format = "DD.MM.YYYY"\ndecimal = ","\nthousands = "."\nheader-row = 3\n'
        'skip-footer = 1\n[map]\nshipment_id = "Lieferung"\namount = "Menge"\n[constant]\naccount = "aia/CON-30"\n',
        "utf-8",
    )
    text = "Größe\nx\nLieferung;date;Menge;\nS-1;05.06.2025;1.000,00;\nS-2;06.06.2025;2.000-;\nDruck: Müller\n"
    form = {"text": text, "in": "cp1252", "reads": [["S-1", "aia/CON-30", "2025-06-05", 1_000],
                                                    ["S-2", "aia/CON-30", "2025-06-06", -2_000]]}  # fmt: skip
    told = asked(form, empty, tmp_path, "--profile", str(profile))
    assert told.code == 1, told.error
    assert [{key: one[key] for key in one if key != "duplicate_of"} for one in told.json["missing_here"]] == lines(form)
    assert told.json["assumed"] == {
        "encoding": "cp1252", "delimiter": ";", "header_row": 3, "date_format": "DD.MM.YYYY", "decimal": ",",
        "thousands": ".", "footer": 1,
    }  # fmt: skip
    other = asked(
        form, empty, tmp_path, "--profile", str(profile), "--date-format", "MM.DD.YYYY", "--constant", "account=x"
    )
    assert [one["date"] for one in other.json["missing_here"]] == ["2025-05-06", "2025-06-06"]
    assert {one["account"] for one in other.json["missing_here"]} == {"x"}


PROFILES = {
    'encodng = "cp1252"\n': "has an unknown member 'encodng'; did you mean encoding?",
    'out = "x"\n': "has an unknown member 'out'; it may have map, constant, encoding",
    "encoding = 1\n": "encoding: 1 is not text",
    'encoding = "klingon"\n': "'klingon' is not a text encoding such as utf-8, cp1252 or utf-16-le",
    'encoding = "base64"\n': "'base64' is not a text encoding",
    'decimal = "x"\n': "decimal: 'x' is not one of . ,",
    'thousands = ".."\n': "thousands: '..' is not one of . , ' space",
    'header-row = "3"\n': "header-row: '3' is not a whole number from 1 on",
    "skip-footer = -1\n": "skip-footer: -1 is not a whole number from 0 on",
    'date-format = "%d.%m.%Y"\n': "'%d.%m.%Y' is not a form of dates such as YYYY-MM-DD, DD.MM.YYYY",
    'date-format = "DD.MM"\n': "'DD.MM' is not a form of dates",
    '[map]\ntpp = "x"\n': "map: 'tpp' is not one of shipment_id, account, date, amount",
    '[constant]\namount = "1"\n': "constant: 'amount' is not one of shipment_id, account, date",
    '[constant]\ndate = "1.6.2025"\n': "constant: date=1.6.2025 is not a date such as 2025-06-30",
    'map = "x"\n': "map: use FIELD=COLUMN, where FIELD is one of",
    "a = \n": "is not TOML: ",
    'decimal = "."\nthousands = "."\n': "--decimal and --thousands are both '.'",
}


@pytest.mark.parametrize("text", PROFILES)
def test_a_profile_that_cannot_be_is_a_sentence(text: str, empty: str, tmp_path: Path) -> None:
    (tmp_path / "erp.toml").write_text(text, "utf-8")
    told = asked({"text": TABLE}, empty, tmp_path, "--profile", str(tmp_path / "erp.toml"))
    assert (told.code, told.out, told.error.count("\n")) == (2, b"", 1)
    assert PROFILES[text] in told.error


USAGE = {
    "--profile": (["--profile", "nofile.toml"], "cannot read nofile.toml: No such file or directory"),
    "--decimal": (["--decimal", "x"], "--decimal: 'x' is not one of . ,"),
    "--date-format": (["--date-format", "today"], "--date-format: 'today' is not a form of dates"),
    "--header-row": (["--header-row", "0"], "0 is not in the range"),
    "--constant": (["--constant", "amount=1"], "use FIELD=VALUE, where FIELD is one of shipment_id, account, date"),
    "both": (["--constant", "account=1", "--map", "account=x"], "--map and --constant both name account"),
    "same": (["--decimal", ",", "--thousands", ","], "--decimal and --thousands are both ','"),
}


@pytest.mark.parametrize("name", USAGE)
def test_options_that_cannot_be_are_a_sentence(name: str, empty: str, tmp_path: Path) -> None:
    words, sentence = USAGE[name]
    told = asked({"text": TABLE}, empty, tmp_path, *words)
    assert (told.code, told.out) == (2, b"")
    assert sentence in told.error


def test_the_form_that_was_found_is_said_to_people_too(empty: str, tmp_path: Path) -> None:
    file = tmp_path / "statement.csv"
    file.write_text("Title\nshipment_id;account;date;amount\nS-1;a;30.06.2025;126.592\nTotal;;;126.592\n")
    said = (
        "Statement read with header in row 2, dates DD.MM.YYYY, thousands set off by '.', "
        "rows left out at the end: 1.\n"
    )
    told = call(empty, str(file))
    assert told.out.decode().splitlines()[1] + "\n" == said
    told = call(empty, str(file), "--format", "xlsx", "--out", str(tmp_path / "result.xlsx"))
    assert told.error == f"0 matched, 1 only in the statement, 0 only in the ledger, 0 different\n{said}"
    assert load_workbook(tmp_path / "result.xlsx")["missing_here"]["D2"].value.date() == date(2025, 6, 30)
