"""Names that are hostile, in every field, on every page: they are shown as text, and nothing in them is obeyed."""

from collections.abc import Iterator

import pytest
from browser_pages import HOSTILE, PAGES, Shown, everything, hostile, shown
from browser_run import SIDEWAYS, People
from web_inside import Inside

OF_HOSTILE = (
    *(Shown(f"hold-{n}", f"/console/holds/SHP-K{n}") for n in range(len(HOSTILE))),
    *(Shown(f"shipment-{n}", f"/console/shipments/SHP-H{n}") for n in range(len(HOSTILE))),
    *(Shown(f"party-{n}", f"/console/parties/CON-H{n}") for n in range(len(HOSTILE))),
    *(Shown(f"account-{n}", f"/console/accounts/lpp/CON-H{n}/2025") for n in range(len(HOSTILE))),
)
READ = tuple(one for one in PAGES if one.act is None and not one.empty and "{link}" not in one.path)
"""The states that need nobody to do anything."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """One server on a ledger of hostile texts."""
    with shown(tmp_path_factory.mktemp("hostile"), [*everything(), *hostile()]) as made:
        yield made


@pytest.mark.parametrize("width", [320, 1440])
def test_every_page_shows_them_as_text(running: Inside, people: People, watch, width: int) -> None:
    """No dialog, no report of the CSP, no error, no request to elsewhere: that is what `watch` looks at."""
    watch.expected = [f"status of {status}" for status in (400, 403, 404, 422)]
    people_of = {}
    for one in (*READ, *OF_HOSTILE):
        person = people_of.setdefault(one.role, None) or people.sign_in(
            running, one.role, viewport={"width": width, "height": 900}
        )
        people_of[one.role] = person
        answer = person.page.goto(f"{person.url}{one.path}")
        assert answer is not None and answer.status == one.status, one.path
        person.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert not person.page.evaluate(SIDEWAYS), one.path
        assert person.page.evaluate("document.querySelectorAll('main script, main img, main iframe').length") == 0
        assert "49{%" not in person.page.content()
        hidden = person.page.evaluate(r"/[\u202a-\u202e\u2066-\u2069\u200e\u200f]/.test(document.body.innerText)")
        assert not hidden, f"{one.path}: text is shown with marks that turn it round"


@pytest.mark.parametrize("n", range(5))
def test_the_text_itself_is_there(running: Inside, people: People, n: int) -> None:
    page = people.sign_in(running).goto(f"/console/holds/SHP-K{n}")
    assert HOSTILE[n] in page.locator("main").inner_text()


@pytest.mark.parametrize("text", HOSTILE[:6])
def test_a_query_is_shown_as_text(running: Inside, people: People, text: str) -> None:
    person = people.sign_in(running)
    for path in ("/console/search", "/console/quotas"):
        answer = person.context.request.get(f"{person.url}{path}", params={"q": text})
        assert answer.status in (200, 400, 404)
        assert "<script>alert" not in answer.text() and "<img src=x" not in answer.text()
