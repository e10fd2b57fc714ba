"""Pictures of the pages, of one ledger at one time, for `docs/` and for the eye: written to build/screenshots."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_pages import PAGES, Shown, everything, shown
from browser_run import People
from web_inside import Inside

FOLDER = Path(__file__).parent.parent.parent / "build" / "screenshots"
STATES = ("quotas", "account", "holds", "hold", "hold-review", "shipment", "obligations", "ask", "periods", "party")
DARK, SMALL = {"hold"}, {"holds"}
MOST = 150_000
"""The most bytes of a picture."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One server for all pictures."""
    with shown(tmp_path_factory.mktemp("shots"), everything()) as made:
        yield made


@pytest.mark.parametrize("one", [one for one in PAGES if one.name in STATES], ids=lambda one: one.name)
def test_a_picture_of_each_page(running: Inside, people: People, one: Shown) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    person = people.sign_in(running, one.role)
    page = person.goto(one.path)
    pictures = [("light", 1024, "")]
    pictures += [("dark", 1024, "-dark")] if one.name in DARK else []
    pictures += [("light", 390, "-phone")] if one.name in SMALL else []
    for theme, width, suffix in pictures:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 620})
        page.evaluate("document.fonts.ready")
        picture = page.screenshot(path=FOLDER / f"{one.name}{suffix}.png", scale="css", caret="hide")
        assert 5_000 < len(picture) < MOST
