"""Tokens on the page: for administrators alone, shown once, one for each form; links; ending sessions; oneself."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from http import HTTPStatus

import httpx
import pytest
from asking import form_token, plain
from databases import KINDS
from signin_run import SAME, browser, rows, shared, sign_in, somebody
from web_run import Served

PAGE, ME = "/console/tokens", "/console/me"


@pytest.fixture(scope="module", params=KINDS)
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from shared(request, tmp_path_factory)


@pytest.fixture(scope="module")
def admin(web: Served) -> Iterator[httpx.Client]:
    with sign_in(web, web.token("admin", "the.admin")) as client:
        yield client


def fields(client: httpx.Client) -> dict[str, str]:
    """The hidden fields of the form that makes a token."""
    page = client.get(PAGE).text.partition('<form method="post" action="/console/tokens">')[2]
    return dict(re.findall(r'name="(form|event_id)" value="([0-9a-f]+)"', page.partition("</form>")[0]))


def sent(client: httpx.Client, path: str = PAGE, **words: str) -> httpx.Response:
    return client.post(path, data=fields(client) | words, headers=SAME)


def shown(page: httpx.Response) -> list[str]:
    return re.findall(r"<pre>(\S+)</pre>", page.text)


def test_each_role_but_admin_is_refused(web: Served) -> None:
    for role in ("publisher", "monitor", "reviewer", "finance"):
        with sign_in(web, web.token(role, somebody(), "//wms.example/*")) as client:
            form = form_token(client, ME)
            for path in ("", "/revoke", "/link", "/sign-out"):
                answer = client.post(f"{PAGE}{path}", data={"form": form, "event_id": "a" * 40}, headers=SAME)
                assert (answer.status_code, f"Your role is {role}" in answer.text) == (403, True)
            assert client.get(PAGE).status_code == HTTPStatus.FORBIDDEN
            assert PAGE not in client.get(ME).text


def test_a_token_is_shown_once_and_opens_what_it_may(web: Served, admin: httpx.Client) -> None:
    name = somebody()
    made = sent(admin, name=name, role="publisher", sources="//erp.example/*\r\n\r\n //b \n//b", expires="2999-01-01")
    (token,) = shown(made)
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    ((id, digest, *_),) = rows(web, "token", name)
    assert token.startswith(f"tpp_{id}_") and len(token) >= 49 and digest not in made.text
    again = admin.get(PAGE).text
    assert token not in again and "//erp.example/*" in again and id in again
    assert token not in "".join(web.lines) and id in "".join(web.lines)
    with web.client(token) as client:
        assert client.post("/v1/check", json={}).status_code == 422
        assert client.get("/v1/accounts").status_code == HTTPStatus.FORBIDDEN


def test_a_form_that_is_sent_twice_makes_one_token(web: Served, admin: httpx.Client) -> None:
    name, ready = somebody(), threading.Barrier(6)
    form = fields(admin) | {"name": name, "role": "monitor"}

    def press(_: int) -> list[str]:
        with browser(web) as client:
            client.cookies.update(admin.cookies)
            ready.wait()
            return shown(client.post(PAGE, data=form, headers=SAME))

    with ThreadPoolExecutor(6) as pool:
        tokens = list(pool.map(press, range(6)))
    assert len(tokens[0]) == 1 and tokens == [tokens[0]] * 6
    assert len(rows(web, "token", name)) == 1
    other = admin.post(PAGE, data=form | {"role": "admin"}, headers=SAME)
    assert (other.status_code, shown(other)) == (422, [])
    assert "made a token already" in other.text
    assert len(rows(web, "token", name)) == 1


def test_the_same_form_in_another_session_makes_another_token(web: Served, admin: httpx.Client) -> None:
    name = somebody()
    event = fields(admin)["event_id"]
    with sign_in(web, web.token("admin", "other.admin")) as other:
        (one,) = shown(sent(admin, name=name, role="monitor", event_id=event))
        (two,) = shown(sent(other, name=name, role="monitor", event_id=event))
    assert one != two and one.split("_")[1] != two.split("_")[1]


@pytest.mark.parametrize(
    ("words", "field", "said"),
    [
        ({"name": "two words"}, "name", "is no name"), ({"name": ""}, "name", "is no name"),
        ({"name": "<script>alert(1)</script>"}, "name", "is no name"), ({"name": "n" * 65}, "name", "is no name"),
        ({"role": "root"}, "role", "Choose a role"), ({"role": ""}, "role", "Choose a role"),
        ({"role": "publisher"}, "sources", "at least one source"), ({"sources": "not a uri"}, "sources", "no URI reference"),
        ({"sources": "//tpp-http/the.admin"}, "sources", "no pattern reaches"), ({"sources": "\u202e<b>"}, "sources", "&lt;b&gt;"),
        ({"sources": "\n".join(f"//s{n}" for n in range(51))}, "sources", "At most 50"),
        ({"expires": "soon"}, "expires", "is no day"), ({"expires": "2020-01-01"}, "expires", "is past"),
        ({"expires": "<img src=x>"}, "expires", "&lt;img"),
    ],
    ids=range(14),
)  # fmt: skip
def test_what_cannot_be_is_told_at_its_field(
    web: Served, admin: httpx.Client, words: dict[str, str], field: str, said: str
) -> None:
    before = admin.get(PAGE).text.count('id="token-')
    page = sent(admin, **({"name": "who", "role": "monitor"} | words))
    assert (page.status_code, shown(page)) == (422, [])
    assert re.search(rf'<a href="#{field}">[^<]*{re.escape(said)}', page.text), page.text
    assert f'id="{field}"' in page.text and said in page.text.partition('class="err"')[2]
    assert "<script>alert" not in page.text and "<img" not in page.text and "\u202e" not in page.text
    assert admin.get(PAGE).text.count('id="token-') == before
    assert not rows(web, "token", "who")


def test_a_token_is_revoked_within_a_second_and_said_so(web: Served, admin: httpx.Client) -> None:
    token = web.token("monitor", somebody())
    id = token.split("_")[1]
    answer = sent(admin, f"{PAGE}/revoke", id=id)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?revoked={id}")
    page = admin.get(answer.headers["location"])
    assert f"The token {id} is revoked." in page.text
    with web.client(token) as client:
        assert client.get("/v1/accounts").status_code == HTTPStatus.UNAUTHORIZED
    for wrong in ("nobody", "", "<b>", token):
        missing = sent(admin, f"{PAGE}/revoke", id=wrong)
        assert missing.status_code == 404
        assert token not in missing.text and "<b></a>" not in missing.text
    spoofed = admin.get(f"{PAGE}?revoked=%3Cb%3E&before=x&ended=%3Cb%3E&n=zz")
    assert (spoofed.status_code, "is revoked." in spoofed.text) == (200, False)


def test_a_form_that_is_sent_twice_makes_one_link(web: Served, admin: httpx.Client) -> None:
    name, ready = somebody(), threading.Barrier(4)
    form = fields(admin) | {"name": name, "role": "monitor"}

    def press(_: int) -> list[str]:
        with browser(web) as client:
            client.cookies.update(admin.cookies)
            ready.wait()
            return shown(client.post(f"{PAGE}/link", data=form, headers=SAME))

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(press, range(4)))
    assert len(made[0]) == 1 and made == [made[0]] * 4 and len(rows(web, "link", name)) == 1
    other = admin.post(f"{PAGE}/link", data=form | {"role": "finance"}, headers=SAME)
    assert (other.status_code, shown(other)) == (422, []) and "This form has made a link already" in other.text
    with browser(web) as person:
        assert person.post(unescape(made[0][0]).removeprefix(web.url), headers=SAME).status_code == 303
    again = admin.post(f"{PAGE}/link", data=form, headers=SAME)
    assert (again.status_code, len(rows(web, "link", name))) == (422, 1), "it was used"
    assert admin.post(f"{PAGE}/link", data=form | {"event_id": ""}, headers=SAME).status_code == 400


def test_a_link_signs_its_person_in_once(web: Served, admin: httpx.Client) -> None:
    name = somebody()
    (made,) = map(unescape, shown(sent(admin, f"{PAGE}/link", name=name, role="finance")))
    assert made.startswith(f"{web.url}/link/")
    with browser(web) as client:
        assert client.post(made.removeprefix(web.url), headers=SAME).status_code == 303
        assert f"<b>{name}</b>, finance" in client.get(ME).text
    for words, field in (
        ({"name": "a b", "role": "finance"}, "link-name"),
        ({"name": "a", "role": "publisher"}, "link-role"),
    ):
        bad = sent(admin, f"{PAGE}/link", **words)
        assert (bad.status_code, f'href="#{field}"' in bad.text, shown(bad)) == (422, True, [])


def test_an_administrator_ends_the_sessions_of_a_person_and_of_nobody_else(web: Served, admin: httpx.Client) -> None:
    name = somebody()
    token = web.token("monitor", name)
    with (
        sign_in(web, token) as one,
        sign_in(web, token) as two,
        sign_in(web, web.token("monitor", somebody())) as other,
    ):
        assert plain(admin.get(PAGE).text).count(f"{name} monitor 20") == 2
        answer = sent(admin, f"{PAGE}/sign-out", name=name)
        assert f"2 sessions of {name} were ended." in plain(admin.get(answer.headers["location"]).text)
        assert [client.get(ME).status_code for client in (one, two, other)] == [303, 303, 200]
        assert sent(admin, f"{PAGE}/sign-out", name="<b>").headers["location"] == f"{PAGE}?n=0"


def test_everybody_may_sign_out_everywhere_and_nobody_else_is(web: Served) -> None:
    for role in ("publisher", "monitor", "reviewer", "finance", "admin"):
        name = somebody()
        token = web.token(role, name, "//erp.example/*")
        with (
            sign_in(web, token) as one,
            sign_in(web, token) as two,
            sign_in(web, web.token(role, somebody(), "//a")) as other,
        ):
            me = plain(one.get(ME).text)
            assert f"You are signed in as {name}, in the role {role}." in me
            assert f"token {token.split('_')[1]}" in me and "//erp.example/*" in me
            refused = one.post(f"{ME}/sign-out", data={"form": form_token(two, ME)}, headers=SAME)
            assert (refused.status_code, two.get(ME).status_code) == (403, 200)
            out = one.post(f"{ME}/sign-out", data={"form": form_token(one, ME)}, headers=SAME)
            assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
            assert [client.get(ME).status_code for client in (one, two, other)] == [303, 303, 200]


def test_forms_from_elsewhere_change_nothing(web: Served, admin: httpx.Client) -> None:
    name = somebody()
    good = fields(admin) | {"name": name, "role": "admin", "id": "x"}
    for path in ("", "/revoke", "/link", "/sign-out"):
        for data, headers in ((good, {"Sec-Fetch-Site": "cross-site"}), (good | {"form": "x"}, SAME)):
            answer = admin.post(f"{PAGE}{path}", data=data, headers=headers)
            assert (answer.status_code, "Nothing was sent" in answer.text) == (403, True)
    assert admin.post(PAGE, data=good | {"event_id": "x"}, headers=SAME).status_code == 400
    assert not rows(web, "token", name) + rows(web, "link", name)


def test_the_list_is_paged_the_newest_first(web: Served, admin: httpx.Client) -> None:
    made = [web.token("monitor", somebody()).split("_")[1] for _ in range(60)]
    first = admin.get(PAGE).text
    ids = re.findall(r'<tr id="token-(\w+)"', first)
    assert ids == made[::-1][:50]
    (more,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = re.findall(r'<tr id="token-(\w+)"', admin.get(unescape(more)).text)
    assert second[:10] == made[::-1][50:]
