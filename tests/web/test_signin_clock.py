"""When what signs people in ends, to the microsecond: the application with a clock that the test sets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from provider_run import Provider, own_provider, settings
from signin_run import SAME

import rulebook
from ledger.database.store import Store
from services.resources import engine_on, wall_clock
from services.settings import Settings
from services.web.access import Role
from services.web.app import application
from services.web.pages.sessions import new_link
from services.web.state import Web
from services.web.tokens import new_token

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = wall_clock()

    def __call__(self) -> int:
        return self.now


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with own_provider() as running:
        yield running


@pytest.fixture
def page(tmp_path: Path, provider: Provider) -> Iterator[tuple[TestClient[Any], Store, Clock]]:
    """A browser before the application, its ledger, and its clock."""
    store, clock = Store(f"sqlite:///{tmp_path / 'clock.db'}"), Clock()
    store.open()
    law = rulebook.load("ai-diffusion")
    told = {name.removeprefix("TPP_").lower(): value for name, value in settings(provider.issuer).items()}
    web = Web(store, law, engine_on(store, law), Settings(**told), clock)
    with TestClient(application(web)) as client:
        client.follow_redirects = False
        yield client, store, clock
    store.close()


def test_a_link_opens_nothing_from_fifteen_minutes_on(page: tuple[TestClient[Any], Store, Clock]) -> None:
    client, store, clock = page
    first, second = (new_link(store, Role.ADMIN, "a", "", clock.now) for _ in range(2))
    clock.now += 15 * MINUTE - 1
    assert (client.get(first).status_code, client.post(first, headers=SAME).status_code) == (200, 303)
    clock.now += 1
    assert (client.get(second).status_code, client.post(second, headers=SAME).status_code) == (410, 410)
    clock.now += 25 * HOUR
    client.post(new_link(store, Role.ADMIN, "a", "", clock.now), headers=SAME)
    assert client.get(first).status_code == 404


def test_a_session_ends_at_twelve_hours_or_with_its_token(page: tuple[TestClient[Any], Store, Clock]) -> None:
    client, store, clock = page
    begun = clock.now
    client.post(new_link(store, Role.ADMIN, "a", "", clock.now), headers=SAME)
    for after, status in ((12 * HOUR - 1, 200), (12 * HOUR, 303)):
        clock.now = begun + after
        assert client.get("/console").status_code == status
    clock.now = begun
    token = new_token(store, "admin", "a", (), begun + 2 * HOUR, begun)
    signed_in = client.post("/sign-in", data={"token": token}, headers=SAME)
    assert re.findall(r"Max-Age=(\d+)", signed_in.headers["set-cookie"]) == ["7200"]
    for after, status in ((2 * HOUR - 1, 200), (2 * HOUR, 303)):
        clock.now = begun + after
        assert client.get("/console").status_code == status


def test_tokens_are_taken_again_a_minute_after_too_many_wrong_ones(page: tuple[TestClient[Any], Store, Clock]) -> None:
    client, store, clock = page
    good = {"token": new_token(store, "admin", "a", (), None, clock.now)}
    for _ in range(30):
        assert client.post("/sign-in", data={"token": "tpp_no"}, headers=SAME).status_code == 401
        clock.now += SECOND
    refused = client.post("/sign-in", data=good, headers=SAME)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "31")
    clock.now += 30 * SECOND - 1
    assert client.post("/sign-in", data=good, headers=SAME).status_code == 429
    clock.now += 1
    assert client.post("/sign-in", data=good, headers=SAME).status_code == 303


def test_a_sign_in_at_the_provider_may_take_ten_minutes(
    page: tuple[TestClient[Any], Store, Clock], provider: Provider
) -> None:
    client, _, clock = page
    clock.now = clock.now // SECOND * SECOND
    for after, status in ((600 * SECOND, 303), (601 * SECOND, 400)):
        location = client.get("/sign-in/oidc").headers["location"]
        back = provider.authorize(location)
        provider.claims = lambda plain: plain | {"exp": plain["exp"] + 3_600}
        clock.now += after
        answer = client.get(back)
        assert answer.status_code == status, answer.text
        assert ("more than 10 minutes" in answer.text) is (status == 400)


def test_where_the_database_fails_nothing_is_used_up_and_the_log_has_no_secret(
    page: tuple[TestClient[Any], Store, Clock], caplog: pytest.LogCaptureFixture
) -> None:
    client, store, clock = page
    path = new_link(store, Role.ADMIN, "a", "", clock.now)
    token = {"token": new_token(store, "admin", "a", (), None, clock.now)}
    _rename(store, "session", "away")
    for answer in (
        client.post(path, headers=SAME),
        client.post("/sign-in", data=token, headers=SAME),
        client.get("/console", headers={"Cookie": "tpp_session=x"}),
    ):
        assert answer.status_code == 503, answer.text
        assert "Nothing was changed" in answer.text
        assert "set-cookie" not in answer.headers
    _rename(store, "away", "session")
    assert client.post(path, headers=SAME).status_code == 303
    _rename(store, "link", "away")
    assert (client.get(path).status_code, client.post(path, headers=SAME).status_code) == (503, 503)
    told = [one.getMessage() for one in caplog.records if one.name.startswith("tpp")]
    assert len([one for one in told if one.startswith("a page was not shown")]) == 5
    assert path.rpartition("/")[2] not in "".join(told)
    assert token["token"] not in "".join(told)


def _rename(store: Store, table: str, name: str) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")
