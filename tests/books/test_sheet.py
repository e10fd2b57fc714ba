"""The rows of a workbook, beside what openpyxl reads of it."""

from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from xlsxwriter import Workbook as Writer

from services.finance.sheet import Book, ErrorValue

VALUES: list[list[Any]] = [
    ["a", "Ä \N{GRINNING FACE}", "_x0041_", " blank ", "line\nbreak", "<&>", "=1+1"],
    [1, -2, 1.5, 1e300, 2**53, True, False],
    [],
    [None, datetime(2025, 6, 1), date(2024, 2, 29), datetime(2025, 6, 1, 12, 30), time(12, 30), timedelta(hours=30)],  # noqa: DTZ001
    [None, None, "c"],
]


def _openpyxl(content: bytes) -> list[dict[int, Any]]:
    sheet = load_workbook(BytesIO(content), read_only=True, data_only=True).worksheets[0]
    found = [
        {n: value for n, value in enumerate(row) if value is not None} for row in sheet.iter_rows(values_only=True)
    ]
    return [row for row in found if row]


def _same(content: bytes) -> list[dict[int, Any]]:
    book = Book(content)
    read = [
        {place: value for place, value in row.cells.items() if value != ErrorValue("")} for row in book.rows(book.first)
    ]
    found = [row for row in read if row]
    assert found == _openpyxl(content)
    assert [list(map(type, row.values())) for row in found] == [
        list(map(type, row.values())) for row in _openpyxl(content)
    ]
    return found


@pytest.mark.parametrize("mac", [False, True])
def test_values_of_openpyxl(mac: bool) -> None:
    book, stream = Workbook(), BytesIO()
    if mac:
        book.epoch = CALENDAR_MAC_1904
    for row in VALUES:
        book.active.append(row)
    book.active["C9"] = CellRichText("rich ", TextBlock(InlineFont(b=True), "text"))
    book.create_sheet("other")["A1"] = "no"
    book.save(stream)
    assert len(_same(stream.getvalue())) == 5


@pytest.mark.parametrize("mac", [False, True])
def test_values_of_xlsxwriter_in_a_table_of_texts(mac: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with Writer(str(path), {"date_1904": mac, "default_date_format": "dd.mm.yyyy hh:mm"}) as book:
        book.add_chartsheet("chart").set_chart(chart := book.add_chart({"type": "line"}))
        sheet = book.add_worksheet("first")
        chart.add_series({"values": "=first!$A$2:$C$2"})
        for number, row in enumerate(VALUES):
            for place, value in enumerate(row):
                if value is not None:
                    sheet.write(number, place, value)
        sheet.write_rich_string(20, 3, "rich ", book.add_format({"bold": True}), "text")
        sheet.write_formula(21, 4, "=1+1", None, 2)
        sheet.write_number(22, 5, 0.5, book.add_format({"num_format": "[h]:mm"}))
        sheet.write_number(22, 6, 45_000, book.add_format({"num_format": '0 "days"'}))
        sheet.write_blank(23, 7, None, book.add_format({"bold": True}))
    assert len(_same(path.read_bytes())) == 7
