"""Each role on each page: it opens what `roles_pages.toml` says, and no link or button that it sees is refused it."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from reading_run import screen, something_of_everything
from signin_run import SAME, browser, sign_in
from web_run import TPP, Served, served

from services.web.console.frame import ALL
from services.web.console.routes import ROUTES

TABLE = tomllib.loads(Path(__file__).with_name("roles_pages.toml").read_text("utf-8"))
SENDERS = tomllib.loads(Path(__file__).parents[1].joinpath("roles.toml").read_text("utf-8"))["events"]
ROLES = sorted(map(str, ALL))
REFUSED = ("It does not open this page.", "It may not do this, and nothing was sent.")
MOST_ALIKE = 2
"""How many links to one route with the same names in their query are followed from a page."""


def served_routes() -> set[str]:
    """The routes of the page, with {} for a part of the address, and {path} for the rest of it."""
    return {
        f"{method} {re.sub('{(?!path})[^}]*}', '{}', re.sub('{[^}]*:path}', '{path}', path))}"
        for route in ROUTES
        for path in route.paths
        for method in route.http_methods
        if method not in ("HEAD", "OPTIONS")
    }


SERVED = served_routes()


class Page(HTMLParser):
    """The links of a page, and where each of its buttons sends its form."""

    def __init__(self, html: str, path: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.buttons: list[tuple[str, str]] = []
        self._path, self._form = path, ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = given.get("method", "get").upper()
            self._form = f"{method} {given.get('action') or self._path}"
        elif tag in ("button", "input") and given.get("type", "submit" if tag == "button" else "") == "submit":
            self.buttons.append((self._form, f"{given['name']}={given.get('value', '')}" if "name" in given else ""))
        elif tag == "a" and given.get("href", "").startswith(("/", "?")):
            link = given["href"]
            self.links.append(f"{self._path}{link}" if link.startswith("?") else link)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = ""


def route_of(method: str, address: str) -> str | None:
    """The route of the table that an address belongs to; the one without variables if there are several."""
    path = urlsplit(address).path.removesuffix("/") if address != "/" else address
    names = [*TABLE["routes"], *TABLE["open"]["routes"]]
    for key in sorted(names, key=lambda name: (name.count("{"), name)):
        of, _, pattern = key.partition(" ")
        expression = re.escape(pattern).replace(r"\{\}", "[^/]+").replace(r"\{path\}", ".+")
        if of == method and re.fullmatch(expression, path):
            return str(key)
    return None


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("roles")
    url = f"sqlite:///{folder / 'roles.db'}"
    screen(url, something_of_everything())
    subprocess.run([TPP, "snapshot", "close", "2025-06", "--ledger", url], cwd=folder, check=True, capture_output=True)
    with served(url, env={"TPP_SIGNING_KEY": str(folder / "tpp-signing.key")}) as running:
        yield running


@pytest.fixture(scope="module")
def people(web: Served) -> Iterator[dict[str, httpx.Client]]:
    """A browser for each role, with somebody signed in."""
    with ExitStack() as stack:
        sources = {"publisher": ["//wms.example/*"]}
        yield {
            role: stack.enter_context(sign_in(web, web.token(role, f"{role}.one", *sources.get(role, []))))
            for role in ROLES
        }


def example(route: str) -> str:
    path = route.partition(" ")[2]
    return str(TABLE["examples"].get(path, path))


def answer_to(client: httpx.Client, route: str, **fields: str) -> tuple[int, str]:
    """The status and the text of an answer; of a stream its beginning alone. A form is sent without other fields."""
    method, data = route.partition(" ")[0], None
    if method == "POST":
        token = re.findall(r'name="form" value="([0-9a-f]{64})"', client.get("/console").text)
        data = {"form": token[0], **fields} if token else {}
    with client.stream(method, example(route), data=data, headers=SAME) as answer:
        streams = answer.headers.get("content-type", "").startswith("text/event-stream")
        return answer.status_code, "" if streams else answer.read().decode("utf-8", "replace")


def test_every_route_has_its_row() -> None:
    assert {*TABLE["routes"], *TABLE["open"]["routes"]} >= SERVED
    assert all(set(roles) <= set(ROLES) for roles in TABLE["routes"].values())


@pytest.mark.parametrize("route", sorted(SERVED))
def test_a_page_opens_for_the_roles_of_the_table_and_no_other(
    web: Served, people: dict[str, httpx.Client], route: str
) -> None:
    with browser(web) as nobody:
        status, text = answer_to(nobody, route)
        if route in TABLE["open"]["routes"]:
            assert status == 200
            return
        if route.startswith("POST"):
            assert status == 401 and "Nothing was sent" in text, "who sends a form too late is told so"
        else:
            assert status == 303, "who is not signed in is led to the page that signs in"
    fields = {"id": web.token("monitor", "gone").split("_")[1]} if route == "POST /console/tokens/revoke" else {}
    for role, client in people.items():
        if route == "POST /console/me/sign-out":
            with sign_in(web, web.token(role, f"{role}.leaves", "//wms.example/*")) as leaving:
                status, text = answer_to(leaving, route)
        else:
            status, text = answer_to(client, route, **fields)
        refused = status == 403 and any(one in text for one in REFUSED)
        assert refused is (role not in TABLE["routes"][route]), (role, status)
        assert status < 500 and (refused or status != 404), (role, status)


@pytest.mark.parametrize("role", ROLES)
def test_no_link_or_button_of_a_page_is_refused(people: dict[str, httpx.Client], role: str) -> None:
    client, followed = people[role], set[str]()
    pages = [one for one in sorted(SERVED) if one.startswith("GET") and role in TABLE["routes"].get(one, ())]
    assert pages
    for route in pages:
        answer = client.get(example(route)) if route != "GET /console/live" else None
        if answer is None or not answer.headers["content-type"].startswith("text/html"):
            continue
        page = Page(answer.text, urlsplit(example(route)).path)
        for form, button in page.buttons:
            check_button(role, route, form, button)
        alike: dict[str, int] = {}
        for link in page.links:
            kind = f"{route_of('GET', link)} {sorted(urlsplit(link).query.split('&'))}"
            alike[kind] = alike.get(kind, 0) + 1
            if alike[kind] <= MOST_ALIKE and link not in followed:
                followed.add(link)
                check_link(client, role, route, link)


def check_link(client: httpx.Client, role: str, page: str, link: str) -> None:
    of = route_of("GET", link)
    if of is not None and of not in TABLE["open"]["routes"]:
        assert role in TABLE["routes"][of], f"{page} has a link for {role} that is refused: {link}"
        if of not in SERVED:
            return
    with client.stream("GET", link) as answer:
        assert answer.status_code < 400, f"{page} has a link for {role} that answers {answer.status_code}: {link}"


def check_button(role: str, page: str, form: str, button: str) -> None:
    method, _, address = form.partition(" ")
    if method in ("GET", "DIALOG", ""):
        of = route_of("GET", address)
        assert of is None or role in TABLE["routes"][of], f"{page} has a form for {role} that is refused: {form}"
        return
    of = route_of("POST", address)
    key = f"{of or form} {button}".strip()
    assert key in TABLE["buttons"], f"{page} has a button that roles_pages.toml does not name: {key}"
    assert of is None or role in TABLE["routes"][of], f"{page} has a button for {role} that is refused: {key}"
    event = TABLE["buttons"][key]
    assert not event or role in SENDERS[event], f"{page} has a button for {role}, which may not send {event}"


def test_a_button_that_would_be_refused_is_found() -> None:
    html = '<form method="post" action="/console/holds/S-1"><button name="do" value="recheck">R</button></form><a href="/console/periods">P</a>'
    page = Page(html, "/console/holds/S-1")
    assert page.buttons == [("POST /console/holds/S-1", "do=recheck")] and page.links == ["/console/periods"]
    check_button("reviewer", "", *page.buttons[0])
    for role in ("monitor", "finance"):
        with pytest.raises(AssertionError, match="refused"):
            check_button(role, "", *page.buttons[0])
    with pytest.raises(AssertionError, match="does not name"):
        check_button("admin", "", page.buttons[0][0], "do=explode")
    assert route_of("GET", "/console/periods/compare?from=a") == "GET /console/periods/compare"
    assert route_of("GET", "/console/periods/2025-06") == "GET /console/periods/{}"
    assert route_of("GET", "/console/accounts/lpp/CON-1/2025") == "GET /console/accounts/{path}"
    assert route_of("GET", "/console/") == "GET /console"
