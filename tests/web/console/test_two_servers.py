"""Two servers on one ledger: a form that is sent to both at once is one event, and nothing of it is rejected."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
from databases import Databases
from holds_run import events_of, fill, flagged, form, page, press, shipment, told
from signin_run import sign_in
from web_run import served

from ledger.database.store import Store


def test_a_form_that_is_sent_to_two_servers_at_once_is_one_event(databases: Databases) -> None:
    url, number, pairs = databases.ledger(), 4, 3
    with served(url) as one, served(url) as other:
        token = one.token("reviewer", "r.one")
        with sign_in(one, token) as here, sign_in(other, token) as there:
            for _ in range(pairs):
                id = shipment()
                fill(one, [flagged(id)])
                fields = form(page(here, f"/console/holds/{id}"), "release") | {"reason": "Seen."}
                mine = fields | {"form": form(page(there, f"/console/holds/{id}"), "release")["form"]}
                answers = at_once([(here, fields), (there, mine)] * (number // 2), f"/console/holds/{id}")
                assert {answer.status_code for answer in answers} == {303}
                assert len({answer.headers["location"] for answer in answers}) == 1
                assert {f"Shipment {id} is released" in told(there, answer) for answer in answers} == {True}
                assert events_of(one, id) == ["tpp.shipment.held.v1", "tpp.shipment.released.v1"]
    store = Store(url)
    with store.read() as connection:
        types = [row[0] for row in connection.exec_driver_sql("SELECT type FROM journal")]
    store.close()
    assert "tpp.event.rejected.v1" not in types and types.count("tpp.review.decided.v1") == pairs


def at_once(presses: list[tuple[httpx.Client, dict[str, str]]], path: str) -> list[httpx.Response]:
    gate = threading.Barrier(len(presses))

    def go(one: tuple[httpx.Client, dict[str, str]]) -> httpx.Response:
        gate.wait()
        return press(one[0], path, one[1])

    with ThreadPoolExecutor(len(presses)) as pool:
        return list(pool.map(go, presses))
