"""A browser's part in signing in: it keeps cookies, follows nothing by itself, and says where its requests come from."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import httpx
import pytest
from databases import Databases
from web_run import Served, served

from ledger.database.store import Store
from services.resources import wall_clock
from services.web.access import Role
from services.web.pages.sessions import new_link

_NAMES = count()


def shared(request: pytest.FixtureRequest, folder: pytest.TempPathFactory) -> Iterator[Served]:
    """One running `tpp serve` for all tests of a file, on the kind of database that the fixture's parameter names."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    databases = Databases(request.param, folder.mktemp("shared"), server)
    url = databases.ledger()
    with served(url) as web:
        yield web
    databases.drop(url)


def somebody() -> str:
    """The name of a person who was not there before."""
    return f"person.{next(_NAMES)}"


SAME = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
"""What a browser sends with a form of a page whose policy is `no-referrer`."""


def link(web: Served, role: str = "reviewer", name: str = "r.osei", now: int | None = None) -> str:
    """The path of a new one-time link."""
    store = Store(web.ledger)
    try:
        made = new_link(store, Role(role), name, web.url, wall_clock() if now is None else now)
    finally:
        store.close()
    return made.removeprefix(web.url)


def browser(web: Served) -> httpx.Client:
    """A browser that nobody has signed in with."""
    return web.client(follow_redirects=False)


@contextmanager
def sign_in(web: Served, token: str) -> Iterator[httpx.Client]:
    """A browser in which somebody signed in with a token."""
    with browser(web) as client:
        answer = client.post("/sign-in", data={"token": token}, headers=SAME)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/"), answer.text
        yield client


def form_of(client: httpx.Client) -> str:
    """The token in the form of the landing page."""
    page = client.get("/console/")
    assert page.status_code == 200, page.text
    return re.findall(r'name="form" value="([0-9a-f]{64})"', page.text)[0]


def cookie(answer: httpx.Response, name: str = "tpp_session") -> str:
    """The value of a cookie that an answer sets."""
    return re.findall(rf"(?:__Host-)?{name}=([^;]*)", answer.headers["set-cookie"])[0]


def rows(web: Served, table: str, name: str) -> list:
    """The rows of a table of the served ledger that are of a person."""
    store = Store(web.ledger)
    try:
        with store.read() as connection:
            return list(connection.exec_driver_sql(f"SELECT * FROM {table} WHERE name = '{name}'"))
    finally:
        store.close()
