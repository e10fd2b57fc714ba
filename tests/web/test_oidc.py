"""Sign-in through an identity provider: one that is not ours, and answers that an honest one would not give."""

import base64
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey
from provider_run import CLIENT, SECRET, Provider, consent, mock_provider, own_provider, settings
from signin_run import browser, cookie
from waiting import PATIENCE
from web_run import TPP, Served, served

from services.failure import Failure
from services.settings import Settings
from services.web.pages.oidc import provider_of

START, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_provider() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def with_mock(mock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    url = f"sqlite:///{tmp_path_factory.mktemp('oidc') / 'ledger.db'}"
    with served(url, env=settings(mock)) as web:
        yield web


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with own_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def with_own(running: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    url = f"sqlite:///{tmp_path_factory.mktemp('own') / 'ledger.db'}"
    with served(url, env=settings(running.issuer)) as web:
        yield web


@pytest.fixture
def own(running: Provider) -> Provider:
    """The provider of our own, honest again."""
    plain = Provider(issuer=running.issuer, key=running.key)
    for name in ("signs", "header", "algorithms", "claims", "raw", "metadata", "userinfo", "codes"):
        setattr(running, name, getattr(plain, name))
    return running


def person(mock: str, name: str, **claims: Any) -> str:
    assert httpx.put(f"{mock}/users/{name}", json=claims).status_code == HTTPStatus.NO_CONTENT
    return name


def begin(client: httpx.Client) -> str:
    """Where the provider's page is."""
    answer = client.get(START)
    assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
    told = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "max-age=600", "path=/"} <= {part.strip() for part in told.split(";")}
    return answer.headers["location"]


def path_of(back: str) -> str:
    parts = urlsplit(back)
    return f"{parts.path}?{parts.query}"


def refused(answer: httpx.Response, status: int, said: str) -> None:
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert "tpp_session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    ("claims", "who"),
    [
        ({"preferred_username": "r.osei", "groups": ["x", "tpp-review"]}, "<b>r.osei</b>, reviewer"),
        (
            {"email": "b@example.com", "email_verified": True, "groups": "cn=x"},
            "<b>b@example.com</b>, monitor",
        ),
        ({"preferred_username": "a", "groups": ["tpp-review", "tpp-admins"]}, "<b>a</b>, admin"),
    ],
    ids=["a group", "an email", "several groups"],
)
def test_a_person_signs_in_through_a_provider_that_is_not_ours(
    mock: str, with_mock: Served, claims: dict[str, Any], who: str
) -> None:
    with browser(with_mock) as client:
        assert f'href="{START}"' in client.get("/sign-in").text
        location = begin(client)
        asked = dict(parse_qsl(urlsplit(location).query))
        assert location.startswith(f"{mock}/")
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert asked["redirect_uri"] == with_mock.url + CALLBACK
        back = consent(location, person(mock, "sub-1", **claims))
        answer = client.get(path_of(back))
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
        assert len(cookie(answer)) == 43
        assert who in client.get("/console/").text
        refused(client.get(path_of(back)), 400, "did not begin")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"preferred_username": "r.osei", "groups": ["others"]}, "You have no role here"),
        ({"preferred_username": "r.osei"}, "You have no role here"),
        ({"preferred_username": "r.osei", "groups": {"tpp-admins": 1}}, "You have no role here"),
        ({"groups": ["tpp-admins"]}, "gives you no preferred_username"),
        (
            {"email": "b@example.com", "email_verified": False, "groups": ["tpp-admins"]},
            "gives you no preferred_username",
        ),
        ({"preferred_username": "two words", "groups": ["tpp-admins"]}, "cannot be a name here"),
        ({"preferred_username": "<b>x", "groups": ["tpp-admins"]}, "&lt;b&gt;x"),
        ({"preferred_username": 7, "groups": ["tpp-admins"]}, "gives you no preferred_username"),
    ],
    ids=str,
)
def test_a_person_whose_claims_do_not_fit_is_told_so(
    mock: str, with_mock: Served, claims: dict[str, Any], said: str
) -> None:
    with browser(with_mock) as client:
        back = consent(begin(client), person(mock, "sub-2", **claims))
        refused(client.get(path_of(back)), 403, said)
        assert client.get("/console/").headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/console/holds/SHP-1?a=b", "/console/holds/SHP-1?a=b"),
        ("//elsewhere.example", "/console/"),
        ("/v1/holds", "/console/"),
    ],
)
def test_a_person_is_led_to_the_page_that_was_asked_for(mock: str, with_mock: Served, asked: str, led: str) -> None:
    name = person(mock, "sub-next", preferred_username="r.osei", groups=["tpp-review"])
    with browser(with_mock) as client:
        answer = client.get(START, params={"next": asked})
        back = path_of(consent(answer.headers["location"], name))
        assert client.get(back).headers["location"] == led


def test_an_answer_is_taken_once_in_the_browser_that_asked(mock: str, with_mock: Served) -> None:
    name = person(mock, "sub-3", preferred_username="a", groups=["tpp-admins"])
    with browser(with_mock) as client, browser(with_mock) as other:
        back = path_of(consent(begin(client), name))
        kept = client.cookies["tpp_oidc"]
        refused(other.get(back), 400, "did not begin")
        begin(other)
        refused(other.get(back), 400, "belongs to another sign-in")
        assert client.get(back).status_code == HTTPStatus.SEE_OTHER
        replayed = other.get(back, headers={"Cookie": f"tpp_oidc={kept}"})
        refused(replayed, 403, "invalid_grant")
    with browser(with_mock) as client:
        begin(client)
        for query, status, said in (
            ("", 400, "another sign-in"),
            ("?code=x&state=y", 400, "another sign-in"),
            ("?code=x&state=y&state=z", 400, "twice"),
        ):
            begin(client)
            refused(client.get(CALLBACK + query), status, said)


def test_a_cookie_that_was_changed_or_is_old_begins_nothing(with_own: Served, own: Provider) -> None:
    with browser(with_own) as client:
        back = path_of(own.authorize(begin(client)))
        value = client.cookies["tpp_oidc"]
        began, secret, signature = value.split(".")
        for forged in (
            f"{int(began) + 60}.{secret}.{signature}",
            f"{began}.{secret[:-1]}.{signature}",
            f"{began}.{secret}.{'0' * 64}",
            f"{began}.{secret}",
            "..",
            "é",
        ):
            answer = client.get(back, headers={"Cookie": f"tpp_oidc={forged}".encode()})
            refused(answer, 400, "did not begin")


def changed(**claims: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda plain: plain | claims


NOW = int(time.time())
BAD_CLAIMS = {
    "another nonce": {"nonce": "n"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "http://127.0.0.1:1"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "somebody"},
    "no audience": {"aud": None},
    "several audiences without azp": {"aud": [CLIENT, "other"]},
    "another azp": {"aud": [CLIENT, "other"], "azp": "other"},
    "expired": {"exp": NOW - 3_600},
    "no exp": {"exp": None},
    "exp as a text": {"exp": "never"},
    "of the future": {"nbf": NOW + 86_400},
    "no iat": {"iat": None},
    "no sub": {"sub": None},
    "of another access token": {"at_hash": "AAAA"},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
def test_an_id_token_that_is_not_for_us_signs_nobody_in(
    with_own: Served, own: Provider, claims: dict[str, Any]
) -> None:
    own.claims = changed(**claims)
    with browser(with_own) as client:
        refused(client.get(path_of(own.authorize(begin(client)))), 403, "ID token is not valid")


def unsigned(own: Provider) -> str:
    """The token that would be taken, but for its signature."""
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{header}.{own.token().split('.')[1]}."


def test_an_id_token_with_no_or_another_signature_signs_nobody_in(with_own: Served, own: Provider) -> None:
    other = RSAKey.generate_key(2048, {"kid": "one"})
    confused = OctKey.import_key(own.key.as_dict(private=False)["n"])
    for signs, header, algorithms, raw in (
        (other, {"alg": "RS256", "kid": "one"}, None, None),
        (None, {"alg": "RS256", "kid": "two"}, None, None),
        (None, {}, None, "unsigned"),
        (None, {}, None, ""),
        (None, {}, None, "a.b.c"),
        (confused, {"alg": "HS256", "kid": "one"}, ["HS256"], None),
        (OctKey.import_key(SECRET.encode().ljust(32, b" ")), {"alg": "HS256"}, ["HS256"], None),
    ):
        with browser(with_own) as client:
            back = path_of(own.authorize(begin(client)))
            own.raw = unsigned(own) if raw == "unsigned" else raw
            own.signs, own.header, own.algorithms = signs, header or own.header, algorithms
            refused(client.get(back), 403, "ID token is not valid")
            own.signs, own.header, own.algorithms, own.raw = None, {"alg": "RS256", "kid": "one"}, None, None


def test_an_honest_answer_of_the_same_provider_signs_in(with_own: Served, own: Provider) -> None:
    own.header = {"alg": "RS256"}
    with browser(with_own) as client:
        answer = client.get(path_of(own.authorize(begin(client), iss=own.issuer)))
        assert answer.headers["location"] == "/console/"
        assert "<b>r.osei</b>, reviewer" in client.get("/console/").text
    assert own.authorized[-1] == f"Basic {httpx.BasicAuth('tpp%20ledger', 's3cret%2F%2B%3D%3A')._auth_header[6:]}"


def test_what_the_id_token_lacks_comes_from_userinfo_of_the_same_person(with_own: Served, own: Provider) -> None:
    own.claims = changed(groups=None, preferred_username=None)
    with browser(with_own) as client:
        own.userinfo = {"sub": "1", "preferred_username": "thin", "groups": ["tpp-admins"]}
        assert client.get(path_of(own.authorize(begin(client)))).status_code == HTTPStatus.SEE_OTHER
        assert "<b>thin</b>, admin" in client.get("/console/").text
        own.userinfo = {"sub": "2", "preferred_username": "thin", "groups": ["tpp-admins"]}
        refused(client.get(path_of(own.authorize(begin(client)))), 403, "another person")
        own.userinfo = None
        refused(client.get(path_of(own.authorize(begin(client)))), 403, "refuses: status 404")


def test_a_refusal_and_an_answer_of_another_provider_are_told(with_own: Served, own: Provider) -> None:
    with browser(with_own) as client:
        back = own.authorize(begin(client), error="<access_denied>")
        refused(client.get(path_of(back)), 403, "&lt;access_denied&gt;")
        refused(client.get(path_of(own.authorize(begin(client), iss="https://other.example"))), 403, "another identity")
        refused(client.get(path_of(own.authorize(begin(client), code=""))), 400, "has no code")
        begin(client)
        first = own.asked
        back = own.authorize(begin(client))
        own.asked = first
        refused(client.get(path_of(back)), 403, "invalid_grant")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "https://other.example"}, "calls itself https://other.example"),
        ({"issuer": None}, "calls itself None"),
        ({"authorization_endpoint": "http://idp.example/a"}, "as its authorization_endpoint"),
        ({"token_endpoint": "javascript:x"}, "as its token_endpoint"),
        ({"jwks_uri": None}, "as its jwks_uri"),
    ],
    ids=str,
)
def test_a_provider_that_is_another_or_not_safe_gets_no_browser(
    with_own: Served, own: Provider, metadata: dict[str, Any], said: str
) -> None:
    own.metadata = metadata
    with browser(with_own) as client:
        refused(client.get(START), 502, said)


def test_a_provider_that_does_not_answer_is_a_page(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'l.db'}", env=settings("http://127.0.0.1:1")) as web, browser(web) as client:
        refused(client.get(START), 502, "does not answer")
        assert client.get("/sign-in").status_code == HTTPStatus.OK


def test_behind_a_proxy_the_browser_comes_back_to_the_public_address(
    running: Provider, own: Provider, tmp_path: Path
) -> None:
    env = settings(running.issuer, TPP_PUBLIC_URL="https://ledger.example/")
    with served(f"sqlite:///{tmp_path / 'l.db'}", env=env) as web, browser(web) as client:
        answer = client.get(START)
        asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        assert asked["redirect_uri"] == f"https://ledger.example{CALLBACK}"
        assert answer.headers["set-cookie"].startswith("__Host-tpp_oidc=")
        back = path_of(own.authorize(answer.headers["location"]))
        kept = {"Cookie": f"__Host-tpp_oidc={cookie(answer, 'tpp_oidc')}"}
        assert client.get(back, headers=kept).headers["location"] == "/console/"


def test_without_a_provider_there_is_no_such_route(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'l.db'}") as web, browser(web) as client:
        assert client.get(START).status_code == client.get(CALLBACK).status_code == HTTPStatus.NOT_FOUND
        assert START not in client.get("/sign-in").text


GOOD = {
    "oidc_issuer": "https://idp.example/realms/a",
    "oidc_client_id": "tpp",
    "oidc_client_secret": "s",
    "oidc_roles": "a=admin",
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        *(({"oidc_issuer": bad}, "TPP_OIDC_ISSUER") for bad in (
            "http://idp.example", "https://", "idp.example", "ftp://127.0.0.1", "https://u:p@idp.example", "https://a?b",
            "https://a#b", "http://127.0.0.1.example", "https://[::1", "http://localhost.example", "https://a:b",
        )),
        ({"oidc_client_id": None}, "TPP_OIDC_CLIENT_ID is not"),
        ({"oidc_client_secret": None}, "one of TPP_OIDC_CLIENT_SECRET and"),
        ({"oidc_client_secret": ""}, "is empty"),
        ({"oidc_client_secret_file": "x"}, "one of TPP_OIDC_CLIENT_SECRET and"),
        ({"oidc_client_secret": None, "oidc_client_secret_file": "/none/x"}, "/none/x: No such file"),
        ({"oidc_roles": ""}, "TPP_OIDC_ROLES is not set"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_make_no_provider_are_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Failure, match="TPP_OIDC") as failed:
        provider_of(Settings(**(GOOD | changes)))
    assert said in str(failed.value)
    assert "None" not in str(failed.value)


def test_a_secret_may_stand_in_a_file_and_values_may_have_an_equals_sign(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\r\n")
    more = {"oidc_client_secret": None, "oidc_client_secret_file": str(tmp_path / "secret")}
    found = provider_of(Settings(**(GOOD | more | {"oidc_roles": " cn=a = admin , b=monitor,"})))
    assert found is not None
    assert (found.secret, found.roles) == ("s3cret", (("cn=a", "admin"), ("b", "monitor")))
    assert provider_of(Settings()) is None
    for issuer in ("http://[::1]:1/a", "http://localhost", "http://127.1.2.3:9"):
        assert provider_of(Settings(**(GOOD | {"oidc_issuer": issuer}))) is not None
    for wrong in ("a", "a=owner", "a=publisher", "=admin", "a=calendar"):
        with pytest.raises(ValueError, match="is not VALUE=ROLE"):
            Settings(**(GOOD | {"oidc_roles": wrong}))


def test_a_server_whose_provider_is_none_does_not_start(tmp_path: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TPP_")}
    for change in ({"TPP_OIDC_ISSUER": "http://idp.example"}, {"TPP_OIDC_ROLES": "a=owner"}):
        done = subprocess.run(
            [TPP, "serve", "--listen", "127.0.0.1:0", "--ledger", f"sqlite:///{tmp_path / 'l.db'}"],
            env=plain | settings("https://idp.example") | change,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.decode().startswith(f"Error: {next(iter(change))}")
        assert SECRET.encode() not in done.stderr
    assert not (tmp_path / "l.db").exists()
