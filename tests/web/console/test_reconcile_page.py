"""The page that compares a statement with the ledger: its forms, mistakes in fields, hostile files."""

import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from periods_run import RECONCILE, everything, form, text, tpp, with_a_close
from reading_run import event, writer
from signin_run import SAME, sign_in
from web_run import Served

from ledger.database.store import Store
from services.views.console.periods import FIRST

HEADER = "shipment_id,account,date,amount\n"


@pytest.fixture
def web(ledger_url: str, tmp_path: Path) -> Iterator[Served]:
    """A running `tpp serve` on a ledger with something of everything, and a key of its own; on both databases."""
    with everything(ledger_url, tmp_path / "key") as running:
        yield running


@pytest.fixture
def finance(web: Served) -> Iterator[httpx.Client]:
    with sign_in(web, web.token("finance", "f.ines")) as client:
        yield client


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One running `tpp serve` for the tests that write nothing, on SQLite, with 2025-06 closed."""
    with with_a_close(tmp_path_factory.mktemp("still")) as running:
        yield running


@pytest.fixture(scope="module")
def reader(still: Served) -> Iterator[httpx.Client]:
    with sign_in(still, still.token("finance", "f.ines")) as client:
        yield client


def reconcile(client: httpx.Client, content: bytes, name: str = "may.csv", **fields: str) -> httpx.Response:
    files = {"file": (name, content)}
    return client.post(RECONCILE, data={"form": form(client), **fields}, files=files, headers=SAME)


def statement(web: Served) -> str:
    """A statement that agrees with the ledger."""
    store = Store(web.ledger)
    try:
        from ledger.queries.reconcile import shipment_lines

        with store.read() as connection:
            lines = sorted(shipment_lines(connection))
    finally:
        store.close()
    return HEADER + "".join(f"{','.join(map(str, line))}\n" for line in lines)


def head(web: Served) -> Any:
    store = Store(web.ledger)
    try:
        with store.read() as connection:
            return connection.exec_driver_sql("SELECT n, sequence FROM head").one()
    finally:
        store.close()


def test_a_statement_is_compared_in_the_words_of_the_command(
    web: Served, finance: httpx.Client, tmp_path: Path
) -> None:
    before, whole = head(web), statement(web)
    answer = reconcile(finance, whole.encode())
    assert answer.status_code == 200 and "The statement and the ledger agree." in text(answer)
    lines = whole.splitlines(keepends=True)
    odd = "".join([lines[0], *lines[2:], lines[3], "SHP-<script>,lpp/CON-1/2025,2025-06-02,5\n"])
    changed = odd.replace(lines[2], re.sub(r"(\d+)\n", lambda one: f"{int(one[1]) + 7}\n", lines[2]))
    (tmp_path / "may.csv").write_text(changed)
    told = tpp(web, "reconcile", "may.csv", folder=tmp_path).stdout.decode()
    answer = reconcile(finance, changed.encode())
    assert told.splitlines()[0] in text(answer) and "The statement and the ledger differ." in text(answer)
    assert "+7" in answer.text and "SHP-&lt;script&gt;" in answer.text
    for form_, name in (("json", "reconciliation.json"), ("xlsx", "reconciliation.xlsx")):
        words = ("reconcile", "may.csv", "--format", form_, "--out", f"out.{form_}")
        assert tpp(web, *words, folder=tmp_path).returncode == 1
        saved = reconcile(finance, changed.encode(), **{"as": form_})
        assert saved.content == (tmp_path / f"out.{form_}").read_bytes()
        assert saved.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert reconcile(finance, changed.encode(), **{"as": "errors"}).text == "row,line,column,value,why\n"
    assert head(web) == before


def test_how_it_is_written_is_told_by_fields_or_a_profile(still: Served, reader: httpx.Client) -> None:
    german = statement(still).replace(HEADER, "Lieferung;Konto;Datum;TPP\n").replace(",", ";")
    german = re.sub(r"(\d{4})-(\d\d)-(\d\d);", r"\3.\2.\1;", german)
    fields = {"map_shipment_id": "Lieferung", "map_account": "Konto", "map_date": "Datum", "map_amount": "TPP"}
    answer = reconcile(reader, german.encode("utf-16"), date_format="DD.MM.YYYY", **fields)
    assert "agree." in text(answer) and "Statement read with encoding utf-16-le, dates DD.MM.YYYY." in text(answer)
    profile = 'date-format = "DD.MM.YYYY"\n[map]\nshipment_id = "Lieferung"\naccount = "Konto"\ndate = "Datum"\namount = "TPP"\n'
    assert "agree." in text(reconcile(reader, german.encode(), profile=profile))
    wrong = reconcile(reader, german.encode(), profile="maps = 1")
    assert wrong.status_code == 422 and 'href="#profile"' in wrong.text
    assert "Profile has an unknown member 'maps'; did you mean map?" in text(wrong)
    only = reconcile(
        reader, statement(still).encode(), account="lpp/CON-1/2025", **{"from": "2025-06-01", "to": "2025-06-02"}
    )
    assert only.status_code == 200 and " matched, 0 only in the statement" in text(only)


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"from": "2025-06-02", "to": "2025-06-01"}, "from", "The first date is after the last."),
        ({"to": "yesterday"}, "to", "“yesterday” is not a date such as 2025-06-30."),
        ({"header_row": "٣"}, "header_row", "“٣” is not a whole number."),
        ({"header_row": "0"}, "header_row", "“Row of the header”: 0 is not a whole number from 1 on."),
        ({"encoding": "klingon"}, "encoding", "“Encoding”: 'klingon' is not a text encoding"),
        ({"account": "lpp/NOBODY/2025"}, "account", "No account “lpp/NOBODY/2025” exists"),
        ({"sheet": "May"}, "file", "may.csv is not a workbook, so it has no sheet; leave out “Sheet of a workbook”."),
        ({"map_date": "Tag"}, "file", "Tag"),
    ],
)
def test_a_mistake_in_a_field_is_named(
    still: Served, reader: httpx.Client, fields: dict[str, str], field: str, sentence: str
) -> None:
    answer = reconcile(reader, statement(still).encode(), **fields)
    assert answer.status_code == 422
    assert sentence in text(answer) and f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    for name, value in fields.items():
        assert f'value="{value}"' in answer.text, name


def test_cells_that_cannot_be_read_are_listed(reader: httpx.Client) -> None:
    rows = [f'SHP-{n},lpp/CON-1/2025,2025-06-02,"<b>{n}</b>"' for n in range(1, FIRST + 6)]
    content = (HEADER + "\n".join(rows)).encode()
    answer = reconcile(reader, content)
    assert answer.status_code == 422
    assert f"may.csv has {FIRST + 5} rows that cannot be read, so nothing was compared." in text(answer)
    assert answer.text.count("is not a whole number") == FIRST and "5 more cells cannot be read" in text(answer)
    assert "&lt;b&gt;1&lt;/b&gt;" in answer.text and "<b>1</b>" not in answer.text
    saved = reconcile(reader, content, **{"as": "errors"})
    assert len(saved.text.splitlines()) == FIRST + 6
    one = reconcile(reader, (HEADER + rows[0]).encode())
    assert "row 1 of may.csv (line 2): amount '<b>1</b>' is not a whole number" in text(one)


def bomb() -> bytes:
    """A workbook one part of which would unpack to 256 MiB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("_rels/.rels", "w") as part:
        for _ in range(256):
            part.write(b" " * (1 << 20))
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xlsx", bomb(), "a.xlsx is too large: _rels/.rels unpacks to 268,435,456 bytes."),
        ("a.xlsx", b"PK\x03\x04 no archive", "a.xlsx is not an XLSX workbook, or it is damaged."),
        ("a.csv.gz", gzip.compress(b"x"), "a.csv.gz is compressed with gzip; decompress it first."),
        ("a.pdf", b"%PDF-1.7", "a.pdf is a PDF"),
        ("a.csv", b"", "a.csv is empty."),
        ("a.csv", b"\xff\xfe\xff", "a.csv is not text in utf-16-le"),
        ("a.csv", b"caf\xe9,b\n", "give its encoding, such as “Encoding” cp1252."),
        ("..\\..\\<script>.csv", b"<html>", "<script>.csv is HTML under the name .csv"),
        ("a.json", b"[" * 100_000, "a.json"),
        ("a.csv", HEADER.encode() + b"x" * 300_000, "a row of more than 262,144 characters"),
        ("\u202e.csv", b"", r"\u202e.csv is empty."),
    ],
    ids=["bomb", "damaged", "gzip", "pdf", "empty", "odd", "bytes", "html", "deep", "long", "marks"],
)
def test_a_hostile_file_is_answered_in_words(reader: httpx.Client, name: str, content: bytes, sentence: str) -> None:
    answer = reconcile(reader, content, name)
    assert answer.status_code == 422, answer.text
    assert sentence in text(answer) or sentence in unescape(answer.text), text(answer)
    assert "\u202e" not in answer.text and len(answer.content) < 60_000


def test_a_file_that_is_too_long_or_missing(reader: httpx.Client) -> None:
    long = reconcile(reader, b"x" * (8 * 1024 * 1024 - 40_000))
    assert long.status_code == 422 and "The file is larger than 8 MiB." in text(long)
    none = reader.post(RECONCILE, data={"form": form(reader)}, files={"file": ("", b"")}, headers=SAME)
    assert none.status_code in (403, 422)
    plain = reader.post(RECONCILE, data={"form": form(reader)}, headers=SAME)
    assert plain.status_code == 403
    foreign = reader.post(RECONCILE, data={"form": "0" * 64}, files={"file": ("a.csv", b"x")}, headers=SAME)
    assert foreign.status_code == 403


def test_many_lines_are_bounded(reader: httpx.Client) -> None:
    rows = "".join(f"X-{n},lpp/CON-1/2025,2025-06-02,{n}\n" for n in range(3_000))
    answer = reconcile(reader, (HEADER + rows).encode())
    assert answer.status_code == 200 and "Only in the statement (3,000)" in text(answer)
    assert f"{3_000 - FIRST:,} more are not shown" in text(answer)
    assert len(answer.content) < 60_000
    assert len(reconcile(reader, (HEADER + rows).encode(), **{"as": "json"}).json()["missing_here"]) == 3_000


def test_hostile_names_are_text(still: Served, reader: httpx.Client) -> None:
    name = '<script>"\u202e' + "x" * 100
    with writer(still.ledger) as write:
        write(
            [
                event(
                    "h-1",
                    "allocation.set",
                    {"account": f"lpp/{'%3Cscript%3E'}/2025", "limit": 5, "valid_from": "2025-06-01"},
                )
            ]
        )
    answer = reconcile(reader, f'{HEADER}"{name.replace(chr(34), chr(34) * 2)}",lpp/CON-1/2025,2025-06-02,5\n'.encode())
    assert answer.status_code == 200
    assert "&lt;script&gt;&#34;\\u202e" in answer.text and "\u202e" not in answer.text
