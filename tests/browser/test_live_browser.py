"""What arrives by itself on a page that is open: rows, figures, and that nothing comes any more."""

import re
import signal
from typing import Any

import pytest
from browser_run import HIDE, People, Watch, held, publish
from playwright.sync_api import Page, Request, expect
from reading_run import event, request
from waiting import wait_until
from web_run import Served, served

from ledger.database.store import Store


def streams(page: Page) -> list[Request]:
    """The streams that a page opens from now on, as they come."""
    found: list[Request] = []
    page.on("request", lambda one: found.append(one) if "/console/live?page=holds" in one.url else None)
    return found


def opened(page: Page, url: str) -> Any:
    """Opens a page and waits for its stream."""
    page.goto("about:blank")
    with page.expect_response(re.compile("/console/live")) as answer:
        page.goto(url)
    assert answer.value.status == 200
    return answer.value


def quick(page: Page) -> None:
    """Lets time run in the page's own clock, so that a test need not wait for it."""
    page.clock.install()


def end_sessions(web: Served) -> None:
    """Signs everybody out."""
    store = Store(web.ledger)
    with store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM session")
    store.close()


def test_a_hold_arrives_on_the_list_that_is_open(web: Served, people: People) -> None:
    publish(web, held("SHP-1"))
    page = people.sign_in(web).page
    opened(page, f"{web.url}/console/holds")
    publish(web, held("SHP-2"), held("SHP-3"))
    expect(page.get_by_role("row").filter(has_text="SHP-3")).to_have_count(1)
    expect(page.locator("#count-holds")).to_have_text("3")
    expect(page.locator(".changed").first).to_be_attached()
    rows = page.locator("[data-row]").all_text_contents()
    assert [re.search(r"SHP-\d", row)[0] for row in rows] == ["SHP-1", "SHP-2", "SHP-3"]
    expect(page.locator("#live")).to_contain_text("last event")


def test_a_figure_of_the_quotas_changes_in_its_place(web: Served, people: People) -> None:
    publish(web, request("SHP-1", 8))
    page = people.sign_in(web, "monitor").page
    opened(page, f"{web.url}/console/quotas")
    row = page.get_by_role("row").filter(has_text="CON-1")
    before = row.inner_text()
    publish(web, request("SHP-2", 80))
    expect(row).not_to_have_text(before, use_inner_text=True)
    expect(row).to_have_count(1)
    expect(row).to_have_class(re.compile("changed"))


def test_the_server_is_restarted_and_the_page_catches_up(ledger: str, people: People, watch: Watch) -> None:
    watch.expected = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET"]
    with served(ledger) as web:
        publish(web, held("SHP-1"))
        page = people.sign_in(web).page
        opened(page, f"{web.url}/console/holds")
        port = web.url.rpartition(":")[2]
        web.process.send_signal(signal.SIGKILL)
        web.process.wait()
    with served(ledger, "--listen", f"127.0.0.1:{port}") as web:
        publish(web, held("SHP-2"))
        expect(page.get_by_role("row").filter(has_text="SHP-2")).to_have_count(1)
        publish(web, held("SHP-3"))
        expect(page.get_by_role("row").filter(has_text="SHP-3")).to_have_count(1)
        assert page.locator("[data-row]").count() == 3


def test_who_is_signed_out_reads_that_nothing_comes_any_more(web: Served, people: People, watch: Watch) -> None:
    watch.expected = ["text/html"]
    person = people.sign_in(web)
    page = person.page
    quick(page)
    opened(page, f"{web.url}/console/holds")
    expect(page.locator("#stale")).to_be_hidden()
    asked = streams(page)
    end_sessions(web)
    wait_until(lambda: page.wait_for_timeout(200) or asked)
    page.clock.fast_forward(25_000)
    expect(page.locator("#stale")).to_contain_text("No news since")
    expect(page.locator("#live")).to_have_text(re.compile(r"No news since \d\d:\d\d UTC"))
    many = len(asked)
    page.clock.fast_forward(4_000)
    assert len(asked) - many <= 1
    page.get_by_role("link", name="Load the page anew").first.click()
    page.wait_for_url("**/sign-in", wait_until="commit")


def test_the_banner_goes_once_there_are_news_again(web: Served, people: People) -> None:
    page = people.sign_in(web).page
    quick(page)
    opened(page, f"{web.url}/console/holds")
    page.wait_for_timeout(500)
    page.clock.fast_forward(21_000)
    expect(page.locator("#stale")).to_be_visible()
    publish(web, held("SHP-1"))
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#live")).to_contain_text("Live, last event")


def test_a_hidden_tab_lets_its_connection_go_and_catches_up(web: Served, people: People) -> None:
    publish(web, held("SHP-1"))
    page = people.sign_in(web).page
    page.goto("about:blank")
    asked = streams(page)
    ended: list[Request] = []
    page.on("requestfailed", lambda one: ended.append(one))  # noqa: PLW0108  Playwright cannot note a method of a list
    opened(page, f"{web.url}/console/holds")
    publish(web, held("SHP-2"))
    expect(page.get_by_role("row").filter(has_text="SHP-2")).to_have_count(1)
    page.evaluate(HIDE, True)
    wait_until(lambda: page.wait_for_timeout(50) or ended)
    publish(web, held("SHP-3"))
    page.wait_for_timeout(1_500)
    expect(page.get_by_role("row").filter(has_text="SHP-3")).to_have_count(0)
    assert len(asked) == 1
    page.evaluate(HIDE, False)
    expect(page.get_by_role("row").filter(has_text="SHP-3")).to_have_count(1)
    assert re.search(r"after=(\d+)", asked[-1].url)[1] != re.search(r"after=(\d+)", asked[0].url)[1]


def test_seven_tabs_of_one_browser_all_load(web: Served, people: People) -> None:
    """A browser has six connections to a host; of seven tabs one is seen."""
    person = people.sign_in(web)
    tabs = []
    for _ in range(7):
        if tabs:
            tabs[-1].evaluate(HIDE, True)
        tabs.append(person.context.new_page())
        opened(tabs[-1], f"{web.url}/console/holds")
    publish(web, held("SHP-1"))
    for tab in reversed(tabs):
        tab.evaluate(HIDE, False)
        expect(tab.get_by_role("row").filter(has_text="SHP-1")).to_have_count(1)
        tab.evaluate(HIDE, True)


@pytest.mark.parametrize("touch", ["type", "focus"])
def test_a_form_in_use_is_kept_and_a_message_stands_above_it(web: Served, people: People, touch: str) -> None:
    page = people.sign_in(web).page
    opened(page, f"{web.url}/console/holds")
    page.evaluate("""() => document.querySelector("#count-holds").outerHTML =
        '<span class="count" id="count-holds"><textarea aria-label="Your words"></textarea></span>'""")
    field = page.get_by_label("Your words")
    field.fill("It is" if touch == "type" else "")
    if touch == "type":
        page.locator("h1").click()
    else:
        field.focus()
    publish(web, held("SHP-1"))
    expect(page.locator("[data-kept]")).to_have_count(1)
    expect(field).to_have_value("It is" if touch == "type" else "")
    publish(web, held("SHP-2"))
    expect(page.locator("#live")).to_contain_text("last event")
    page.wait_for_timeout(1_500)
    expect(page.locator("[data-kept]")).to_have_count(1)


def test_a_hold_that_ends_meanwhile_takes_the_buttons_and_leaves_the_text(web: Served, people: People) -> None:
    publish(web, held("SHP-1"))
    page = people.sign_in(web).page
    opened(page, f"{web.url}/console/holds/SHP-1")
    page.get_by_text("Deny", exact=True).first.click()
    page.locator("#deny").fill("It lacks its paper.")
    publish(web, event_cancelled("SHP-1"))
    expect(page.locator("#meanwhile")).to_be_visible()
    expect(page.locator("[data-act] button[type=submit]")).to_have_count(0)
    expect(page.locator("#deny")).to_have_value("It lacks its paper.")


def event_cancelled(shipment: str) -> bytes:
    """The publisher gives a shipment up."""
    return event(f"cancel-{shipment}", "shipment.cancelled", {"shipment_id": shipment})


def test_without_a_script_the_page_says_that_it_is_not_live(web: Served, people: People) -> None:
    publish(web, held("SHP-1"))
    page = people.sign_in(web, java_script_enabled=False).page
    page.goto(f"{web.url}/console/holds")
    expect(page.locator("#live")).to_have_text(re.compile(r"As of \d\d:\d\d UTC, not live"), use_inner_text=True)
