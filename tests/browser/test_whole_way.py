"""The whole way of a shipment that is held, by mouse, by keyboard, on a phone and without a script."""

import io
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from browser_run import People, Person, publish
from playwright.sync_api import Locator, Page, expect
from reading_run import dispatch, request
from web_run import Served

Act = Callable[[Locator], None]


def click(target: Locator) -> None:
    """By mouse."""
    target.click()


def tap(target: Locator) -> None:
    """By a finger."""
    target.tap()


def by_keyboard(target: Locator) -> None:
    """Tab, until the target has the focus, and Enter."""
    page, wanted = target.page, target.element_handle()
    for _ in range(300):
        if page.evaluate("wanted => document.activeElement === wanted", wanted):
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {target}")


def write(target: Locator, text: str, act: Act) -> None:
    """Fills a field; by keyboard in the way in which somebody types."""
    if act is not by_keyboard:
        target.fill(text)
        return
    for _ in range(300):
        if target.evaluate("field => document.activeElement === field"):
            target.page.keyboard.type(text)
            return
        target.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {target}")


WAYS: dict[str, tuple[Act, dict[str, Any]]] = {
    "mouse": (click, {}),
    "keyboard": (by_keyboard, {}),
    "phone": (tap, {"viewport": {"width": 390, "height": 844}, "has_touch": True}),
    "no-script": (click, {"java_script_enabled": False}),
}
TODAY = datetime.now(UTC).date()
BEFORE = (TODAY.replace(day=1) - timedelta(days=1)).replace(day=10)
"""A day of the month that can be closed."""


def asked(shipment: str, quantity: int, day: date, **words: Any) -> bytes:
    """A request of a day, with a statement that is old enough."""
    at = datetime.now(UTC) if day >= TODAY else datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    leaves = (day + timedelta(days=9)).isoformat()
    paper = [f"lpp {(BEFORE - timedelta(days=60)).isoformat()}"]
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return request(shipment, quantity, stamp, date=leaves, papers=paper, **words)


@pytest.mark.parametrize("way", WAYS)
def test_from_its_event_to_the_closed_period(web: Served, people: People, way: str) -> None:
    act, options = WAYS[way]
    left = (BEFORE + timedelta(days=9)).isoformat()
    old = [asked("SHP-OLD", 3, BEFORE), dispatch("SHP-OLD", left, f"{left}T17:00:00Z")]
    publish(web, *old, asked("SHP-NOW", 1, TODAY))
    first = people.sign_in(web, "reviewer", "r.osei", **options)
    page = first.goto("/console/holds")
    publish(web, asked("SHP-WAY", 7, TODAY, to="IN", flags=[2]))
    if not options.get("java_script_enabled", True):
        page.reload()
    link = page.get_by_role("link", name="SHP-WAY", exact=True)
    expect(link).to_be_visible()
    act(link)
    page.wait_for_url("**/console/holds/SHP-WAY")
    propose(page, act)
    assert pending(first) == "15,832"
    confirm(people.sign_in(web, "reviewer", "m.lindqvist", **options), act)
    assert pending(first) == "126,656"
    mark_as_sent(first, act)
    close(people.sign_in(web, "finance", "f.diaz", **options), act)


def propose(page: Page, act: Act) -> None:
    """The first reviewer, who cannot confirm it too."""
    write(page.locator("#release"), "The address was checked by phone.", act)
    act(page.get_by_role("button", name="Propose release"))
    expect(page.locator("#answer-to-you")).to_be_visible()
    expect(page.locator("main")).to_contain_text("release proposed")
    expect(page.get_by_role("button", name="Confirm release")).to_have_count(0)


def confirm(second: Person, act: Act) -> None:
    """The second one, who is led to the shipment that is released."""
    page = second.goto("/console/holds/SHP-WAY")
    write(page.locator("#release"), "I have seen the papers.", act)
    act(page.get_by_role("button", name="Confirm release"))
    page.wait_for_url("**/console/shipments/SHP-WAY?answer=*")
    expect(page.locator("#answer-to-you")).to_be_visible()
    expect(page.locator("main")).to_contain_text("m.lindqvist")


def pending(person: Person) -> str:
    """What is pending on the account of the year in which the shipment leaves: one H100, later seven more."""
    page = person.goto(f"/console/accounts/lpp/CON-1/{(TODAY + timedelta(days=9)).year}")
    return (
        page.locator("#figures dl div").filter(has=page.get_by_text("Pending", exact=True)).locator("dd").inner_text()
    )


def mark_as_sent(first: Person, act: Act) -> None:
    """What the release brings about, and that it was done."""
    page = first.goto("/console/obligations")
    act(page.get_by_role("link", name="Later", exact=True))
    owed = page.locator("article.due").filter(has_text="SHP-WAY").filter(has=page.locator("form"))
    act(owed.locator("summary"))
    write(owed.get_by_label("Reference"), "mail-1", act)
    act(owed.get_by_role("button", name="Mark as sent"))
    expect(page.locator("#answer-to-you")).to_be_visible()
    expect(owed).to_have_count(0)
    expect(first.goto("/console/obligations?state=met").locator("article.due")).to_contain_text("SHP-WAY")


def close(finance: Person, act: Act) -> None:
    """The month is closed, and its workbook says what left in it."""
    month = f"{BEFORE:%Y-%m}"
    page = finance.goto("/console/periods")
    write(page.get_by_label("Period", exact=True), month, act)
    act(page.get_by_role("button", name="Close the period"))
    expect(page.locator("#answer-to-you")).to_have_text(f"You have closed {month}.")
    expect(page.locator("main")).to_contain_text("f.diaz")
    with page.expect_download() as loading:
        act(page.get_by_role("link", name=re.compile(r"\.xlsx$")))
    book = openpyxl.load_workbook(io.BytesIO(loading.value.path().read_bytes()), read_only=True)
    cells = {str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row}
    assert "SHP-OLD" in cells and "SHP-WAY" not in cells
