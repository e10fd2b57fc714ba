"""What arrives by itself on a page that is open: rows, figures, and that nothing comes any more."""

import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from browser_run import HIDE, People, Watch, held, publish
from databases import Databases
from installed import INSTALLED
from playwright.sync_api import Locator, Page, Request, expect
from reading_run import event, request
from waiting import wait_until
from web_run import Served, served

from ledger.database.store import Store

_NUMBERS = count(1)
NOTED = """globalThis.opened = [];
globalThis.EventSource = class {
  static CLOSED = 2;
  readyState = 0;
  constructor(url) { this.url = url; opened.push(this); }
  addEventListener() {}
  close() { this.readyState = 2; }
};"""
"""In the place of the browser's own: notes which streams were opened, and opens none."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One `tpp serve` for the tests of this file; each has shipments of its own."""
    with served(Databases("sqlite", tmp_path_factory.mktemp("live")).ledger()) as running:
        yield running


@pytest.fixture
def one() -> str:
    """What the ids of a test's shipments begin with."""
    return f"SHP-{next(_NUMBERS):03}"


def listed(page: Page, shipment: str) -> Locator:
    """The row of a hold."""
    return page.get_by_role("row").filter(has_text=shipment)


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


def stale(page: Page) -> None:
    """Lets time run until the page says that it hears nothing; a beat that is on its way may come in between."""
    wait_until(lambda: page.clock.fast_forward(21_000) or page.locator("#stale").is_visible())


def end_sessions(web: Served) -> None:
    """Signs everybody out."""
    store = Store(web.ledger)
    with store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM session")
    store.close()


def test_a_hold_arrives_on_the_list_that_is_open(web: Served, people: People, one: str) -> None:
    publish(web, held(f"{one}-1"))
    page = people.sign_in(web).page
    opened(page, f"{web.url}/console/holds")
    many = int(page.locator("#count-holds").inner_text())
    publish(web, held(f"{one}-2"), held(f"{one}-3"))
    expect(listed(page, f"{one}-3")).to_have_count(1)
    expect(page.locator("#count-holds")).to_have_text(str(many + 2))
    expect(page.locator(".changed").first).to_be_attached()
    rows = page.locator("[data-row]").all_text_contents()
    assert [found[0] for row in rows if (found := re.search(rf"{one}-\d", row))] == [f"{one}-{n}" for n in (1, 2, 3)]
    expect(page.locator("#live")).to_contain_text("last event")


def test_a_figure_of_the_quotas_changes_in_its_place(web: Served, people: People) -> None:
    def leaving(shipment: str, quantity: int) -> bytes:
        today = datetime.now(UTC).date().isoformat()
        return request(shipment, quantity, f"{today}T00:00:00Z", date=today, papers=[f"lpp {today}"])

    publish(web, leaving("SHP-Q-1", 8))
    page = people.sign_in(web, "monitor").page
    opened(page, f"{web.url}/console/quotas")
    row = listed(page, "CON-1")
    before = row.inner_text()
    publish(web, leaving("SHP-Q-2", 80))
    expect(row).not_to_have_text(before, use_inner_text=True)
    expect(row).to_have_count(1)
    expect(row).to_have_class(re.compile("changed"))


def test_the_server_is_restarted_and_the_page_catches_up(ledger: str, people: People, watch: Watch) -> None:
    watch.expected = ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET"]
    with served(ledger, program=(INSTALLED, "serve")) as web:
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
    wait_until(lambda: page.wait_for_timeout(50) or asked)
    stale(page)
    expect(page.locator("#stale")).to_contain_text("No news since")
    expect(page.locator("#live")).to_have_text(re.compile(r"No news since \d\d:\d\d UTC"))
    page.get_by_role("link", name="Load the page anew").first.click()
    page.wait_for_url("**/sign-in?next=/console/holds")
    expect(page.get_by_label("Token")).to_be_visible()


def test_a_stream_that_is_refused_is_opened_anew_ever_more_seldom(web: Served, people: People) -> None:
    page = people.sign_in(web).page
    page.add_init_script(NOTED)
    page.clock.install()
    page.goto(f"{web.url}/console/holds")
    page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))
    page.evaluate("opened.at(-1).onmessage({ data: '', lastEventId: '7' })")
    for seconds in (5, 10, 20, 40, 60, 60):
        many = page.evaluate("opened.at(-1).onerror(); opened.length")
        page.clock.run_for(seconds * 1_000 - 1)
        assert page.evaluate("opened.length") == many
        page.evaluate("opened.at(-1).readyState = 2; opened.at(-1).onerror()")
        page.clock.run_for(seconds * 1_000 - 1)
        assert page.evaluate("opened.length") == many, f"sooner than after {seconds} s"
        page.clock.run_for(1)
        assert page.evaluate("opened.length") == many + 1, f"not after {seconds} s"
        assert page.evaluate("opened.at(-1).url") == "/console/live?page=holds&after=7"


def test_the_banner_goes_once_there_are_news_again(web: Served, people: People, one: str) -> None:
    page = people.sign_in(web).page
    quick(page)
    opened(page, f"{web.url}/console/holds")
    stale(page)
    publish(web, held(one))
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#live")).to_contain_text("Live, last event")


def test_a_hidden_tab_lets_its_connection_go_and_catches_up(web: Served, people: People, one: str) -> None:
    publish(web, held(f"{one}-1"))
    person = people.sign_in(web)
    page, other = person.page, person.context.new_page()
    page.goto("about:blank")
    asked = streams(page)
    ended: list[Request] = []
    page.on("requestfailed", lambda one: ended.append(one))  # noqa: PLW0108  Playwright cannot note a method of a list
    opened(page, f"{web.url}/console/holds")
    opened(other, f"{web.url}/console/holds")
    publish(web, held(f"{one}-2"))
    expect(listed(page, f"{one}-2")).to_have_count(1)
    page.evaluate(HIDE, True)
    wait_until(lambda: page.wait_for_timeout(50) or ended)
    publish(web, held(f"{one}-3"))
    expect(listed(other, f"{one}-3")).to_have_count(1)
    expect(listed(page, f"{one}-3")).to_have_count(0)
    assert len(asked) == 1
    page.evaluate(HIDE, False)
    expect(listed(page, f"{one}-3")).to_have_count(1)
    assert re.search(r"after=(\d+)", asked[-1].url)[1] != re.search(r"after=(\d+)", asked[0].url)[1]


def test_seven_tabs_of_one_browser_all_load(web: Served, people: People, one: str) -> None:
    """A browser has six connections to a host; of seven tabs one is seen."""
    person = people.sign_in(web)
    tabs = []
    for _ in range(7):
        if tabs:
            tabs[-1].evaluate(HIDE, True)
        tabs.append(person.context.new_page())
        opened(tabs[-1], f"{web.url}/console/holds")
    publish(web, held(one))
    for tab in reversed(tabs):
        tab.evaluate(HIDE, False)
        expect(listed(tab, one)).to_have_count(1)
        tab.evaluate(HIDE, True)


@pytest.mark.parametrize("touch", ["type", "focus"])
def test_a_form_in_use_is_kept_and_a_message_stands_above_it(web: Served, people: People, one: str, touch: str) -> None:
    page = people.sign_in(web).page
    publish(web, held(f"{one}-0"))
    opened(page, f"{web.url}/console/holds")
    page.evaluate("""() => document.querySelector("#count-holds").outerHTML =
        '<span class="count" id="count-holds"><textarea aria-label="Your words"></textarea></span>'""")
    field = page.get_by_label("Your words")
    field.fill("It is" if touch == "type" else "")
    if touch == "type":
        page.locator("h1").click()
    else:
        field.focus()
    for n in (1, 2):
        publish(web, held(f"{one}-{n}"))
        expect(listed(page, f"{one}-{n}")).to_have_count(1)
        expect(page.locator("[data-kept]")).to_have_count(1)
        expect(field).to_have_value("It is" if touch == "type" else "")


def test_a_hold_that_ends_meanwhile_takes_the_buttons_and_leaves_the_text(
    web: Served, people: People, one: str
) -> None:
    publish(web, held(one))
    page = people.sign_in(web).page
    opened(page, f"{web.url}/console/holds/{one}")
    page.get_by_text("Deny", exact=True).first.click()
    page.locator("#deny").fill("It lacks its paper.")
    publish(web, event_cancelled(one))
    expect(page.locator("#meanwhile")).to_be_visible()
    expect(page.locator("[data-act] button[type=submit]")).to_have_count(0)
    expect(page.locator("#deny")).to_have_value("It lacks its paper.")


def event_cancelled(shipment: str) -> bytes:
    """The publisher gives a shipment up."""
    return event(f"cancel-{shipment}", "shipment.cancelled", {"shipment_id": shipment})


def test_without_a_script_the_page_says_that_it_is_not_live(web: Served, people: People) -> None:
    page = people.sign_in(web, java_script_enabled=False).page
    page.goto(f"{web.url}/console/holds")
    expect(page.locator("#live")).to_have_text(re.compile(r"As of \d\d:\d\d UTC, not live"), use_inner_text=True)
