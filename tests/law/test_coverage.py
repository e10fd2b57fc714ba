"""The page of coverage: generated from the book, up to date, and without gaps between what it names and what there is."""

import pytest

from rulebook import coverage
from rulebook.books.ai_diffusion import CONTENTS
from rulebook.law.values import Values


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert coverage.main(["--check"]) == 0, capsys.readouterr().err


def test_the_table_names_only_what_the_book_has() -> None:
    values = Values(CONTENTS.values, {})
    assert coverage.unknown(coverage.entries(), values) == []
    assert coverage.unknown([{"rows": ["AIA 99"], "notices": ["n"], "values": ["v"]}], values) == ["AIA 99", "n", "v"]


def test_every_row_and_obligation_of_the_book_stands_on_the_page() -> None:
    page = coverage.page()
    names = [*coverage.rows(), *Values(CONTENTS.values, {}).tables["notices"]]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_no_paragraph_stands_twice() -> None:
    seen: set[int] = set()
    for entry in coverage.entries():
        for part in entry["text"].split(", "):
            first, _, last = part.partition("-")
            numbers = set(range(int(first), int(last or first) + 1))
            assert not seen & numbers, entry["cite"]
            seen |= numbers


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"rows": ["AIA 1", "AIA note"], "notices": ["record_retention"]}, "decided"),
        ({"rows": ["place of export"], "notices": ["record_retention"]}, "duty only"),
        ({"rows": ["VEU note", "place of export"]}, "finding only"),
        ({"why": "not read"}, "not modelled"),
    ],
)
def test_how_a_paragraph_is_covered(entry: dict[str, list[str]], kind: str) -> None:
    assert coverage.how(entry, coverage.rows()) == kind


def test_a_page_that_is_out_of_date_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(coverage, "page", lambda: "another")
    assert coverage.main(["--check"]) == 1
    assert "python -m rulebook.coverage" in capsys.readouterr().err
