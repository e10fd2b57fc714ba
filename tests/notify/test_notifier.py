"""`tpp notify` as a process: killed and resumed, two receivers at once, two processes, and what it says."""

import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from databases import Server
from notify_run import ENVIRONMENT, Hook, Ledger, notifying, plain, status, table, webhook
from standardwebhooks import Webhook as Standard
from waiting import PATIENCE, wait_until

from ledger.doors.notices import find_place

SENDS = "sends to "


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def _kept(ledger: Ledger, name: str, sequence: int) -> bool:
    with ledger.store.read() as connection:
        found = find_place(connection, name)
    return found is not None and found.sequence == sequence


def test_a_process_begins_now_sends_in_order_and_ends_when_asked(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    ledger.attest(1)
    with notifying(ledger.url, tmp_path, [webhook("quota desk", hook)]) as running:
        running.wait_for(f"{SENDS}quota desk")
        given = ledger.attest(2, 13_450_000)
        wait_until(lambda: len(hook.got) >= len(given), lambda: "".join(running.lines))
        wait_until(lambda: _kept(ledger, "quota desk", int(given[-1]["sequence"])))
        assert running.stop() == 0
    assert hook.ids == [one["id"] for one in given]
    for got in hook.got:
        assert Standard(ENVIRONMENT["HOOK_SECRET"]).verify(got.body, got.headers)["id"] == got.id


@pytest.mark.kills
def test_one_that_is_killed_loses_nothing(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    """Killed while a receiver has an event in its hands: it comes again under the same id, and then the rest."""
    to = [webhook("desk", hook)]
    release = threading.Event()

    def hangs(request: BaseHTTPRequestHandler) -> None:
        if len(hook.got) == 2:
            release.wait(PATIENCE)
        status(204)(request)

    hook.answer = hangs
    with notifying(ledger.url, tmp_path, to) as running:
        running.wait_for(SENDS)
        given = [one["id"] for one in ledger.attest(1, 2, 3)]
        wait_until(lambda: len(hook.got) == 2, lambda: "".join(running.lines))
        running.kill()
    release.set()
    given += [one["id"] for one in ledger.attest(4)]
    with notifying(ledger.url, tmp_path, to) as running:
        wait_until(lambda: len(hook.got) == 5, lambda: "".join(running.lines))
        assert running.stop() == 0
    assert hook.ids == [given[0], given[1], *given[1:]]
    assert [one.headers["webhook-id"] for one in hook.got] == hook.ids


def test_a_receiver_that_hangs_holds_up_no_other(ledger: Ledger, hook: Hook, other: Hook, tmp_path: Path) -> None:
    release = threading.Event()

    def hangs(request: BaseHTTPRequestHandler) -> None:
        release.wait(PATIENCE)
        status(204)(request)

    hook.answer = hangs
    with notifying(ledger.url, tmp_path, [webhook("hangs", hook), webhook("well", other)]) as running:
        running.wait_for(SENDS)
        given = ledger.attest(*range(1, 31))
        wait_until(lambda: len(other.got) == 30, lambda: "".join(running.lines))
        assert set(hook.ids) <= {given[0]["id"]}, "the later ones wait"
        release.set()
        assert running.stop() == 0
    assert other.ids == [one["id"] for one in given]


def test_one_process_of_a_ledger_sends_and_the_other_takes_over(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    to = [webhook("desk", hook)]
    with notifying(ledger.url, tmp_path, to) as first:
        first.wait_for(SENDS)
        with notifying(ledger.url, tmp_path, to) as second:
            second.wait_for("another process sends; standing by")
            given = ledger.attest(1, 2, 3)
            wait_until(lambda: _kept(ledger, "desk", int(given[-1]["sequence"])))
            first.kill()
            given += ledger.attest(4, 5)
            wait_until(lambda: _kept(ledger, "desk", int(given[-1]["sequence"])), lambda: "".join(second.lines))
            assert second.stop() == 0
    assert hook.ids == [one["id"] for one in given]


def test_a_database_that_cuts_its_connections_costs_no_event(postgres: Server, hook: Hook, tmp_path: Path) -> None:
    """The lock goes with its connection: it is taken again, and each event comes in order."""
    url = postgres.create(postgres.template())
    try:
        with Ledger(url) as ledger, notifying(url, tmp_path, [webhook("desk", hook)]) as running:
            running.wait_for(SENDS)
            given: list[str] = []
            for amount in range(1, 4):
                given.extend(one["id"] for one in ledger.attest(amount))
                wait_until(lambda: set(given) <= set(hook.ids), lambda: "".join(running.lines))
                ledger.store.close()
                postgres.cut(url)
            wait_until(lambda: running.says("trying again") or running.says("taking it again"))
            given += [one["id"] for one in ledger.attest(4)]
            wait_until(lambda: given[-1] in hook.ids, lambda: "".join(running.lines))
            assert running.stop() == 0
    finally:
        postgres.drop(url)
    assert list(dict.fromkeys(hook.ids)) == given


def test_failures_are_told_by_name_and_counted_and_no_secret_is(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    port = _free_port()
    to = [
        table(
            "quota desk", hook.url.replace("//", "//user:hunter2@") + "?token=hunter2", 'secret_env = "HOOK_SECRET"',
            "allow_private = true",
        )
    ]  # fmt: skip
    hook.answer = status(503)
    with notifying(ledger.url, tmp_path, to, TPP_METRICS=f"127.0.0.1:{port}") as running:
        running.wait_for(SENDS)
        (given,) = ledger.attest(1)
        running.wait_for(f"quota desk: event {given['id']} was not taken: answered 503")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        wait_until(lambda: _is_ready(port), lambda: "a receiver that fails does not make the part unready")
        assert running.stop() == 0
    assert re.search(r'^tpp_webhook_failures_total\{receiver="quota desk"\} [1-9]', metrics, re.MULTILINE)
    assert "hunter2" not in "".join(running.lines)
    assert ENVIRONMENT["HOOK_SECRET"] not in "".join(running.lines)


def test_a_private_place_is_refused_when_it_is_connected_to(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    to = [table("desk", f"https://localhost.localdomain:{hook.port}/", 'secret_env = "HOOK_SECRET"')]
    with notifying(ledger.url, tmp_path, to) as running:
        running.wait_for(SENDS)
        ledger.attest(1)
        running.wait_for(" was not taken: localhost.localdomain")
        assert running.stop() == 0
    assert hook.got == []


def test_a_mistake_in_the_file_is_exit_2(tmp_path: Path) -> None:
    with notifying("sqlite:///l.db", tmp_path, [table("desk", "http://hooks.example/")]) as running:
        assert running.process.wait(PATIENCE) == 2
    why = "url begins with http:, which is not encrypted; use https:, or set allow_private = true"
    assert running.lines == [f"Error: {tmp_path}/notify.toml: receiver 'desk': {why}\n"]


def test_the_part_ends_with_its_parent(ledger: Ledger, hook: Hook, tmp_path: Path) -> None:
    """As a child of `tpp up`: at the end of its standard input."""
    file = tmp_path / "notify.toml"
    file.write_text(webhook("desk", hook))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "services.cli", "notify"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=plain() | ENVIRONMENT | {"TPP_NOTIFY": str(file), "TPP_LEDGER_URL": ledger.url},
    )
    assert process.stdin is not None
    assert process.stderr is not None
    with process.stdin, process.stderr:
        assert any(SENDS in line for line in process.stderr)
    assert process.wait(PATIENCE) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
