"""`POST /v1/events` and `POST /v1/check` of a running server: answers, statuses, refusals."""

import asyncio
import base64
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from deciding import PAPER, locked
from events import of_step
from sqlalchemy import text
from waiting import PATIENCE
from web_run import TPP, Served

from ledger.database.store import Store
from services.resources import book, engine_on, settings, wall_clock
from services.web import events as web_events
from services.web.app import application
from services.web.decider import Decider
from services.web.state import Web
from services.web.tokens import new_token

ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
MEBIBYTE = 1_048_576
ACCOUNT = "lpp/CON-1/2025"


def events(*steps: dict[str, Any], first: int = 1) -> list[bytes]:
    return [of_step(number, step, {}, PAPER) for number, step in enumerate(steps, first)]


def asked(number: int) -> dict[str, Any]:
    return {"do": "request", "id": f"evt-asked-{number}", "ship": {"id": f"SHP-{number}"}}


def array(raws: Sequence[bytes]) -> bytes:
    return b"[" + b",\n".join(raws) + b"]"


def post(
    client: httpx.Client, body: bytes, kind: str = MANY, path: str = "/v1/events", **headers: str
) -> httpx.Response:
    return client.post(path, content=body, headers={"content-type": kind, **headers})


def kinds(response: httpx.Response) -> list[str]:
    assert response.headers["content-type"] == MANY
    return [one["type"].removeprefix("tpp.").removesuffix(".v1") for one in response.json()]


def count(ledger: str) -> int:
    store = Store(ledger)
    with store.read() as connection:
        found = connection.execute(text("SELECT count(*) FROM journal")).scalar_one()
    store.close()
    return int(found)


def screened(raws: Sequence[bytes], folder: Path) -> list[str]:
    """The lines that `tpp screen` writes of these events."""
    file, out = folder / "in.jsonl", folder / "out.jsonl"
    file.write_bytes(b"".join(raw.replace(b"\n", b" ") + b"\n" for raw in raws))
    command = [TPP, "screen", file, "--ledger", f"sqlite:///{folder / 'file.db'}", "--out", out]
    subprocess.run(command, check=False, stderr=subprocess.PIPE)
    return out.read_text("utf-8").splitlines()


def test_answers_are_the_bytes_of_tpp_screen_and_follow_adds_what_follows(web: Served, tmp_path: Path) -> None:
    full = {"do": "attest", "data": {"account": ACCOUNT, "tpp": 26_900_000}}
    room = {"do": "attest", "data": {"account": ACCOUNT, "tpp": 20_000_000, "reference": "A-2"}}
    raws = events(asked(1), full, asked(2), asked(3), room, asked(4))
    written = screened(raws, tmp_path)
    with web.client(web.token("admin", "somebody", "*")) as client:
        plain = post(client, array(raws))
        followed = post(client, array(raws), path="/v1/events?follow=true")
        one_by_one = [post(client, raw, ONE) for raw in raws]
    assert followed.text == f"[{','.join(written)}]"
    answers = [line for line in written if json.loads(line)["id"] in {one["id"] for one in plain.json()}]
    assert plain.text == f"[{','.join(answers)}]"
    assert len(answers) == len(raws) < len(written), "room releases holds, and a limit that is reached raises alerts"
    assert [one.text for one in one_by_one] == [f"[{line}]" for line in answers]
    assert {one.status_code for one in (plain, followed, *one_by_one)} == {200}
    assert count(web.ledger) == count(f"sqlite:///{tmp_path / 'file.db'}")


def test_the_status_is_422_only_where_there_are_events_and_all_are_rejected(web: Served) -> None:
    good, bad = events(asked(1))[0], b'{"specversion": NaN}'
    with web.client(web.token("admin", "somebody", "*")) as client:
        for path in ("/v1/check", "/v1/events"):
            found = post(client, b" [ ] ", path=path)
            assert (found.status_code, found.text, found.headers["content-type"]) == (200, "[]", MANY)
            mixed = post(client, array([bad, good]), path=path)
            assert (mixed.status_code, kinds(mixed)) == (200, ["event.rejected", "shipment.approved"])
            for body, kind in (
                (array([bad, b"\xff"]), MANY),
                (bad, ONE),
                (b"{", ONE),
                (b"[1,]", MANY),
                (b"", ONE),
                (b"{}", MANY),
            ):
                found = post(client, body, kind, path)
                assert found.status_code == 422
                assert set(kinds(found)) == {"event.rejected"}
        refused = post(client, events({"do": "cancel", "data": {"shipment_id": "SHP-9"}}, first=5)[0], ONE)
        assert (refused.status_code, kinds(refused)) == (200, ["event.refused"])


def test_a_rejection_names_its_request_and_comes_again_under_the_same_one(web: Served) -> None:
    raw = b'{"specversion":"1.0", "id": 7}'
    body = b"[ " + events(asked(1))[0] + b",\t" + raw + b"\r\n]"
    with web.client(web.token("admin", "somebody", "*")) as client:
        first, again, other = (
            post(client, body, **{"x-request-id": name}).json() for name in ("r.1~a", "r.1~a", "r.2")
        )
    assert first == again
    (_, rejection), (_, another) = first, other
    assert rejection["subject"] == "r.1~a/1"
    assert rejection["data"]["position"] == {"request": "r.1~a", "index": 1}
    assert base64.b64decode(rejection["data"]["original"]) == raw
    assert another["data"]["position"] == {"request": "r.2", "index": 1}
    assert another["id"] != rejection["id"]
    assert count(web.ledger) == 3


def test_binary_mode_decides_and_the_other_modes_do_not_look_at_its_headers(web: Served) -> None:
    event = json.loads(events(asked(1))[0])
    headers = {f"ce-{name}": value for name, value in event.items() if name not in ("data", "datacontenttype")}
    data = json.dumps(event["data"]).encode()
    with web.client(web.token("admin", "somebody", "*")) as client:
        binary = post(client, b" " + data + b"\n", "application/json", **headers)
        plain = post(client, events(asked(1))[0], ONE, **{"ce-id": "evt-other", "ce-type": "nonsense"})
        none = post(client, data, "application/json", **{"x-request-id": "no-headers"})
        mended = post(client, data, "application/json", **{"x-request-id": "no-headers"}, **headers)
    assert (binary.status_code, kinds(binary)) == (200, ["shipment.approved"])
    assert plain.text == binary.text == mended.text
    assert (none.status_code, kinds(none)) == (422, ["event.rejected"])
    assert base64.b64decode(none.json()[0]["data"]["original"]) == data
    assert {one["code"] for one in none.json()[0]["data"]["errors"]} == {"member.missing"}


def test_a_check_answers_as_if_kept_and_writes_nothing(web: Served) -> None:
    raws = events(asked(1), {"do": "cancel", "data": {"shipment_id": "SHP-1"}}, asked(2))
    with web.client(web.token("reviewer", "somebody", "*")) as client:
        first = post(client, array(raws), path="/v1/check?follow=true")
        again = post(client, array(raws), path="/v1/check?follow=true")
        assert kinds(first) == ["shipment.approved", "event.recorded", "shipment.approved"]
        assert first.text == again.text
        assert count(web.ledger) == 0
    with web.client(web.token("admin", "somebody", "*")) as client:
        kept = post(client, array(raws))
        assert kept.text == first.text
        checked = post(client, array([*raws, *events(asked(3))]), path="/v1/check")
        assert checked.json()[:3] == kept.json()
        assert kinds(checked)[3:] == ["shipment.approved"]
    assert count(web.ledger) == 3


def test_what_is_too_large_is_refused_or_rejected_by_itself(web: Served) -> None:
    good, large = events(asked(1))[0], b'{"note":"' + b"x" * MEBIBYTE + b'"}'
    with web.client(web.token("admin", "somebody", "*")) as client:
        mixed = post(client, array([large, good]))
        assert (mixed.status_code, kinds(mixed)) == (200, ["event.rejected", "shipment.approved"])
        assert mixed.json()[0]["data"]["errors"][0]["code"] == "message.too_large"
        assert mixed.json()[0]["data"]["size"] == len(large)
        for body in (b"[" + b" " * 8 * MEBIBYTE, array([b"1"] * 1_001)):
            found = post(client, body)
            assert (found.status_code, found.headers["content-type"]) == (413, "application/problem+json")
        assert count(web.ledger) == 2
        deep = post(client, b"[" * 8 * MEBIBYTE)
        assert (deep.status_code, kinds(deep)) == (422, ["event.rejected"])
        most = post(client, array([b"1"] * 1_000), path="/v1/check")
        assert (most.status_code, len(most.json())) == (422, 1_000)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/check"])
def test_what_is_refused_before_the_body_is_read(web: Served, path: str) -> None:
    body = events(asked(1))[0]
    with web.client(web.token("admin", "somebody", "*")) as client:
        for query, code in (
            ("?follow=yes", "/follow invalid"),
            ("?follow", "/follow empty"),
            ("?follow=true&follow=true", "/follow repeated"),
            ("?limit=1", "/limit unknown"),
            ("?follow=true&x=1", "/x unknown"),
            ("?Follow=true", "/Follow unknown"),
            ("?follow=%FF", "/follow invalid"),
        ):
            found = post(client, body, ONE, path + query)
            assert (found.status_code, found.json()["type"]) == (400, "/problems/query-invalid"), query
            assert [f"{one['pointer']} {one['code']}" for one in found.json()["errors"]] == [code]
        for kind in ("text/plain", "application/cloudevents+json; charset=latin-1", "application/cloudevents"):
            assert post(client, body, kind, path).status_code == 415
        for encoding in ("identity", "gzip"):
            assert post(client, body, ONE, path, **{"content-encoding": encoding}).status_code == 415
        assert client.post(path, content=body).status_code == 415
        assert client.get(path).status_code == 405
        assert post(client, body, ONE, f"{path}?follow=false").status_code == 200
    with web.client() as client:
        assert post(client, b"", "text/plain", f"{path}?x=1").status_code == 401
    may_not = ("calendar", "monitor", "finance") if path == "/v1/check" else ("calendar",)
    for role in may_not:
        with web.client(web.token(role)) as client:
            assert post(client, b"", "text/plain", f"{path}?x=1").status_code == 403


async def called(web: Web, token: str, body: bytes, *, stays: bool = True) -> tuple[int, dict[bytes, bytes]]:
    """The status and headers of a response, of the application called as a server calls it."""
    given = iter([{"type": "http.request", "body": body}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        found = next(given, None)
        if found is None and stays:
            await asyncio.Event().wait()
        return found or {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/events", "raw_path": b"/v1/events", "root_path": "", "query_string": b"",
        "headers": [(b"content-type", ONE.encode()), (b"authorization", f"Bearer {token}".encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "extensions": {},
    }  # fmt: skip
    run: Any = application(web)
    await asyncio.wait_for(run(scope, receive, send), PATIENCE)
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize("stays", [True, False], ids=["waits-in-vain", "goes-away"])
def test_of_a_request_that_waited_in_vain_or_whose_client_left_nothing_was_decided(
    ledger_url: str, stays: bool
) -> None:
    store = Store(ledger_url)
    token = new_token(store, "admin", "somebody", ("*",), None, wall_clock())
    web = Web(store, book(None), engine_on(store, book(None)), settings(), wall_clock)
    web.decider = decider = Decider(web.engine, patience=0.2 if stays else PATIENCE)
    raw, other = events(asked(1), asked(2))
    with locked(ledger_url) as free:
        status, headers = asyncio.run(called(web, token, raw, stays=stays))
        assert status == 503
        assert int(headers[b"retry-after"]) > 0
        free()
    decider._patience = PATIENCE
    assert asyncio.run(called(web, token, other, stays=True))[0] == 200
    decider.close()
    with store.read() as connection:
        assert connection.execute(text("SELECT shipment_id FROM journal")).scalars().all() == ["SHP-2"]
    store.close()


def test_a_body_waits_for_a_thread_to_read_it_no_longer_than_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.open()
    token = new_token(store, "admin", "somebody", ("*",), None, wall_clock())
    web = Web(store, book(None), engine_on(store, book(None)), settings(), wall_clock)
    web.decider = decider = Decider(web.engine)
    raw = events(asked(1))[0]

    async def sent() -> list[tuple[int, dict[bytes, bytes]]]:
        limiter, readers = web_events._READERS[False], (object(), object())
        for reader in readers:
            limiter.acquire_on_behalf_of_nowait(reader)
        try:
            return [await called(web, token, b" " * size + raw) for size in (MEBIBYTE - len(raw), 1_000, MEBIBYTE)]
        finally:
            for reader in readers:
                limiter.release_on_behalf_of(reader)

    monkeypatch.setattr(web_events, "PATIENCE", 0.1)
    (status, headers), (small, _), (large, _) = asyncio.run(sent())
    assert (status, headers[b"retry-after"], small, large) == (503, b"2", 200, 200)
    decider.close()
    store.close()


def test_a_server_on_a_ledger_that_was_restored_says_so_and_decides_nothing(web: Served) -> None:
    first, second = events(asked(1), asked(2))
    with web.client(web.token("admin", "somebody", "*")) as client:
        assert post(client, first, ONE).status_code == 200
        store = Store(web.ledger)
        with store.begin() as connection:
            connection.execute(text("UPDATE head SET epoch = 7"))
        store.close()
        assert client.get("/health/ready").status_code == 200
        for _ in range(2):
            found = post(client, second, ONE)
            assert (found.status_code, found.json()["type"]) == (503, "/problems/ledger-unavailable")
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "unready")
        assert "restored" in ready.json()["why"]
    assert count(web.ledger) == 1


def test_a_database_that_cuts_its_connections_costs_no_answer(web: Served) -> None:
    first, second, third = events(asked(1), asked(2), asked(3))
    with web.client(web.token("admin", "somebody", "*")) as client:
        assert post(client, first, ONE).status_code == 200
        assert post(client, second, ONE, "/v1/check").status_code == 200
        store = Store(web.ledger)
        if store.postgresql:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            with store.begin() as connection:
                connection.execute(text(f"{cut} AND pid <> pg_backend_pid()"))
        store.close()
        assert kinds(post(client, second, ONE)) == ["shipment.approved"]
        assert kinds(post(client, third, ONE, "/v1/check")) == ["shipment.approved"]
    assert count(web.ledger) == 2
