"""Who is let in over HTTP: a token that is known, lasts and has the role, and nobody else."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from litestar import Request, get
from sqlalchemy import create_engine, event, text
from waiting import PATIENCE, wait_until
from web_inside import NOW, Inside, inside

from ledger.database.store import Store, ledger_url
from ledger.doors.tokens import HOUR, digest_of, list_tokens, revoke_token
from services.web.access import Role, calendar_caller, caller_of, is_open, roles
from services.web.state import Web, web_of
from services.web.tokens import FRESH, id_in

HOUR_OF_NOW = NOW // HOUR * HOUR


def refusals(web: Web) -> dict[str, int]:
    """How many requests were refused for their token, by problem, as the metrics have it; none left out but 0."""
    found = web.health.registry.collect()
    samples = [one for metric in found if metric.name == "tpp_tokens_refused" for one in metric.samples]
    return {one.labels["problem"]: int(one.value) for one in samples if one.name.endswith("_total") and one.value}


def only(role: Role) -> Any:
    @get(f"/only/{role}", **roles({role}))
    async def handler(request: Request[Any, Any, Any]) -> dict[str, str]:
        found = caller_of(request)
        return {"id": found.id, "name": found.name, "role": found.role, "sources": " ".join(found.sources)}

    return handler


@get("/calendar")
async def calendar(request: Request[Any, Any, Any]) -> str:
    """Takes a token in the address."""
    return (await calendar_caller(request, request.query_params.get("token"))).name


@get("/open", **roles(Role))
async def still_open(request: Request[Any, Any, Any]) -> bool:
    """Whether the caller's token still opens anything, once it is revoked by the request itself."""
    web, caller = web_of(request), caller_of(request)
    before = await is_open(web, caller)
    if "revoke" in request.query_params:
        revoke_token(web.store, caller.id, web.now())
        await asyncio.sleep(FRESH * 1.1)
    return before and await is_open(web, caller)


ROUTES = (*map(only, Role), calendar, still_open)


@pytest.fixture
def running(ledger_url: str) -> Iterator[Inside]:
    with inside(ledger_url, ROUTES) as found:
        yield found


def problem(response: httpx.Response) -> tuple[int, str]:
    """The status of a problem, and the last part of its type."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def refused_for(response: httpx.Response) -> str:
    """For what a request is refused with 401."""
    status, slug = problem(response)
    assert (status, response.headers["www-authenticate"]) == (401, "Bearer")
    return slug


def test_each_role_opens_its_routes_and_no_other(running: Inside) -> None:
    tokens = {role: running.token(role, f"{role}.one", "//a", "//b/*") for role in Role}
    for role, token in tokens.items():
        for of in Role:
            response = running.get(f"/only/{of}", token)
            if of is role:
                told = {"id": token[4:16], "name": f"{role}.one", "role": role, "sources": "//a //b/*"}
                assert (response.status_code, response.json()) == (200, told)
            else:
                assert problem(response) == (403, "role-forbidden")
    assert running.get("/nowhere").status_code == 404
    assert httpx.post(f"{running.url}/only/admin", timeout=PATIENCE).status_code == 405


def test_a_header_that_is_not_one_bearer_token_is_none(running: Inside) -> None:
    token, path = running.token("admin"), f"{running.url}/only/admin"
    good = [f"Bearer {token}", f"bearer {token}", f"BEARER   {token}"]
    for value in good:
        assert httpx.get(path, headers={"Authorization": value}, timeout=PATIENCE).status_code == 200, value
    missing = ["", "Bearer", f"Basic {token}", token, f"Token {token}", f"Bearer{token}", f"Bearer {token} x",
               f"Bearer\t{token}", f"Bearer: {token}"]  # fmt: skip
    for value in missing:
        assert refused_for(httpx.get(path, headers={"Authorization": value}, timeout=PATIENCE)) == "token-missing", (
            value
        )
    twice = httpx.get(path, headers=[("Authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")])
    assert refused_for(twice) == "token-missing"
    assert refused_for(running.get(f"/only/admin?token={token}")) == "token-missing"


def test_a_mangled_token_is_not_known(running: Inside) -> None:
    token = running.token("admin")
    id, secret = token.split("_")[1:]
    mangled = [token[:-1], f"{token}a", token[:-1] + ("a" if token[-1] != "a" else "b"), f"tpp_{id}_", f"tpp_{id}",
               f"tpp_{secret}_{id}", token.upper(), token.swapcase(), f"TPP_{id}_{secret}", f"tpp__{secret}", "x" * 9_000,
               f'"{token}"', f"{token},{token}", f"tpp_{id}_{'%'}", "tpp_" + "a" * 12 + "_" + "b" * 40]  # fmt: skip
    for value in mangled:
        assert refused_for(running.get("/only/admin", value)) == "token-unknown", value
    strange = httpx.get(
        f"{running.url}/only/admin", headers={"Authorization": f"Bearer {token}é".encode()}, timeout=PATIENCE
    )
    assert refused_for(strange) == "token-unknown"
    assert running.get("/only/admin", token).status_code == 200
    assert len(running.web.tokens) == 1, "a token that does not exist is kept in memory"


def test_a_token_ends_at_its_instant_and_when_it_is_revoked(running: Inside) -> None:
    until, whole = running.token("admin", expires=NOW + 1_000), running.token("admin")
    assert running.get("/only/admin", until).status_code == 200
    running.now = NOW + 999
    assert running.get("/only/admin", until).status_code == 200
    running.now = NOW + 1_000
    assert refused_for(running.get("/only/admin", until)) == "token-expired"
    assert running.get("/only/admin", whole).status_code == 200
    assert revoke_token(running.web.store, whole[4:16], NOW)
    wait_until(lambda: running.get("/only/admin", whole).status_code == 401)
    assert refused_for(running.get("/only/admin", whole)) == "token-revoked"
    assert FRESH <= 0.5, "a token that was revoked may open something for half a second, and a request takes time too"


def test_a_long_stream_learns_that_its_token_has_ended(running: Inside) -> None:
    token = running.token("monitor")
    assert running.get("/open", token).json() is True
    assert running.get("/open?revoke", token).json() is False


def test_only_a_calendars_token_stands_in_an_address(running: Inside) -> None:
    token = running.token("calendar", "desk")
    assert running.get(f"/calendar?token={token}").text == "desk"
    assert refused_for(running.get("/calendar")) == "token-missing"
    assert refused_for(running.get("/calendar", token)) == "token-missing"
    assert refused_for(running.get(f"/calendar?token={token}x")) == "token-unknown"
    for role in set(Role) - {Role.CALENDAR}:
        assert problem(running.get(f"/calendar?token={running.token(role)}")) == (403, "role-forbidden")


def test_refusals_are_counted_and_logged_without_the_token(running: Inside, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = running.token("monitor")
    unknown, path = f"{token[:-1]}{'a' if token[-1] != 'a' else 'b'}", "/only/admin"
    for given in (None, "garbage", unknown, token, token):
        running.get(path, given)
    running.get("/nowhere", token)
    assert refusals(running.web) == {"token-missing": 1, "token-unknown": 2, "role-forbidden": 2}
    logged = [one.getMessage() for one in caplog.records if one.name == "tpp.web"]
    assert logged == [
        "refused GET /only/admin: token-missing, token none",
        "refused GET /only/admin: token-unknown, token malformed",
        f"refused GET /only/admin: token-unknown, token {id_in(token)}",
        *[f"refused GET /only/admin: role-forbidden, token {id_in(token)}"] * 2,
    ]
    assert token[17:-1] not in caplog.text
    assert "garbage" not in caplog.text


def test_a_token_that_asks_too_often_waits_and_no_other_does(ledger_url: str) -> None:
    with inside(ledger_url, ROUTES, rate=1) as running:
        busy, calm = running.token("admin"), running.token("admin")
        for _ in range(2):
            assert running.get("/only/admin", busy).status_code == 200
        found: list[httpx.Response] = []
        wait_until(lambda: found.append(running.get("/only/finance", busy)) or found[-1].status_code == 429, every=0)
        assert problem(found[-1]) == (429, "rate-exceeded")
        assert found[-1].headers["retry-after"] == "1"
        assert refusals(running.web) == {"rate-exceeded": 1}
        assert running.get("/only/admin", calm).status_code == 200
        wait_until(lambda: running.get("/only/admin", busy).status_code == 200)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """The ledger's lock, which another writer has until the end of the block."""
    engine = create_engine(ledger_url(url))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT * FROM head FOR UPDATE"))
        else:
            connection.connection.driver_connection.isolation_level = None
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.connection.driver_connection.rollback()
    engine.dispose()


def last_used(running: Inside) -> list[int | None]:
    with running.web.store.read() as connection:
        return [one.last_used for one in list_tokens(connection)]


def test_the_hour_of_use_is_noted_and_no_request_waits_for_the_ledgers_lock(running: Inside, ledger_url: str) -> None:
    tokens = [running.token("admin", f"name-{number}") for number in range(3)]
    with locked(ledger_url):
        for token in tokens:
            assert running.get("/only/admin", token).status_code == 200
    wait_until(lambda: last_used(running) == [HOUR_OF_NOW] * 3)
    store = Store(ledger_url)
    with store.begin() as connection:
        connection.execute(text("UPDATE token SET last_used = NULL"))
    store.close()
    running.now = HOUR_OF_NOW + HOUR - 1
    assert running.get("/only/admin", tokens[0]).status_code == 200
    running.now = HOUR_OF_NOW + HOUR
    assert running.get("/only/admin", tokens[1]).status_code == 200
    wait_until(lambda: any(last_used(running)))
    assert sorted(last_used(running), key=bool) == [None, None, HOUR_OF_NOW + HOUR], "a use was noted twice in an hour"


def test_where_the_ledger_does_not_say_what_it_knows_nobody_is_let_in(
    running: Inside, ledger_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = running.token("admin")
    store = Store(ledger_url)
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE token RENAME TO hidden"))
    caplog.set_level(logging.DEBUG)
    found = running.get("/only/admin", token)
    assert problem(found) == (503, "ledger-unavailable")
    assert "the ledger does not say what it knows of a token" in caplog.text
    assert digest_of(token) not in caplog.text
    assert found.headers["retry-after"] == "1"
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO token"))
    store.close()
    wait_until(lambda: running.get("/only/admin", token).status_code == 200)


def test_who_waits_for_the_ledger_holds_up_nobody(running: Inside, ledger_url: str) -> None:
    """PostgreSQL alone has a lock for which readers wait."""
    if not ledger_url.startswith("postgresql"):
        return
    token = running.token("admin")
    engine = create_engine(ledger_url)
    with ThreadPoolExecutor() as pool, engine.connect() as connection:
        connection.execute(text("LOCK TABLE token IN ACCESS EXCLUSIVE MODE"))
        waiting = [pool.submit(running.get, "/only/admin", one) for one in (token, token, token[:-1] + "-", None)]
        assert running.get("/health/live").status_code == 200
        assert [problem(one.result())[0] for one in waiting] == [503, 503, 401, 401]
        connection.rollback()
    engine.dispose()
    wait_until(lambda: running.get("/only/admin", token).status_code == 200)


def test_many_at_once_with_one_token_ask_the_ledger_once(running: Inside) -> None:
    token, asked = running.token("admin"), []

    @event.listens_for(running.web.store.engine, "before_cursor_execute")
    def count(*said: Any) -> None:
        if "FROM token" in said[2]:
            asked.append(said[2])

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(running.web.tokens.find(token) for _ in range(50)))

    assert {one.id for one in asyncio.run(all_at_once())} == {token[4:16]}
    assert len(asked) == 1
