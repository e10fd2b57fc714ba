"""Forms with a file: what is read of them, and what is not taken."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.testing import TestClient
from signin_run import SAME

import rulebook
from ledger.database.store import Store
from services.resources import engine_on, wall_clock
from services.settings import Settings
from services.web.access import Role
from services.web.console.acts import NotSent, uploaded
from services.web.pages.sessions import form_token, new_link, signed_in
from services.web.pages.signin import ROUTES
from services.web.state import Web

OPENS = signed_in({Role.FINANCE})
BOUND = "multipart/form-data; boundary=b"


@get("/console/form", **OPENS)
async def form(request: Request[Any, Any, Any]) -> str:
    return form_token(request)


@post("/console/form", request_max_body_size=3_000_000, **OPENS)
async def act(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    try:
        fields, file = await uploaded(request)
    except NotSent as error:
        return Response({"refused": str(error)}, status_code=error.status)
    return Response({"fields": fields, "name": file and file[0], "content": file and file[1].hex()})


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient[Any]]:
    store = Store(f"sqlite:///{tmp_path / 'page.db'}")
    store.open()
    law = rulebook.load("ai-diffusion")
    web = Web(store, law, engine_on(store, law), Settings(), wall_clock)
    app = Litestar([form, act, *ROUTES], state=State({"web": web}), openapi_config=None, logging_config=None)
    with TestClient(app) as client:
        client.follow_redirects = False
        client.post(new_link(store, Role.FINANCE, "f", "", wall_clock()), headers=SAME)
        yield client
    store.close()


def part(name: str, content: bytes | str, more: str = "") -> bytes:
    text = content if isinstance(content, bytes) else content.encode()
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + text + b"\r\n"


def sent(client: TestClient[Any], *parts: bytes, kind: str = BOUND, end: bytes = b"--b--\r\n") -> Any:
    return client.post("/console/form", content=b"".join(parts) + end, headers=SAME | {"Content-Type": kind})


def test_a_file_comes_as_it_is_with_its_name_and_the_fields(client: TestClient[Any]) -> None:
    token, content = client.get("/console/form").text, bytes(range(256)) * 8_000 + b"\r\n--b\r\r\n--"
    answer = client.post(
        "/console/form", data={"form": token, "why": " ä b "}, files={"file": ('a"<b>.csv', content)}, headers=SAME
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["fields"] == {"form": token, "why": "ä b"}
    assert bytes.fromhex(answer.json()["content"]) == content
    assert answer.json()["name"].startswith("a")


def test_without_a_name_no_file_was_chosen(client: TestClient[Any]) -> None:
    token = part("form", client.get("/console/form").text)
    answer = sent(client, token, part("file", b"", '; filename=""\r\nContent-Type: application/octet-stream'))
    assert (answer.status_code, answer.json()["name"]) == (201, None)
    assert sent(client, token).json()["content"] is None


def test_a_form_from_elsewhere_or_without_the_token_of_the_session_is_refused(client: TestClient[Any]) -> None:
    token = client.get("/console/form").text
    good = part("form", token)
    foreign = {"Sec-Fetch-Site": "cross-site", "Content-Type": BOUND}
    assert client.post("/console/form", content=good + b"--b--", headers=foreign).status_code == 403
    assert sent(client, part("form", "x")).status_code == 403
    assert sent(client, part("why", "y")).status_code == 403
    assert sent(client, part("form", token, '; filename="f"')).status_code == 403
    assert client.post("/console/form", data={"form": token}, headers=SAME).status_code == 403
    assert sent(client, good).status_code == 201


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=c", "multipart/form-data; boundary="]
)
def test_a_boundary_that_is_not_there_is_refused(client: TestClient[Any], kind: str) -> None:
    assert sent(client, part("form", client.get("/console/form").text), kind=kind).status_code == 403


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"--b\r\n", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n",
        b'--b\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n',
        b"--b\r\nno header\r\n\r\nx\r\n", b"--b\r\n\r\nx\r\n", part("text", b"\xff\xfe"),
        part("text", "x", "\r\nContent-Type: text/plain; charset=nowhere"), part("form", "again"),
        part("file", b"1", '; filename="a"') + part("file", b"2", '; filename="b"'),
        part("one", b"1", '; filename="a"') + part("two", b"2", '; filename="b"'),
        b"".join(part(f"field{n}", "x") for n in range(30)), b"".join(part(f"f{n}", "x") for n in range(2_000)),
        b'--b\r\nContent-Disposition: form-data; name="a"\r\nX: ' + b"y" * 100_000 + b"\r\n\r\nx\r\n",
    ],
    ids=range(14),
)  # fmt: skip
def test_malformed_forms_are_refused(client: TestClient[Any], bad: bytes) -> None:
    token = part("form", client.get("/console/form").text)
    answer = sent(client, token, bad) if bad else sent(client, token, end=b"")
    assert answer.status_code == 403, answer.text
    assert "Nothing was sent" in answer.json()["refused"]


def test_a_body_that_is_too_large_is_refused_unread(client: TestClient[Any]) -> None:
    token = part("form", client.get("/console/form").text)
    assert sent(client, token, part("file", b"x" * 3_000_000, '; filename="a"')).status_code == 413
    assert sent(client, token, part("text", "x" * 3_000_000)).status_code == 413
