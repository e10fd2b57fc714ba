"""Files sent over HTTP by many clients, in every way, with a kill: what `tpp screen` answers, nothing lost or doubled."""

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from installed import INSTALLED
from soak import much
from sqlalchemy import text
from waiting import PATIENCE, wait_until
from web_run import TPP, Served, served

from ledger.database.store import Store
from ledger.queries.balances import balances
from schemas.event_types import EVENT_REJECTED, LEDGER_SOURCE

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
CLIENTS = 16
BATCH = 7
ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
LEFT = (b"tpp.clock.ticked.v1", b'"reviewer":')
OWN = ("id", "subject")
"""Of a rejection, what depends on how its message came, beside its position."""


def lines() -> list[bytes]:
    """The events of the examples, and some broken ones.

    Without the ticks, which only the ledger's own clock gives, and the reviews, which each reviewer sends in person.
    """
    files = [EXAMPLES / "quickstart.jsonl", *sorted((EXAMPLES / "cookbook").glob("*.jsonl"))]
    found = [line for file in files for line in file.read_bytes().splitlines() if not any(map(line.__contains__, LEFT))]
    broken = [b'{"id": NaN}', b'{"id": "\xff"}', b"[]", b'"text"']
    return [line for line in found if line.strip()] + broken


@dataclass
class Sending:
    """One request: its id, its body and headers, and the answers that it got, if it got them."""

    id: str
    body: bytes
    headers: dict[str, str]
    count: int
    status: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)


def requests() -> Iterator[Sending]:
    """Each event once: one by one, in binary mode, or in a batch."""
    every = lines()
    singles, batched = every[: len(every) // 2], every[len(every) // 2 :]
    for number, line in enumerate(singles):
        if number % 3 == 0 and (found := binary(line)):
            yield Sending(f"b-{number}", found[1], found[0], 1)
        else:
            yield Sending(f"o-{number}", line, {"content-type": ONE}, 1)
    for at in range(0, len(batched), BATCH):
        some = batched[at : at + BATCH]
        yield Sending(f"m-{at}", b"[\n" + b" ,\n".join(some) + b"]\n", {"content-type": MANY}, len(some))


def binary(line: bytes) -> tuple[dict[str, str], bytes] | None:
    """An event in binary mode; None if it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    attributes = {name: value for name, value in event.items() if name not in ("data", "datacontenttype")}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return {"content-type": "application/json", **headers}, json.dumps(event["data"]).encode()


class Clients:
    """So many clients, each with its share of the requests, which it repeats until they are answered."""

    def __init__(self, server: Served, token: str, sendings: Sequence[Sending]) -> None:
        self.url, self.token = server.url, token
        self.sent = 0
        self.failures: list[BaseException] = []
        self._http = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_connections=CLIENTS))
        self._threads = [
            threading.Thread(target=self._run, args=(sendings[number::CLIENTS],)) for number in range(CLIENTS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, sent: int) -> None:
        """Returns once so many requests are answered."""
        wait_until(lambda: self.sent >= sent, every=0.005)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
        self._http.close()
        assert self.failures == []

    def _run(self, sendings: Sequence[Sending]) -> None:
        try:
            for sending in sendings:
                wait_until(lambda one=sending: self._send(one), every=0.01)  # type: ignore[misc]
        except BaseException as error:
            self.failures.append(error)
            raise

    def _send(self, sending: Sending) -> bool:
        headers = {**sending.headers, "authorization": f"Bearer {self.token}", "x-request-id": sending.id}
        try:
            found = self._http.post(f"{self.url}/v1/events", content=sending.body, headers=headers)
        except httpx.TransportError:
            return False
        assert found.status_code in (200, 422), found.text
        sending.status, sending.answers = found.status_code, found.json()
        assert len(sending.answers) == sending.count
        self.sent += 1
        return True


def recorded(url: str) -> list[tuple[bytes, list[dict[str, Any]]]]:
    """The events of a ledger with all that follows from them, in order; work in chunks is that of the event before."""
    store = Store(url)
    with store.read() as connection:
        query = text("SELECT source, type, event, answers FROM journal ORDER BY n")
        rows = connection.execute(query).all()
    store.close()
    found: list[tuple[bytes, list[dict[str, Any]]]] = []
    for row in rows:
        answers = [json.loads(one) for one in row.answers.split("\n")]
        if row.source == LEDGER_SOURCE and row.type != EVENT_REJECTED:
            found[-1][1].extend(answers)
        else:
            found.append((bytes(row.event), answers))
    return found


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what depends on how its message came."""
    if answer["type"] != EVENT_REJECTED:
        return answer
    data = {
        name: value for name, value in answer["data"].items() if name not in ("position", "original", "size", "sha256")
    }
    return {name: value for name, value in answer.items() if name not in OWN} | {"data": data}


def standing(url: str) -> list[Any]:
    store = Store(url)
    with store.read() as connection:
        found = [balance.to_json() for balance in balances(connection)]
    store.close()
    return found


@pytest.mark.kills
def test_files_sent_by_many_clients_get_the_answers_of_tpp_screen(ledger_url: str, tmp_path: Path) -> None:
    for kills in range(much(1, 10)):
        sendings, enough = list(requests()), 10 + 5 * kills
        with served(ledger_url, program=(INSTALLED, "serve")) as server:
            token = server.token("admin", "erp", "*")
            clients = Clients(server, token, sendings)
            clients.start()
            clients.wait(enough)
            server.process.kill()
            server.process.wait()
        with served(ledger_url) as server:
            clients.url = server.url
            clients.join()
            again = [Sending(one.id, one.body, one.headers, one.count) for one in sendings]
            second = Clients(server, token, again)
            second.start()
            second.join()
            assert [(one.status, one.answers) for one in again] == [(one.status, one.answers) for one in sendings]
            assert server.stop() in (0, -15)
    compared(ledger_url, tmp_path, sendings)


def compared(ledger_url: str, tmp_path: Path, sendings: Sequence[Sending]) -> None:
    """What the ledger took is what was sent, each event once, with the answers and balances of `tpp screen`."""
    taken = recorded(ledger_url)
    given = {answers[0]["id"]: answers[0] for _, answers in taken}
    answered = [answer for one in sendings for answer in one.answers]
    assert len(answered) == len(lines())
    assert [given[answer["id"]] for answer in answered] == answered
    assert set(given) == {answer["id"] for answer in answered}, "nothing is recorded that was not answered"
    assert len(given) == len(taken)
    file, answers = tmp_path / "taken.jsonl", tmp_path / "answers.jsonl"
    file.write_bytes(b"".join(event + b"\n" for event, _ in taken))
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    subprocess.run([TPP, "screen", file, "--ledger", fresh, "--out", answers], check=False, stderr=subprocess.PIPE)
    expected = [json.loads(line) for line in answers.read_bytes().splitlines()]
    assert [plain(one) for _, each in taken for one in each] == [plain(one) for one in expected]
    assert standing(ledger_url) == standing(fresh)
    checked = subprocess.run(
        [TPP, "audit", "verify", "--ledger", ledger_url], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
