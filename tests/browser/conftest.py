"""Fixtures of the tests in a browser: Chromium, a person who is signed in, and what a page must never do."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "web"))

from browser_run import ARGUMENTS, People, Watch
from databases import Databases
from playwright.sync_api import Browser, sync_playwright
from web_run import Served, served

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Marks the tests of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium for the tests of a file; without one they are skipped, but never in CI.

    Playwright's event loop runs while it is open: in the same process no other test could begin one of its own.
    """
    path = shutil.which("chromium")
    if path is None and "CI" not in os.environ:
        pytest.skip("chromium is not installed")
    assert path is not None, "chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What every page must not do; looked at when the test is over."""
    made = Watch()
    yield made
    assert made.found == []


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """The URL of a new ledger."""
    return Databases("sqlite", tmp_path).ledger()


@pytest.fixture
def web(ledger: str, tmp_path: Path) -> Iterator[Served]:
    """A running `tpp serve` on a new ledger."""
    with served(ledger, env={"TPP_SIGNING_KEY": str(tmp_path / "signing.key")}) as running:
        yield running


@pytest.fixture
def people(chromium: Browser, watch: Watch) -> Iterator[People]:
    """Opens browsers for people; all are closed at the end."""
    made = People(chromium, watch)
    yield made
    made.close()


@pytest.fixture(scope="session")
def modules() -> Path:
    """Where npm has put axe-core and html-validate; without them tests are skipped, but never in CI."""
    found = HERE / "node_modules"
    if not found.is_dir() and "CI" not in os.environ:
        pytest.skip("npm ci has not been run in tests/browser")
    assert found.is_dir(), "npm ci has not been run in tests/browser"
    return found
