"""Every page and state: accessible by axe-core, valid by html-validate, never wider than its window."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browser_pages import PAGES, Shown, everything, shown
from browser_run import SIDEWAYS, People, Person
from signin_run import SAME
from web_inside import Inside

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (390, 1024, 1440)
RUN = """async tags => (await axe.run(document, {runOnly: tags, resultTypes: ["violations"]})).violations
  .map(one => `${one.id}: ${one.nodes.map(node => node.target.join(" ")).join(", ")}`)"""
OPEN = "open => document.querySelectorAll('details').forEach(one => { one.open = open; })"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One server for all pages."""
    with shown(tmp_path_factory.mktemp("axe"), everything()) as made:
        yield made


def visit(person: Person, one: Shown) -> None:
    """Opens a page, whatever its status; one that the reader may not see says so."""
    answer = person.page.goto(f"{person.url}{one.path}")
    assert answer is not None and answer.status in (200, 403, 404), f"{one.path}: {answer and answer.status}"
    assert (answer.status == 200) == (one.name not in ("missing", "refused")), one.path


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.name)
def test_axe_finds_nothing(running: Inside, people: People, modules: Path, watch, one: Shown) -> None:
    watch.expected = ["status of 403", "status of 404"]
    person = people.sign_in(running, one.role, bypass_csp=False)
    visit(person, one)
    page = person.page
    page.evaluate((modules / "axe-core" / "axe.min.js").read_text("utf-8"))
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for is_open in (False, True):
                page.evaluate(OPEN, is_open)
                found += [f"{width} {theme} open={is_open}: {violation}" for violation in page.evaluate(RUN, TAGS)]
    assert found == []


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.name)
def test_no_page_is_wider_than_its_window(running: Inside, people: People, watch, one: Shown) -> None:
    watch.expected = ["status of 403", "status of 404"]
    person = people.sign_in(running, one.role, viewport={"width": 320, "height": 700})
    visit(person, one)
    for is_open in (False, True):
        person.page.evaluate(OPEN, is_open)
        assert not person.page.evaluate(SIDEWAYS)
    person.page.set_viewport_size({"width": 2560, "height": 1200})
    assert not person.page.evaluate(SIDEWAYS)


def test_what_each_page_serves_is_valid_html(running: Inside, modules: Path, tmp_path: Path) -> None:
    clients: dict[str, httpx.Client] = {}
    for one in (*PAGES, Shown("sign-in", "/sign-in")):
        client = clients.setdefault(one.role, httpx.Client(base_url=running.url))
        if not client.cookies:
            answer = client.post("/sign-in", data={"token": running.token(one.role, "r.osei")}, headers=SAME)
            assert answer.status_code == 303, answer.text
        served = client.get(one.path)
        assert served.status_code in (200, 403, 404), one.path
        (tmp_path / f"{one.name}.html").write_text(served.text, "utf-8")
    for client in clients.values():
        client.close()
    config = tmp_path / "rules.json"
    config.write_text(json.dumps({"root": True, "extends": ["html-validate:recommended"]}), "utf-8")
    program = modules / "html-validate" / "bin" / "html-validate.mjs"
    done = subprocess.run(
        ["node", program, "--config", config, "--formatter", "unix", *sorted(tmp_path.glob("*.html"))],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert re.sub(rf"{tmp_path}/", "", done.stdout).strip() == "", done.stderr
    assert done.returncode == 0, done.stderr
