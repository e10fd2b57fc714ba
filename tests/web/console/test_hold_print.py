"""A hold on paper: a memo on one sheet, without the frame and what is closed; seen in a real browser."""

import re
import shutil

import pytest
from holds_run import fill, flagged, too_much, unpapered
from signin_run import link
from web_run import Served

CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_hold_prints_on_one_sheet(web: Served) -> None:
    api = pytest.importorskip("playwright.sync_api")
    ids = ["FLAG", "MUCH", "PAPER", "DENY"]
    fill(
        web, [flagged("FLAG"), too_much("MUCH", quantity=2_000), unpapered("PAPER"), flagged("DENY", to="CN", flags=[])]
    )
    with api.sync_playwright() as playwright:
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
