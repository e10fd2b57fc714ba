"""People with a browser: how they sign in, and what the pages that they see must not do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request
from reading_run import request as shipment_event
from web_run import Served

from ledger.database.store import Store
from services.resources import wall_clock
from services.web.access import Role
from services.web.pages.sessions import new_link

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 60_000
"""How long a browser waits for what must come, in milliseconds. It measures nothing."""
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
LAID_OUT = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
HIDE = """hidden => {
  Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""As if somebody looked at another tab; a browser without a screen shows all of them."""


def is_sideways(page: Page, width: int) -> bool:
    """Whether a page has to be scrolled sideways, once the browser has laid it out at a width."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function("width => window.innerWidth === width", arg=width)
    page.evaluate(LAID_OUT)
    return bool(page.evaluate(SIDEWAYS))


class Watch:
    """Notes what no page may do: errors in the console, refusals of the CSP, dialogs, requests to elsewhere."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.expected: list[str] = []

    def over(self, context: BrowserContext) -> None:
        """Watches every page of a context."""
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("weberror", lambda error: self.found.append(f"error: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)

    def taken(self) -> list[str]:
        """What was found since this was called last."""
        found, self.found = self.found, []
        return found

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(one in text for one in self.expected):
            self.found.append(f"{kind}: {text}")

    def _dialog(self, dialog: Any) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", None):
            self.found.append(f"request: {request.url}")


class Person:
    """A browser in which somebody is signed in."""

    def __init__(self, context: BrowserContext, url: str, link: Callable[[], str]) -> None:
        self.context, self.url, self.link = context, url, link
        self.page = context.new_page()

    def goto(self, path: str, page: Page | None = None) -> Page:
        """Opens a page, which must be there."""
        page = page or self.page
        answer = page.goto(f"{self.url}{path}")
        assert answer is not None and answer.status < 400, f"{path}: {answer and answer.status}"
        return page


class People:
    """Opens browsers for people."""

    def __init__(self, browser: Browser, watch: Watch) -> None:
        self._browser, self._watch = browser, watch
        self._contexts: list[BrowserContext] = []

    def sign_in(self, web: Any, role: str = "reviewer", name: str = "r.osei", **options: Any) -> Person:
        """Somebody who follows a one-time link and presses its button; `options` are those of the browser."""
        context = self._browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
        context.set_default_timeout(PATIENCE)
        self._watch.over(context)
        self._contexts.append(context)
        person = Person(context, web.url, lambda: path_of_link(web, role, name))
        person.page.goto(f"{web.url}{person.link()}")
        person.page.get_by_role("button").click()
        person.page.wait_for_url("**/console/")
        return person

    def close(self) -> None:
        """Closes every browser that was opened."""
        for context in self._contexts:
            context.close()


def path_of_link(web: Any, role: str, name: str) -> str:
    """The path of a new one-time link."""
    store = Store(web.ledger) if isinstance(web, Served) else web.web.store
    try:
        now = wall_clock() if isinstance(web, Served) else web.now
        return new_link(store, Role(role), name, web.url, now).removeprefix(web.url)
    finally:
        if isinstance(web, Served):
            store.close()


def publish(web: Served, *events: bytes) -> None:
    """Sends events over HTTP, as a publisher does."""
    token = web.token("publisher", "warehouse", "//*")
    with web.client(token) as client:
        batch = b"[" + b",".join(events) + b"]"
        answer = client.post(
            "/v1/events", content=batch, headers={"Content-Type": "application/cloudevents-batch+json"}
        )
        assert answer.status_code in (200, 207), answer.text


def held(shipment: str, **words: Any) -> bytes:
    """A request that is held, since its paper is missing, and that is to leave in some days."""
    leaves = datetime.now(UTC).date() + timedelta(days=20)
    return shipment_event(shipment, papers=[], **{"date": leaves.isoformat()} | words)


def live(page: Page) -> None:
    """Waits until a page has heard from its stream."""
    page.wait_for_selector("#live:not(.stale)")
