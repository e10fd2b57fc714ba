"""Every page and state: accessible by axe-core, valid by html-validate, never wider than its window."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser_pages import PAGES, Shown, Visitors, everything, shown, visit
from browser_run import People, Watch, is_sideways
from playwright.sync_api import Browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules that a theme may break: a theme changes colours alone."""
WIDTHS = (390, 1024, 1440)
RUN = """async only => (await axe.run(document, {runOnly: only, resultTypes: ["violations"]})).violations
  .map(one => `${one.id}: ${one.nodes.map(node => node.target.join(" ")).join(", ")}`)"""
OPEN = """open => {
  const found = [...document.querySelectorAll("details")];
  found.forEach(one => { one.open = open; });
  return found.length;
}"""


@pytest.fixture(scope="module")
def watched() -> Watch:
    """What no page of this file may do."""
    made = Watch()
    made.expected = [f"status of {status}" for status in (400, 401, 403, 404, 422)]
    return made


@contextmanager
def visiting(chromium: Browser, watched: Watch, folder: Path) -> Iterator[Visitors]:
    """Two servers for all pages, and who looks at them."""
    people = People(chromium, watched)
    for name in ("full", "empty"):
        (folder / name).mkdir()
    with shown(folder / "full", everything()) as full, shown(folder / "empty", []) as empty:
        yield Visitors(people, full, empty)
        people.close()


@pytest.fixture(scope="module")
def visitors(chromium: Browser, watched: Watch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitors]:
    """The servers of the test of each page."""
    with visiting(chromium, watched, tmp_path_factory.mktemp("axe")) as made:
        yield made


@pytest.mark.parametrize("one", [one for one in PAGES if not one.only_html], ids=lambda one: one.name)
def test_axe_finds_nothing_and_nothing_is_cut(visitors: Visitors, modules: Path, watched: Watch, one: Shown) -> None:
    person = visitors.visitor(one)
    page, found, wide = person.page, [], []
    page.set_viewport_size({"width": WIDTHS[-1], "height": 900})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    visit(person, one)
    page.evaluate((modules / "axe-core" / "axe.min.js").read_text("utf-8"))
    for is_open in (False, True) if page.evaluate(OPEN, False) else (False,):
        page.evaluate(OPEN, is_open)
        for theme, rules in (("light", {"type": "tag", "values": TAGS}), ("dark", {"type": "rule", "values": COLOURS})):
            page.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                found += [f"{width} {theme} open={is_open}: {violation}" for violation in page.evaluate(RUN, rules)]
        for width in (320, 2560):
            wide += [f"{width} open={is_open}"] * is_sideways(page, width)
    assert (found, wide, watched.taken()) == ([], [], [])


def test_what_each_page_serves_is_valid_html(chromium: Browser, modules: Path, watched: Watch, tmp_path: Path) -> None:
    """On servers of its own, since what somebody does on a page can be done once."""
    with visiting(chromium, watched, tmp_path) as visitors:
        for one in PAGES:
            (tmp_path / f"{one.name}.html").write_text(visit(visitors.visitor(one), one), "utf-8")
    config = tmp_path / "rules.json"
    config.write_text(json.dumps({"root": True, "extends": ["html-validate:recommended"]}), "utf-8")
    program = modules / "html-validate" / "bin" / "html-validate.mjs"
    done = subprocess.run(
        ["node", program, "--config", config, "--formatter", "text", *sorted(tmp_path.glob("*.html"))],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert re.sub(rf"{tmp_path}/", "", done.stdout).strip() == "", done.stderr
    assert done.returncode == 0, done.stderr
    assert watched.taken() == []
