"""The guide is built without a warning, its links lead somewhere, and it asks for nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from consoles import ROOT
from waiting import PATIENCE

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
"""The elements that make a browser ask for something, and the attribute with its address."""


class Page(HTMLParser):
    """What a built page loads, where it links to, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.classes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what the element loads, links to or is called."""
        has = {name: value or "" for name, value in attrs}
        if has.get(LOADS.get(tag, "")):
            self.loads.append(has[LOADS[tag]])
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        self.anchors |= {has[name] for name in ("id", "name") if name in has}
        self.classes |= set(has.get("class", "").split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("guide")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [program, "build", "--clean", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build/site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(found) > len(list((ROOT / "docs").rglob("*.md")))
    return found


def test_every_link_of_the_site_leads_to_a_file_and_an_anchor_of_it(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for link in page.links + page.loads:
            name, _, anchor = unquote(link).partition("#")
            if re.match(r"[a-z]+:", name):
                continue
            target = (path.parent / name).resolve() if name else path
            assert target.is_file(), (path.name, link)
            assert not anchor or anchor in pages[target].anchors, (path.name, link)


def _asked(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """The addresses that a browser would ask for: of elements, and of style sheets."""
    for page in pages.values():
        yield from page.loads
    for path in site.rglob("*.css"):
        yield from re.findall(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", path.read_text("utf-8"))


def test_a_page_asks_for_nothing_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    """The theme's script would fetch a library for some kinds of blocks; no page has one of them."""
    asked = [one if isinstance(one, str) else "".join(one) for one in _asked(site, pages)]
    assert len(asked) > len(pages)
    assert [one for one in asked if re.match(r"(?:https?:)?//", one)] == []
    fetched = {"mermaid", "glightbox", "pyodide", "md-source", "arithmatex"}
    assert {name: page.classes & fetched for name, page in pages.items() if page.classes & fetched} == {}


def test_the_search_needs_no_server(site: Path, pages: dict[Path, Page]) -> None:
    assert (site / "search.js").is_file()
    assert all(any(one.endswith("assets/iframe-worker.js") for one in page.loads) for page in pages.values())


def test_every_page_stands_in_the_navigation_once() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    assert sorted(_leaves(nav)) == sorted(
        str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")
    )


def _leaves(nav: object) -> Iterator[str]:
    """The pages of a navigation, whatever they are called and grouped in."""
    if isinstance(nav, str):
        yield nav
    else:
        for one in nav.values() if isinstance(nav, dict) else nav:  # type: ignore[attr-defined]
            yield from _leaves(one)


@pytest.mark.parametrize(
    "text",
    ['<script src="https://cdn.example/x.js">', '<link href="//fonts.example/x.css">', '<img src="http://a/b.png">'],
)
def test_a_page_that_asks_elsewhere_is_found(text: str) -> None:
    assert all(re.match(r"(?:https?:)?//", one) for one in Page(text).loads)
    assert Page(text).loads
