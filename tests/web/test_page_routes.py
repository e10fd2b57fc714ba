"""What a page is given: its caller, the roles that open it, and the token of its forms."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, Request, get, post
from litestar.datastructures import State
from litestar.testing import TestClient
from signin_run import SAME

import rulebook
from ledger.database.store import Store
from ledger.doors.sessions import end_session
from ledger.doors.tokens import digest_of, revoke_token
from services.resources import engine_on, wall_clock
from services.settings import Settings
from services.web.access import Caller, Role, caller_of, is_open
from services.web.console.home import ROUTES as HOME
from services.web.pages.sessions import first_link, form_token, new_link, posted_in_session, signed_in
from services.web.pages.signin import ROUTES
from services.web.state import Web, web_of
from services.web.tokens import new_token


@get("/console/desk", **signed_in({Role.REVIEWER, Role.PUBLISHER}))
async def desk(request: Request[Any, Any, Any]) -> dict[str, Any]:
    caller = caller_of(request)
    assert isinstance(caller, Caller)
    told = {"id": caller.id, "name": caller.name, "role": caller.role, "sources": caller.sources}
    return told | {"form": form_token(request), "open": await is_open(web_of(request), caller_of(request))}


@post("/console/desk", **signed_in({Role.REVIEWER}))
async def act(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"fields": await posted_in_session(request)}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[TestClient[Any], Store]]:
    store = Store(f"sqlite:///{tmp_path / 'page.db'}")
    store.open()
    law = rulebook.load("ai-diffusion")
    web = Web(store, law, engine_on(store, law), Settings(), wall_clock)
    app = Litestar([desk, act, *ROUTES, *HOME], state=State({"web": web}), openapi_config=None, logging_config=None)
    with TestClient(app) as client:
        client.follow_redirects = False
        yield client, store
    store.close()


def sign_in(client: TestClient[Any], token: str) -> None:
    assert client.post("/sign-in", data={"token": token}, headers=SAME).status_code == 303


def test_a_page_finds_its_caller_with_the_rights_of_the_token(page: tuple[TestClient[Any], Store]) -> None:
    client, store = page
    token = new_token(store, "publisher", "erp", ("//erp.example/*", "x"), None, wall_clock())
    sign_in(client, token)
    told = client.get("/console/desk").json()
    assert told.pop("form") in client.get("/console").text
    assert told == {
        "id": token.split("_")[1], "name": "erp", "role": "publisher", "sources": ["//erp.example/*", "x"], "open": True,
    }  # fmt: skip
    revoke_token(store, told["id"], wall_clock())
    assert client.get("/console/desk").headers["location"] == "/sign-in?next=/console/desk"


def test_a_session_of_a_link_has_an_id_that_is_no_secret(page: tuple[TestClient[Any], Store]) -> None:
    client, store = page
    client.post(new_link(store, Role.REVIEWER, "r.osei", "", wall_clock()), headers=SAME)
    told = client.get("/console/desk").json()
    assert re.fullmatch("session-[0-9a-f]{12}", told["id"])
    assert (told["name"], told["role"], told["sources"]) == ("r.osei", "reviewer", [])


@pytest.mark.parametrize("token", [True, False])
def test_a_session_is_open_until_it_ends(page: tuple[TestClient[Any], Store], token: bool) -> None:
    client, store = page
    if token:
        sign_in(client, new_token(store, "reviewer", "r.osei", (), None, wall_clock()))
    else:
        client.post(new_link(store, Role.REVIEWER, "r.osei", "", wall_clock()), headers=SAME)
    told = client.get("/console/desk").json()
    digest = digest_of(client.cookies["tpp_session"])
    caller = Caller(told["id"], "r.osei", Role.REVIEWER, (), digest)
    assert digest not in repr(caller)
    web = client.app.state.web
    assert asyncio.run(is_open(web, caller))
    if token:
        revoke_token(store, told["id"], wall_clock())
    else:
        end_session(store, digest)
    assert not asyncio.run(is_open(web, caller))


def test_another_role_is_refused_by_a_page(page: tuple[TestClient[Any], Store]) -> None:
    client, store = page
    sign_in(client, new_token(store, "monitor", "m", (), None, wall_clock()))
    for answer in (client.get("/console/desk"), client.post("/console/desk", data={}, headers=SAME)):
        assert answer.status_code == 403
        assert "Your role is monitor" in answer.text
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_form_needs_the_token_of_its_own_session(page: tuple[TestClient[Any], Store]) -> None:
    client, store = page
    token = new_token(store, "reviewer", "r", (), None, wall_clock())
    sign_in(client, token)
    before = client.get("/console/desk").json()["form"]
    good = {"form": before, "why": "because"}
    assert client.post("/console/desk", data=good, headers=SAME).json()["fields"] == good
    assert client.post("/console/desk", data=good, headers={"Sec-Fetch-Site": "cross-site"}).json()["fields"] is None
    assert client.post("/console/desk", data={"why": "because"}, headers=SAME).json()["fields"] is None
    sign_in(client, token)
    after = client.get("/console/desk").json()["form"]
    assert after != before
    assert client.post("/console/desk", data=good, headers=SAME).json()["fields"] is None


@pytest.mark.parametrize(
    ("address", "begins"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/link/"),
        ("https://0.0.0.0:8443", "https://127.0.0.1:8443/link/"),
        ("http://[::]:8080", "http://127.0.0.1:8080/link/"),
        ("http://[::1]:8080", "http://[::1]:8080/link/"),
    ],
)
def test_the_first_link_begins_with_an_address_that_can_be_called(
    page: tuple[TestClient[Any], Store], address: str, begins: str
) -> None:
    client, store = page
    web = client.app.state.web
    made = first_link(web, address)
    assert made is not None
    assert made.startswith(begins)
    new_token(store, "monitor", "m", (), None, wall_clock())
    assert first_link(web, address) is None
