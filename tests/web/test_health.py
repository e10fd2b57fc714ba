"""The health of `tpp serve`, which anybody may ask."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from waiting import wait_until
from web_run import Served


def test_a_server_says_that_it_lives_and_is_ready(web: Served) -> None:
    with web.client() as client:
        live, ready = client.get("/health/live"), client.get("/health/ready")
    assert (live.status_code, ready.status_code) == (200, 200)
    assert (live.json(), ready.json()) == ({"status": "live"}, {"status": "ready"})
    assert live.headers["content-type"] == ready.headers["content-type"] == "application/json"
    assert web.stop() == 0


def test_a_ledger_that_does_not_answer_makes_it_unready_and_takes_one_thread(web: Served) -> None:
    if web.ledger.startswith("sqlite"):
        pytest.skip("who reads a file waits for nobody")
    url = re.sub(r"^postgresql(\+\w+)?://", "postgresql://", web.ledger)
    with web.client() as client, psycopg.connect(url) as holder:
        assert client.get("/health/ready").status_code == 200
        threads = _threads(web)
        holder.execute("LOCK TABLE head IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: client.get("/health/ready"), range(20)))
        assert {one.status_code for one in answers} == {503}
        assert {one.json()["status"] for one in answers} == {"unready"}
        assert client.get("/health/live").status_code == 200
        assert _threads(web) <= threads + 1
        holder.rollback()
        wait_until(lambda: client.get("/health/ready").status_code == 200)


def _threads(server: Served) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return int(status.partition("Threads:")[2].split()[0])
