"""The pages of the contract say what the program has, no more and no less; a page with one thing more or less is found."""

import json
import re
from pathlib import Path

import pytest
from contract_pages import COMPARISONS, ROOT, Pages, defaults_told, differing, pages

from schemas.generate.pages import asked_for, filled_in
from schemas.wire.read import Event, parse
from services.settings import Settings

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", COMPARISONS)
def test_pages_and_program_agree(name: str) -> None:
    told, had = COMPARISONS[name]
    assert told(pages()) == had()


def _with(page: str, old: str, new: str) -> Pages:
    """The pages with a change in one of them."""
    found = pages()
    assert old in found[page], old
    return found | {page: found[page].replace(old, new)}


@pytest.mark.parametrize(
    ("page", "old", "new", "fails"),
    [
        ("topics.md", "# Topics", "# Topics\n\n`tpp.lists.loaded.v1`", "types named"),
        ("events-in.md", "### tpp.veu.revoked.v1", "### Revoked", "types placed"),
        ("events-in.md", "### tpp.veu.revoked.v1", "### tpp.veu.revoked.v1\n### tpp.veu.revoked.v1", "types placed"),
        ("answers.md", "| `tpp.shipment.denied.v1` | `denied`", "| Denied | `denied`", "types placed"),
        ("answers.md", "<!-- generated: object Basis -->", "", "objects"),
        ("reason-codes.md", "| `red_flag` | A", "| red flag | A", "reason codes"),
        ("reason-codes.md", "| `red_flag` | A", "| `red_card` | A |\n| `red_flag` | A", "reason codes"),
        ("reason-codes.md", "| `red_flag` | `number`", "| `red_card` | `number`", "reason codes with facts"),
        ("reason-codes.md", "set aside `party.conflict`, ", "set aside ", "releasable reasons"),
        ("rejection-codes.md", "| `one_of` |", "| one of |", "rejection codes"),
        ("rejection-codes.md", "| `one_of` |", "| `one_or_two` | | |\n| `one_of` |", "rejection codes"),
        ("accounts.md", "| `aia` |", "| aia |", "account families"),
        ("accounts.md", "| `aia` |", "| `gbs` | `gbs/{reference}` | | |\n| `aia` |", "account families"),
        ("topics.md", "| `tpp.alerts` |", "| alerts |", "topics"),
        ("settings.md", "| `TPP_GROUP` |", "| `TPP_COLOUR` | | |\n| `TPP_GROUP` |", "settings"),
        ("settings.md", "| `TPP_GROUP` |", "| the group |", "settings"),
        ("books.md", "# Books and proof", "# Books and proof, TPP_COLOUR", "settings named"),
        ("command-line.md", "| `tpp holds` |", "| holds |", "commands and options"),
        ("command-line.md", "| `tpp holds` |", "| `tpp ship` | |\n| `tpp holds` |", "commands and options"),
        ("command-line.md", "| `--idle SECONDS` | `watch`", "| idle | `watch`", "commands and options"),
        ("command-line.md", "| `--facts-first` | `publish`", "| `--facts-first` | `publish`, `watch`", "commands and options"),
        ("answers.md", "| `purchase_order` |", "| purchase order |", "obligations"),
        ("answers.md", "| `purchase_order` |", "| `sales_order` | ACA | |\n| `purchase_order` |", "obligations"),
        ("books.md", "`closing`, `entries` |", "`entries`, `closing` |", "columns"),
    ],
)  # fmt: skip
def test_one_thing_more_or_less_is_found(page: str, old: str, new: str, fails: str) -> None:
    assert fails in differing(_with(page, old, new))


def test_the_defaults_of_settings_are_those_of_the_program() -> None:
    told = defaults_told(pages())
    had = {f"TPP_{name.upper()}": field.default for name, field in Settings.model_fields.items()}
    texts = {name: default for name, default in had.items() if isinstance(default, str)}
    assert told == texts | {"TPP_CACHE": "~/.cache/tpp-ledger"}


def test_a_marker_that_asks_for_nothing_known_is_an_error() -> None:
    page = "<!-- generated: data tpp.lists.loaded.v1 -->\n\n<!-- end -->\n"
    assert asked_for(page) == ["data tpp.lists.loaded.v1"]
    with pytest.raises(ValueError, match="nothing is generated for 'data tpp"):
        filled_in(page)


def test_every_marker_is_closed() -> None:
    for text in pages().values():
        assert text.count("<!-- generated: ") == text.count("<!-- end -->") == len(asked_for(text))


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as they are made of their words."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_page_and_a_heading(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_example_is_json_and_every_event_among_them_is_taken() -> None:
    texts = [
        text for page in pages().values() for text in re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    ]
    events = [text for text in texts if "specversion" in json.loads(text)]
    assert len(texts) > len(events) >= 2
    for text in events:
        assert isinstance(parse(text.encode()), Event)


def test_every_page_of_the_contract_is_linked_from_its_first() -> None:
    found = pages()
    linked = set(re.findall(r"\]\(([a-z-]+\.md)\)", found["index.md"]))
    assert linked == found.keys() - {"index.md"}
