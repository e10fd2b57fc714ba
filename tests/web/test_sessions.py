"""Sessions: the cookie, when they end, and that a form needs the session's own token."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from databases import KINDS
from signin_run import SAME, browser, cookie, form_of, link, rows, shared, sign_in, somebody
from web_run import Served, served

from ledger.database.store import Store
from ledger.doors.sessions import Session, open_session
from ledger.doors.tokens import digest_of, revoke_token
from services.resources import wall_clock

HOURS = 3_600_000_000


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from shared(request, tmp_path_factory)


def keep(web: Served, secret: str, created: int, expires: int, token: str | None = None) -> None:
    store = Store(web.ledger)
    open_session(store, Session("r.osei", "reviewer", (), token, created, expires), digest_of(secret), None)
    store.close()


def status(web: Served, secret: str) -> int:
    with browser(web) as client:
        return client.get("/console/", headers={"Cookie": f"tpp_session={secret}"}).status_code


def test_the_cookie_is_for_this_server_and_no_script(web: Served) -> None:
    with browser(web) as client:
        told = client.post(link(web), headers=SAME).headers["set-cookie"].lower()
    parts = {part.strip() for part in told.split(";")}
    assert {"httponly", "path=/", "samesite=lax", "max-age=43200"} <= parts
    assert not {"secure"} & parts
    assert not [part for part in parts if part.startswith("domain")]


def test_where_people_come_by_https_the_cookie_is_secure_and_of_this_host(tmp_path) -> None:
    with (
        served(f"sqlite:///{tmp_path / 'https.db'}", env={"TPP_PUBLIC_URL": "https://ledger.example"}) as web,
        browser(web) as client,
    ):
        answer = client.post(link(web), headers={"Origin": "https://ledger.example"})
        told = answer.headers["set-cookie"].lower()
        assert told.startswith("__host-tpp_session=")
        assert "secure" in {part.strip() for part in told.split(";")}
        secret = cookie(answer)
        assert client.get("/console/", headers={"Cookie": f"__Host-tpp_session={secret}"}).status_code == HTTPStatus.OK
        bare = client.get("/console/", headers={"Cookie": f"tpp_session={secret}"})
        assert bare.headers["location"] == "/sign-in"
        assert any("https://ledger.example/link/" in line for line in web.lines)


def test_signing_in_makes_a_new_session_and_ends_the_one_before(web: Served) -> None:
    name = somebody()
    token = web.token("finance", name)
    with browser(web) as client:
        client.cookies.set("tpp_session", "chosen-by-somebody-else")
        first = cookie(client.post(link(web, name=name), headers=SAME))
        assert first != "chosen-by-somebody-else"
        second = cookie(
            client.post("/sign-in", data={"token": token}, headers=SAME | {"Cookie": f"tpp_session={first}"})
        )
    assert [status(web, secret) for secret in ("chosen-by-somebody-else", first, second)] == [303, 303, 200]
    assert len(rows(web, "session", name)) == 1


def test_signing_out_ends_the_session_in_the_database(web: Served) -> None:
    name = somebody()
    with sign_in(web, web.token("admin", name)) as client, sign_in(web, web.token("admin", name)) as other:
        secret, form = client.cookies["tpp_session"], form_of(client)
        for wrong in ({}, {"form": ""}, {"form": form_of(other)}, {"form": "é"}):
            assert client.post("/sign-out", data=wrong, headers=SAME).status_code == HTTPStatus.FORBIDDEN
        assert status(web, secret) == HTTPStatus.OK
        out = client.post("/sign-out", data={"form": form}, headers=SAME)
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
        assert "max-age=0" in out.headers["set-cookie"].lower()
        assert status(web, secret) == HTTPStatus.SEE_OTHER
        assert len(rows(web, "session", name)) == 1
        assert other.get("/console/").status_code == HTTPStatus.OK


def test_a_session_ends_after_twelve_hours_whatever_is_done_with_it(web: Served) -> None:
    name = somebody()
    with browser(web) as client:
        client.post(link(web, name=name), headers=SAME)
    ((*_, created, expires),) = rows(web, "session", name)
    assert expires - created == 12 * HOURS
    now = wall_clock()
    keep(web, "ended", now - 12 * HOURS, now - 1)
    keep(web, "open", now - 11 * HOURS, now + HOURS)
    assert (status(web, "ended"), status(web, "open")) == (303, 200)
    with browser(web) as client:
        client.post(link(web), headers=SAME)
    assert digest_of("ended") not in {digest for digest, *_ in rows(web, "session", "r.osei")}


def test_a_session_ends_with_the_token_that_opened_it(web: Served) -> None:
    now, name = wall_clock(), somebody()
    token = web.token("reviewer", name, expires=now + HOURS)
    with sign_in(web, token) as client, browser(web) as by_link:
        by_link.post(link(web), headers=SAME)
        assert [expires for *_, id, _, expires in rows(web, "session", name) if id] == [now + HOURS]
        store = Store(web.ledger)
        revoke_token(store, token.split("_")[1], wall_clock() + HOURS)
        store.close()
        assert client.get("/console/").headers["location"] == "/sign-in"
        assert by_link.get("/console/").status_code == HTTPStatus.OK
    ended = web.token("reviewer", "r.osei", expires=now - 1).split("_")[1]
    keep(web, "of-an-expired-one", now - HOURS, now + HOURS, ended)
    keep(web, "of-none", now - HOURS, now + HOURS, "no-such-token")
    assert (status(web, "of-an-expired-one"), status(web, "of-none")) == (303, 303)


def test_who_is_not_signed_in_is_led_to_the_page_that_signs_in(web: Served) -> None:
    with web.client(web.token("admin"), follow_redirects=False) as client:
        for path in ("/console", "/console/"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert client.post("/sign-out", data={"form": "x"}).headers["location"] == "/sign-in"
        assert client.get("/console/", headers={"Cookie": "tpp_session="}).headers["location"] == "/sign-in"
