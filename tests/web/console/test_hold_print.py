"""A hold on paper: a memo on one sheet, without the frame and what is closed; seen in a real browser."""

import os
import re
import shutil

import pytest
from holds_run import fill, flagged, too_much, unpapered
from playwright.sync_api import sync_playwright
from signin_run import link
from web_run import Served

CHROMIUM = shutil.which("chromium")


@pytest.mark.browser
def test_a_hold_prints_on_one_sheet(web: Served) -> None:
    if CHROMIUM is None and "CI" not in os.environ:
        pytest.skip("chromium is not installed")
    assert CHROMIUM is not None, "chromium is not installed"
    ids = ["FLAG", "MUCH", "PAPER", "DENY"]
    fill(
        web, [flagged("FLAG"), too_much("MUCH", quantity=2_000), unpapered("PAPER"), flagged("DENY", to="CN", flags=[])]
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"{web.url}{link(web)}")
        page.click("button")
        page.wait_for_load_state()
        for id in ids:
            page.goto(f"{web.url}/console/holds/{id}")
            printed = page.pdf(prefer_css_page_size=True)
            assert len(re.findall(rb"/Type /Page\b(?!s)", printed)) == 1, id
            page.emulate_media(media="print")
            hidden = (".rail", ".top", ".foot", ".crumb", "details.tried:not([open])")
            for shown in hidden:
                assert not page.locator(shown).first.is_visible(), (id, shown)
            assert page.locator("#hold-verdict").is_visible() and page.locator("details.tried[open]").is_visible()
            page.emulate_media(media="null")
        browser.close()
