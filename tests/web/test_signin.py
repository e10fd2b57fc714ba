"""One-time links and tokens: what signs a person in, what does not, and what a page tells a browser."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest
from databases import KINDS
from signin_run import SAME, browser, cookie, form_of, link, rows, shared, sign_in, somebody
from sqlalchemy import text
from waiting import wait_until
from web_run import Served, served

from ledger.database.store import Store
from ledger.doors.tokens import digest_of, revoke_token
from services.resources import wall_clock
from services.web.pages.sessions import LINK_SECONDS

MINUTE = 60_000_000
BATCH = "application/cloudevents-batch+json"


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from shared(request, tmp_path_factory)


def test_a_link_is_used_up_by_its_button_and_by_nothing_else(web: Served) -> None:
    name = somebody()
    path = link(web, name=name)
    with browser(web) as scanner:
        for _ in range(3):
            shown = scanner.get(path, headers={"Sec-Purpose": "prefetch"})
            assert (shown.status_code, scanner.head(path).status_code) == (200, 200)
            assert shown.text.count("<button") == 1
            assert name in shown.text
            assert "set-cookie" not in shown.headers
    with browser(web) as person, browser(web) as late:
        used = person.post(path, headers=SAME)
        assert (used.status_code, used.headers["location"]) == (303, "/console/")
        page = person.get("/console/").text
        assert f"<b>{name}</b>, reviewer" in page
        for answer in (late.post(path, headers=SAME), late.get(path), late.head(path)):
            assert answer.status_code == HTTPStatus.GONE
            assert "set-cookie" not in answer.headers
        assert late.get("/console/").headers["location"] == "/sign-in"
    ((digest, *_),) = rows(web, "session", name)
    assert digest == digest_of(cookie(used))
    assert cookie(used) not in repr(rows(web, "session", name) + rows(web, "link", name))
    assert path.rpartition("/")[2] not in repr(rows(web, "link", name)) + "".join(web.lines[3:])


def test_of_many_that_use_a_link_at_once_one_is_signed_in(web: Served) -> None:
    name = somebody()
    path, ready = link(web, name=name), threading.Barrier(8)

    def use(_: int) -> int:
        with browser(web) as client:
            client.get("/health/live")
            ready.wait()
            return client.post(path, headers=SAME).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [303] + [410] * 7
    assert len(rows(web, "session", name)) == 1


def test_a_link_ends_after_fifteen_minutes(web: Served) -> None:
    now = wall_clock()
    old = link(web, now=now - LINK_SECONDS * 1_000_000)
    fresh = link(web, now=now - LINK_SECONDS * 1_000_000 + 10 * MINUTE)
    with browser(web) as client:
        assert [client.get(path).status_code for path in (old, fresh)] == [410, 200]
        assert client.post(old, headers=SAME).status_code == HTTPStatus.GONE
        assert client.post(fresh, headers=SAME).status_code == HTTPStatus.SEE_OTHER
        assert [client.request(verb, "/link/unknown").status_code for verb in ("GET", "HEAD", "POST")] == [404] * 3


def test_the_server_prints_a_link_for_an_administrator_while_there_is_no_token(ledger_url: str) -> None:
    with served(ledger_url) as first:
        wait_until(lambda: any("/link/" in line for line in first.lines))
        printed = re.findall(r"(http://\S+)(/link/\S+)", "".join(first.lines))
        assert [address for address, _ in printed] == [first.url]
        with browser(first) as client:
            assert client.post(printed[0][1], headers=SAME).status_code == HTTPStatus.SEE_OTHER
            assert "<b>admin</b>, admin" in client.get("/console/").text
        token = first.token("monitor")
        first.stop()
    store = Store(ledger_url)
    assert revoke_token(store, token.split("_")[1], wall_clock())
    store.close()
    with served(ledger_url) as second, second.client() as client:
        client.get("/health/live")
        second.stop()
        assert not [line for line in second.lines if "/link/" in line]


def test_every_page_says_what_a_browser_may_do(web: Served) -> None:
    path = link(web)
    with browser(web) as client:
        pages = [client.get(path), client.get("/sign-in"), client.get("/link/unknown"), client.get("/console/")]
        pages += [
            client.post("/sign-in", data={"token": "x"}),
            client.post(path, headers=SAME),
            client.get("/console/"),
        ]
        pages += [client.get(path), client.post("/sign-out", data={})]
    for page in pages:
        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        own = {policy.pop(name) for name in ("style-src", "img-src", "form-action")}
        scripts = {policy.pop(name, "'none'") for name in ("script-src", "connect-src")}
        assert own == {"'self'"} and scripts == ({"'self'"} if "<script" in page.text else {"'none'"})
        assert policy == dict.fromkeys(("default-src", "base-uri", "frame-ancestors"), "'none'")
        assert page.headers["referrer-policy"] == "no-referrer"
        assert all(one.startswith(' src="/console/assets/') for one in page.text.split("<script")[1:])
        assert not re.search(r'(?:src|href|action)="(?!/[a-z]|#|")', page.text)
        assert "http:" not in page.text and "https:" not in page.text and "style=" not in page.text


def test_a_token_signs_in_and_its_session_has_its_rights(web: Served) -> None:
    for role in ("publisher", "monitor", "reviewer", "finance", "admin"):
        with sign_in(web, web.token(role, f"some.{role}", "//wms.example/*")) as client:
            assert f"<b>some.{role}</b>, {role}" in client.get("/console/").text
    with browser(web) as client:
        refused = client.post("/sign-in", data={"token": web.token("calendar")}, headers=SAME)
        assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


def test_unknown_revoked_and_expired_tokens_sign_nobody_in(web: Served) -> None:
    now = wall_clock()
    expired, revoked = web.token("admin", expires=now - 1), web.token("admin")
    store = Store(web.ledger)
    revoke_token(store, revoked.split("_")[1], now)
    store.close()
    with browser(web) as client:
        for token, why in ((expired, "has expired"), (revoked, "was revoked"), ("tpp_no", "No such"), ("", "No such")):
            answer = client.post("/sign-in", data={"token": token}, headers=SAME)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert why in answer.text
            assert "set-cookie" not in answer.headers
            assert not token or token not in answer.text


def test_guesses_are_counted_over_all_who_try(tmp_path) -> None:
    with served(f"sqlite:///{tmp_path / 'guesses.db'}") as web:
        _guess(web, web.token("admin"))


def _guess(web: Served, good: str) -> None:
    with browser(web) as one, browser(web) as other:
        codes = [
            client.post("/sign-in", data={"token": f"tpp_{n}"}).status_code
            for n in range(16)
            for client in (one, other)
        ]
        assert codes == [401] * 30 + [429] * 2
        refused = one.post("/sign-in", data={"token": good})
        assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert one.post(link(web), headers=SAME).status_code == HTTPStatus.SEE_OTHER


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "OWN"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
    {"Origin": "OWN.elsewhere.example"},
]


def test_a_form_of_another_site_does_nothing(web: Served) -> None:
    path, token = link(web), web.token("admin")
    with browser(web) as client, sign_in(web, token) as victim:
        form = form_of(victim)
        for headers in FOREIGN:
            told = {name: value.replace("OWN", web.url) for name, value in headers.items()}
            for answer in (
                client.post(path, headers=told),
                client.post("/sign-in", data={"token": token}, headers=told),
                victim.post("/sign-out", data={"form": form}, headers=told),
            ):
                assert answer.status_code == HTTPStatus.FORBIDDEN, told
                assert "set-cookie" not in answer.headers
        assert victim.get("/console/").status_code == HTTPStatus.OK
        assert client.post(path, headers={"Origin": web.url}).status_code == HTTPStatus.SEE_OTHER


def test_odd_forms_are_refused(web: Served) -> None:
    token = web.token("admin")
    with browser(web) as client:
        for body, kind in (
            (f"token={token}", "text/plain"),
            (f"token={token}&token={token}", "application/x-www-form-urlencoded"),
            ("&".join(f"a{n}=1" for n in range(30)), "application/x-www-form-urlencoded"),
            (f'{{"token":"{token}"}}', "application/json"),
        ):
            answer = client.post("/sign-in", content=body, headers={"Content-Type": kind})
            assert answer.status_code == HTTPStatus.FORBIDDEN, body
        large = client.post("/sign-in", data={"token": "x" * 20_000})
        assert large.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        bytes_ = client.post(
            "/sign-in", content=b"token=\xff%ff", headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert bytes_.status_code in (401, 403)


def test_those_who_wait_for_the_ledger_to_be_signed_in_hold_up_nobody(ledger_url: str) -> None:
    """On SQLite they wait for the lock of writers, on PostgreSQL for that of their table."""
    with served(ledger_url) as web, ThreadPoolExecutor(20) as pool, web.client(web.token("reviewer")) as client:
        assert client.get("/v1/accounts").status_code == 200
        token, store = web.token("monitor", "m.osei"), Store(ledger_url)

        def sign(_: int) -> int:
            with browser(web) as one:
                return one.post("/sign-in", data={"token": token}, headers=SAME).status_code

        with store.begin() as connection:
            if store.postgresql:
                connection.execute(text("LOCK TABLE session IN EXCLUSIVE MODE"))
            waiting = [pool.submit(sign, number) for number in range(20)]
            for _ in range(10):
                long = b"[" + b" " * 100_000 + b"]"
                checked = client.post("/v1/check", content=long, headers={"Content-Type": BATCH})
                assert (checked.status_code, client.get("/v1/accounts").status_code) == (200, 200)
                assert client.get("/health/ready").status_code == 200
            assert not any(one.done() for one in waiting)
        store.close()
        assert [one.result() for one in waiting] == [303] * 20
