"""What pages remember of the ledger: new once anything was recorded, made once for all who ask, bounded."""

import threading
from collections.abc import Iterator
from datetime import date

import pytest
from reading_run import request, screen, tick

import rulebook
from ledger.database import tables
from ledger.database.store import Connection, Store
from ledger.queries.console import remembered as module
from ledger.queries.console.remembered import remembered, requested_names
from ledger.queries.work_list import held_count
from services.views.console import quotas
from services.views.console.quotas import QuotaFilter

TODAY = date(2025, 6, 2)


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    made = Store(ledger_url)
    yield made
    made.close()


def holds(store: Store, least: int | None = None) -> int:
    with store.read() as connection:
        return remembered(connection, held_count, least=least)


def test_a_change_is_seen_at_once(ledger_url: str, store: Store) -> None:
    for n in range(1, 5):
        screen(ledger_url, [request(f"SHP-{n}", papers=[])])
        assert holds(store) == n
        assert holds(store) == n


def test_the_page_of_quotas_shows_each_event_at_once(ledger_url: str, store: Store) -> None:
    book, wanted = rulebook.load("ai-diffusion", {}), QuotaFilter(year="all")

    def balances(text: str = "") -> dict[str, int]:
        with store.read() as connection:
            found = quotas.quotas(connection, book, TODAY, QuotaFilter(year="all", text=text) if text else wanted)
        return {row["path"]: row["balance"] for row in found["limits"]}

    assert balances() == {}
    for n in range(1, 4):
        screen(ledger_url, [request(f"SHP-{n}", 1)])
        assert balances() == {"lpp/CON-1/2025": n * 15_832}
        assert balances("con-1") == balances()
    screen(ledger_url, [request("SHP-9", 2, consignee="CON-2"), tick("2025-06-03")])
    assert balances()["lpp/CON-2/2025"] == 2 * 15_832


def test_what_is_read_is_read_once_at_a_head(ledger_url: str, store: Store) -> None:
    asked = []

    def make(connection: Connection, given: str) -> int:
        asked.append(given)
        return held_count(connection)

    screen(ledger_url, [request("SHP-1", papers=[])])
    with store.read() as connection:
        assert [remembered(connection, make, given) for given in ("a", "a", "b", "a")] == [1, 1, 1, 1]
    assert asked == ["a", "b"]


def test_a_moment_that_is_past_is_read_by_itself(ledger_url: str, store: Store) -> None:
    screen(ledger_url, [request("SHP-1", papers=[])])
    with store.read() as before:
        assert before.execute(tables.head.select()).one().n == 1
        screen(ledger_url, [request("SHP-2", papers=[])])
        assert holds(store) == 2
        assert remembered(before, held_count) == 1
        assert remembered(before, held_count, least=1) == 2
        assert remembered(before, held_count, least=3) == 1
    assert holds(store) == 2
    assert holds(store, least=1) == 2


def test_who_asks_meanwhile_waits_and_shares(ledger_url: str, store: Store) -> None:
    screen(ledger_url, [request("SHP-1", papers=[])])
    asked, go = [], threading.Event()

    def slow(connection: Connection) -> int:
        asked.append(threading.get_ident())
        go.wait()
        return held_count(connection)

    def ask() -> None:
        with store.read() as connection:
            found.append(remembered(connection, slow))

    found: list[int] = []
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    go.set()
    for one in threads:
        one.join()
    assert found == [1] * 8
    assert len(asked) == 1


def test_what_is_remembered_is_bounded(ledger_url: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FIXED", 3)
    screen(ledger_url, [request(f"SHP-{n}", consignee=f"CON-{n}") for n in range(6)])
    with store.read() as connection:
        for n in range(3 * module.MOST):
            remembered(connection, lambda _, given: given, n)
        wanted = {f"CON-{n}": n + 1 for n in range(6)}
        names = requested_names(connection, wanted)
        assert requested_names(connection, wanted) == names
        memory = module._MEMORIES[connection.engine]
    assert set(names) == set(wanted)
    assert len(memory.results) == module.MOST
    assert len(memory.names) == 3
