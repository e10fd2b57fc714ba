"""The decision guide in docs/law/ beside the provisions: the same rows, each with the citation that its findings carry."""

from collections.abc import Iterator
from pathlib import Path

from rulebook import load
from rulebook.law.provisions import all_provisions

PAGES = sorted((Path(__file__).parents[2] / "docs" / "law").glob("*.md"))


def guide_rows() -> Iterator[tuple[str, str]]:
    """Row and citation, the first and the last cell of each table whose first column is `row`."""
    for page in PAGES:
        inside = False
        for line in page.read_text("utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
            if not cells:
                inside = False
            elif cells[0] == "row":
                inside = True
            elif inside and not cells[0].startswith("---"):
                yield cells[0].strip("`"), cells[-1]


def test_the_guide_has_the_rows_of_the_provisions_with_their_citations() -> None:
    load("ai-diffusion")
    assert sorted(guide_rows()) == sorted({(one.row, one.citation) for one in all_provisions()})
