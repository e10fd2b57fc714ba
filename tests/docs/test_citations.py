"""What the code cites of our own papers is there: pages of docs/, never a section of a paper that no reader has."""

import re
from pathlib import Path

import pytest
from contract_pages import ROOT

PARTS = ("schemas", "rulebook", "ledger", "services", "ops", "tests")
FILES = [path for part in PARTS for path in sorted((ROOT / part).rglob("*")) if path.suffix in (".py", ".toml", ".md")]
_PAGE = re.compile(r"docs/[a-z0-9/-]+\.md")
_SECTION = re.compile(r"(?<!wire )\bcontract(?:'s)?,? sections? \d")
"""A citation by number; `wire contract, section 2` is given out by refusals and is the engine's to change."""


def gone(text: str) -> list[str]:
    """The citations of a text that no reader can follow."""
    return [page for page in _PAGE.findall(text) if not (ROOT / page).is_file()] + _SECTION.findall(text)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path != Path(__file__)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_citation_can_be_followed(path: Path) -> None:
    assert gone(path.read_text("utf-8")) == []


@pytest.mark.parametrize("text", ["docs/contract/smtp.md", "(contract, section 2)", "the contract's section 5"])
def test_a_citation_of_nothing_is_found(text: str) -> None:
    assert gone(text)
    assert not gone("docs/contract/books.md")
