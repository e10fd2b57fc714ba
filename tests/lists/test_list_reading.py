"""Files of lists in their published layouts, and files that are not lists."""

import csv
import gzip
import tomllib
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.parties.entries import ListEntry, ListKind, content_of, entries_of
from services.lists.reading import ListError, ReadList, read_list

HERE = Path(__file__).parent
FILES = tomllib.loads((HERE / "reads.toml").read_text("utf-8"))["file"]
REFUSED = tomllib.loads((HERE / "refused.toml").read_text("utf-8"))["case"]
REAL = Path(__file__).resolve().parents[2] / "examples/us-restricted-parties.csv.gz"
SIGNS = [b'"', b",", b"\n", b"\r", b";", b"{", b"}", b"[", b"]", b":", b"null", b"1e999", b"\\ud800", b"\xef\xbb\xbf"]
TPP = b"list,entry,name,aliases\nl,1,Alpha,\nl,2,Beta,Gamma\n"


def _read(case: dict[str, Any]) -> ReadList:
    return read_list(case["name"], (HERE / "files" / case["name"]).read_bytes(), columns=case.get("map"))


@pytest.mark.parametrize("case", FILES, ids=lambda case: str(case["name"]))
def test_a_file_is_read_as_its_layout_says(case: dict[str, Any]) -> None:
    found = _read(case)
    assert found.layout == case["layout"]
    assert [one.id for one in found.entries] == case["ids"]
    assert [list(one) for one in found.unread] == case["unread"]
    by_id = {one.id: one._asdict() for one in found.entries}
    for entry, members in case["entries"].items():
        wanted = {name: tuple(value) if isinstance(value, list) else value for name, value in members.items()}
        assert {name: by_id[entry][name] for name in wanted} == wanted


@pytest.mark.parametrize("case", FILES, ids=lambda case: str(case["name"]))
def test_the_content_of_a_file_gives_its_entries_back(case: dict[str, Any]) -> None:
    entries = _read(case).entries
    assert set(entries_of(content_of(entries))) == set(entries)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case["name"]))
def test_a_file_that_cannot_be_read_is_refused_with_its_line(case: dict[str, Any]) -> None:
    with pytest.raises(ListError) as raised:
        read_list("list.csv", case["text"].encode(), layout=case.get("layout"), columns=case.get("map"))
    assert case["says"] in str(raised.value)
    assert raised.value.line == case.get("line")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + TPP,
        TPP.replace(b"\n", b"\r\n"),
        TPP.replace(b",", b";"),
        TPP.replace(b",", b"\t"),
        b"\n \n" + TPP + b"\n,,,\n",
        TPP.replace(b"Beta", b'"Be\nta"').replace(b"Be\nta", b"Beta"),
    ],
    ids=["mark", "CRLF", "semicolons", "tabs", "blank lines", "quoted"],
)
def test_the_same_rows_are_the_same_entries_however_they_are_written(content: bytes) -> None:
    assert read_list("x", content).entries == read_list("x", TPP).entries


@dataclass
class Hostile:
    name: str
    content: Callable[[], bytes]
    says: str
    line: int | None = None


HOSTILE = [
    Hostile(
        "a line of 100 MB", lambda: TPP + b"l,3," + b"A" * (100 << 20), "a row of more than 1,048,576 characters", 4
    ),
    Hostile(
        "a line of 100 MB in quotes",
        lambda: TPP + b'l,3,"' + b"A\n" * (50 << 20),
        "a cell of more than 131,072 characters",
        4,
    ),
    Hostile(
        "a cell of 200 kB", lambda: TPP + b"l,3," + b"A" * 200_000 + b",\n", "a cell of more than 131,072 characters", 4
    ),
    Hostile("a million columns", lambda: b"a," * 1_000_000 + b"\n", "a row of more than", 1),
    Hostile("300,000 columns", lambda: b"," * 300_000 + b"a\n", "300,001 columns; at most 256", 1),
    Hostile(
        "a row of a million cells", lambda: TPP + b"," * 1_000_000 + b"a\n", "1,000,001 cells, but the header has 4", 4
    ),
    Hostile("binary", lambda: bytes(range(1, 256)) * 1_000, "not UTF-8", 2),
    Hostile("zeros", lambda: b"\0" * 1_000, "a NUL byte", 1),
    Hostile("Latin-1", lambda: TPP + "l,3,Łódź,\n".encode("iso-8859-2"), "is not UTF-8; save the list as UTF-8", 4),
    Hostile("UTF-16", lambda: TPP.decode().encode("utf-16"), "is UTF-16"),
    Hostile("a workbook", lambda: b"PK\x03\x04" + b"x" * 100, "is a zip archive or a workbook"),
    Hostile("packed twice", lambda: gzip.compress(TPP), "is compressed twice"),
    Hostile("a long name", lambda: TPP + b"l,3," + b"A" * 2_001 + b",\n", "a name of 2,001 characters", 4),
    Hostile("a long alias", lambda: TPP + b"l,3,A,B|" + b"A" * 2_001 + b"\n", "a name of 2,001 characters", 4),
    Hostile("deep JSON", lambda: b'{"results": [' + b"[" * 200_000, "nested too deep", 1),
    Hostile("a huge object", lambda: b'[{"name": "' + b"A" * (2 << 20) + b'"}]', "an entry of more than 1,048,576", 1),
    Hostile("a huge number", lambda: b'[{"name": ' + b"1" * 9_000 + b"}]", "not JSON", 1),
    Hostile("NaN", lambda: b'[{"name": NaN}]', "not JSON", 1),
    Hostile("a lone surrogate", lambda: b'[{"id": "1", "source": "s", "name": "\\ud800"}]', "the character U+D800", 1),
    Hostile("more than 128 MiB", lambda: b"list,entry,name\n" + b"\n" * (128 << 20), "has more than 134,217,728 bytes"),
]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_a_hostile_file_is_refused(case: Hostile) -> None:
    with pytest.raises(ListError) as raised:
        read_list("list.csv", case.content())
    assert case.says in str(raised.value)
    assert raised.value.line == case.line


def test_a_limit_that_another_library_raised_is_none_of_ours() -> None:
    csv.field_size_limit(1 << 30)
    with pytest.raises(ListError, match="a cell of more than 131,072 characters"):
        read_list("list.csv", TPP + b"l,3," + b"A" * 200_000 + b",\n")
    assert csv.field_size_limit() == 131_072


def test_the_lists_of_the_united_states_are_read_whole() -> None:
    found = read_list("us.csv", gzip.decompress(REAL.read_bytes()))
    kinds = [one.kind for one in found.entries]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        ListKind.ENTITY: 3_409, ListKind.MEU: 70, ListKind.DENIED: 564, ListKind.OTHER: 596,
    }  # fmt: skip
    assert sum(one.expires is not None for one in found.entries) == 511
    assert sum(not one.countries for one in found.entries) == 12
    assert {one.text for one in found.unread} == {
        "Middle East Region", "Turkish individual", "North Korean entity in China",
    }  # fmt: skip
    zhipu = next(one for one in found.entries if one.id == "bis-entity-list/307")
    assert (zhipu.name, "Zhipu AI" in zhipu.aliases) == ("Beijing Zhipu Huazhang Technology Co., Ltd.", True)
    assert all(one.requirement and not one.notes for one in found.entries if one.kind == ListKind.ENTITY)


def test_an_entry_of_two_lists_has_the_strictest_kind() -> None:
    row = "k,Company,Alpha,{},{}\n"
    head = "id,schema,name,sanctions,dataset\n"
    sanctions = "Military End User (MEU) List - BIS;Entity List (EL) - BIS"
    (entry,) = read_list("x", (head + row.format(sanctions, "US Trade CSL")).encode()).entries
    assert entry.kind == ListKind.ENTITY
    (entry,) = read_list("x", (head + row.format(sanctions.partition(";")[0], "US Trade CSL")).encode()).entries
    assert entry.kind == ListKind.MEU


def test_an_id_that_is_drawn_anew_for_each_publication_is_replaced_by_a_lasting_one() -> None:
    head = "_id,source,name,addresses\n"
    row = "{},Military End User (MEU) List - BIS,Cobalt Aero Institute,{}\n"
    drawn, again, other = (uuid.uuid4().hex for _ in range(3))
    (first,) = read_list("x", (head + row.format(drawn, '"1 Road, CN"')).encode()).entries
    (second,) = read_list("x", (head + row.format(again, '"1 Road, CN"')).encode()).entries
    (moved,) = read_list("x", (head + row.format(other, '"2 Road, CN"')).encode()).entries
    assert first == second and first.id.startswith("MEU/") and moved.id != first.id
    (kept,) = read_list("x", (head + row.format("17", "CN")).encode()).entries
    assert kept.id == "17"


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray((HERE / "files" / data.draw(st.sampled_from([one["name"] for one in FILES]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3) | st.sampled_from(SIGNS))
    with suppress(ListError):
        found = read_list("list", bytes(content))
        assert set(entries_of(content_of(found.entries))) == set(found.entries)
        assert len({one.id for one in found.entries}) == len(found.entries)


def test_an_id_keeps_no_sign_where_it_stands_alone() -> None:
    entries = read_list("csl.csv", (HERE / "files/csl.csv").read_bytes()).entries
    assert isinstance(entries[0], ListEntry)
    assert [one.id for one in entries if "/" in one.id] == ["SSI/17014", "NS-MBS/17014"]
