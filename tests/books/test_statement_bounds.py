"""Statements that are made to be too much: each is a sentence and exit 2, in bounded memory."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from itertools import repeat
from pathlib import Path

import pytest
from books_statement import as_xlsx, call, compared
from memory import MOST, measured

from ledger.database.store import Store
from ledger.queries.reconcile import Line
from services.finance.statement_import import MOST_BYTES
from services.finance.statement_table import MOST_ROWS

GOOD = Line("S-1", "lpp/A/2025", "2025-06-01", 1)
HEADER = ",".join(Line._fields).encode() + b"\n"
SHEET = "xl/worksheets/sheet1.xml"
OBJECT = b'{"shipment_id":"S-1","account":"a","date":"2025-06-01","amount":1}'


@pytest.fixture
def url(tmp_path: Path) -> str:
    store = Store(f"sqlite:///{tmp_path / 'tpp-ledger.db'}")
    store.open()
    store.close()
    return str(store.url)


def _with(*parts: tuple[str, Iterator[bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A good workbook with other parts in the place of its own."""
    new, stream = dict(parts), BytesIO()
    with zipfile.ZipFile(BytesIO(as_xlsx([GOOD]))) as old, zipfile.ZipFile(stream, "w", compression) as made:
        for name in [*(one for one in old.namelist() if one not in new), *new]:
            with made.open(name, "w", force_zip64=True) as file:
                for piece in new.get(name) or [old.read(name)]:
                    file.write(piece)
    return stream.getvalue()


def _sheet(rows: Iterator[bytes]) -> Iterator[bytes]:
    yield b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    yield b'<row r="1">' + b"".join(_text(name) for name in Line._fields) + b"</row>"
    yield from rows
    yield b"</sheetData></worksheet>"


def _text(text: str) -> bytes:
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'.encode()


ROW = b"".join(_text(str(value)) for value in GOOD)
LAST = b'<row r="999999999">' + ROW + b"</row>"
MEBIBYTE = 1 << 20


def _times(piece: bytes, size: int) -> Iterator[bytes]:
    """A piece again and again, of about so many bytes together."""
    block = piece * (MEBIBYTE // len(piece))
    return repeat(block, size // len(block))


def _after(beginning: bytes, rest: Iterator[bytes], end: bytes = b"") -> Iterator[bytes]:
    yield beginning
    yield from rest
    yield end


LOL = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%b">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(98, 110)
) + b"]>"  # fmt: skip

RELATIONS = b"""<Relationships><Relationship Type="x/worksheet" Target="worksheets/sheet1.xml" Id="rId1"/>
<Relationship Type="x/sharedStrings" Target="sharedStrings.xml" Id="rId2"/></Relationships>"""

BOMBS = {
    "999,999,999 rows": (lambda: _with((SHEET, _sheet(iter([LAST])))), "it has a row 999,999,999"),
    "a column beyond the last": (
        lambda: _with((SHEET, _sheet(iter([b'<row><c r="ZZZ1"><v>1</v></c></row>'])))), "it has a column 18,278"
    ),
    "gigabytes": (
        lambda: _with((SHEET, _sheet(_times(b" ", 2 << 30)))), f"{SHEET} unpacks to 2,147,48"
    ),
    "texts": (
        lambda: _with(
            ("xl/_rels/workbook.xml.rels", iter([RELATIONS])),
            ("xl/sharedStrings.xml", _after(b"<sst>", _times(b"<si><t>ab</t></si>", 33 << 20), b"</sst>")),
        ),
        "xl/sharedStrings.xml unpacks to 34,6",
    ),
    "a long tag": (
        lambda: _with((SHEET, _after(b'<worksheet a="', _times(b"x", 64 << 20)))), f"a tag of {SHEET} is longer than"
    ),
    "a long text": (
        lambda: _with((SHEET, _sheet(iter([b"<row>" + _text("x" * 40_000) + b"</row>"])))), "more than 32,767 characters"
    ),
    "a long row": (
        lambda: _with((SHEET, _sheet(_after(b"<row>", iter([_text("x" * 30_000)] * 100), b"</row>")))),
        "its row 2 has more than 1,048,576 characters",
    ),
    "entities": (lambda: _with((SHEET, iter([LOL, b"<a>&m;</a>"]))), "is not an XLSX workbook, or it is damaged"),
    "parts": (
        lambda: _with(*((f"part{number}", iter(())) for number in range(3_000))), "it has more than 2,000 parts"
    ),
    "lzma": (
        lambda: _with((SHEET, _sheet(iter([]))), compression=zipfile.ZIP_LZMA), "is not an XLSX workbook, or it is damaged"
    ),
    "columns": (
        lambda: _with((SHEET, _after(b"<worksheet><row>", iter([_text("x")] * 300), b"</row></worksheet>"))),
        "has 300 columns; at most 256 are allowed",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("name", BOMBS)
def test_a_workbook_that_is_a_bomb_is_a_sentence(name: str, tmp_path: Path) -> None:
    made, sentence = BOMBS[name]
    content = made()
    assert len(content) < 3 << 20
    (tmp_path / "a.xlsx").write_bytes(content)
    ran = measured(tmp_path, "reconcile", "a.xlsx")
    assert (ran.code, ran.output.count(b"\n")) == (2, 1), ran.output[-2_000:]
    assert sentence in ran.output.decode()
    assert ran.memory < MOST


def test_a_workbook_of_much_that_is_nothing_is_read_to_its_end(url: str, tmp_path: Path) -> None:
    """Empty rows and cells, elements that are not known, styles without end, wide rows: none of them is kept."""
    rows = _after(
        b'<row r="2"/><row r="4">' + ROW + b"</row>",
        iter(
            [
                b"<x><y/></x><row/>" * 50_000,
                b'<row><c r="XFD9"/></row>' * 100_000,
                b"<row>" + b"<c/>" * 16_000 + b"</row>",
            ]
        ),
    )
    styles = _after(b"<styleSheet><cellXfs>", iter([b"<xf/>" * 1_000_000]), b"</cellXfs></styleSheet>")
    (tmp_path / "a.xlsx").write_bytes(_with((SHEET, _sheet(rows)), ("xl/styles.xml", styles)))
    assert compared(url, tmp_path / "a.xlsx")["missing_here"] == [{"row": 1, **GOOD._asdict(), "duplicate_of": None}]
    ran = measured(tmp_path, "reconcile", "a.xlsx")
    assert (ran.code, ran.memory < MOST) == (1, True)


TEXTS = {
    "a long file": ("a.csv", lambda: HEADER + b"\n" * MOST_BYTES, f"has more than {MOST_BYTES:,} bytes"),
    "many rows": (
        "a.csv", lambda: HEADER + b"S-1,lpp/A/2025,2025-06-01,1\n" * (MOST_ROWS + 1), f"has more than {MOST_ROWS:,} rows"
    ),
    "many columns": ("a.csv", lambda: b"ab," * 5_000_000, "has a row of more than 262,144 characters"),
    "columns": ("a.csv", lambda: b"ab," * 5_000, "has 5,001 columns"),
    "a row of many lines": ("a.csv", lambda: HEADER + b'"\n",' * 100_000, "has a row of more than 262,144 characters"),
    "a long cell": ("a.csv", lambda: HEADER + b"x" * 200_000, "field larger than field limit"),
    "wide letters": (
        "a.csv", lambda: HEADER + "\N{GRINNING FACE},a,2025-06-01,x\n".encode() + b"a,b,2025-06-01,1\n" * 900_000, f"has more than {MOST_ROWS:,} rows"
    ),
    "lists": ("a.json", lambda: b'[{"a":[' + b"[]," * 5_000_000 + b"1]}]", "is not an object of at most 262,144 characters"),
    "objects": ("a.json", lambda: b"[" + b"{}," * 5_000_000 + b"{}]", f"has more than {MOST_ROWS:,} rows"),
    "members": (
        "a.json", lambda: b"[" + b",".join(b'{"%d":1}' % number for number in range(1_000)) + b"]", "has 257 columns"
    ),
    "objects by number": (
        "a.json", lambda: b"[" + b",".join([OBJECT] * 230_000) + b"]", f"has more than {MOST_ROWS:,} rows"
    ),
}  # fmt: skip


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_too_much_is_a_sentence(name: str, tmp_path: Path) -> None:
    file, made, sentence = TEXTS[name]
    (tmp_path / file).write_bytes(made())
    ran = measured(tmp_path, "reconcile", file)
    assert (ran.code, ran.output.count(b"\n")) == (2, 1), ran.output[-2_000:]
    assert sentence in ran.output.decode()
    assert ran.memory < MOST


@pytest.mark.usefixtures("url")
def test_standard_input_without_an_end_is_read_no_further_than_a_statement_may_go(tmp_path: Path) -> None:
    ran = measured(tmp_path, "reconcile", "-", stdin=_times(b"x,", 1 << 30))
    assert (ran.code, ran.memory < MOST) == (2, True)
    assert b"standard input has more than 16,777,216 bytes" in ran.output


@pytest.mark.usefixtures("url")
def test_the_largest_statement_is_compared(tmp_path: Path) -> None:
    row = "SHP-%08d,lpp/CON-%06d/2025,2025-06-%02d,%d\n"
    rows = (row % (number, number % 50_000, number % 28 + 1, number) for number in range(1, MOST_ROWS + 1))
    (tmp_path / "a.csv").write_text(HEADER.decode() + "".join(rows))
    ran = measured(tmp_path, "reconcile", "a.csv")
    assert (ran.code, ran.output.splitlines()[0]) == (
        1,
        b"0 matched, 200,000 only in the statement, 0 only in the ledger, 0 different",
    )
    assert ran.memory < MOST


def test_a_json_object_longer_than_the_first_look_is_read_whole(url: str, tmp_path: Path) -> None:
    long = b"[" + OBJECT[:-1] + b',"remark":"' + b"x" * 100_000 + b'"},\n' + OBJECT + b"]"
    (tmp_path / "a.json").write_bytes(long)
    assert len(compared(url, tmp_path / "a.json")["missing_here"]) == 2
    (tmp_path / "a.json").write_bytes(long.replace(b"},\n", b"}\n"))
    told = call(url, str(tmp_path / "a.json"))
    assert told.error == f"Error: {tmp_path / 'a.json'} is not JSON: line 2: Expecting ',' delimiter\n"
