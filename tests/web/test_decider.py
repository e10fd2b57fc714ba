"""The queue in front of the engine: what waits can be withdrawn, what is taken is answered, together in a transaction."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from deciding import asked, decider, kinds, locked, read, rows, settled
from sqlalchemy import text
from waiting import PATIENCE

import rulebook
from schemas.event_types import SHIPMENT_CANCELLED
from services.engine.engine import Texts
from services.engine.handlers import HANDLERS
from services.web.decider import Decider
from services.web.problems import Kind, Problem
from services.web.waiting import LARGE, MOST_OF_SIZE, Queue, WaitingRequest


def test_requests_that_wait_together_are_decided_in_one_transaction(ledger_url: str) -> None:
    async def story(runs: Decider, free: Callable[[], None]) -> list[list[Texts]]:
        first = asyncio.ensure_future(runs.decide(asked(0)))
        await settled(runs, 1)
        others = [asyncio.ensure_future(runs.decide(asked(number, 2))) for number in range(1, 16)]
        await settled(runs, 31)
        free()
        return await asyncio.gather(first, *others)

    with decider(ledger_url) as (runs, store), locked(ledger_url) as free:
        found = asyncio.run(story(runs, free))
        assert [kinds(decided) for decided in found] == [
            ["shipment.approved"] * (2 if number else 1) for number in range(16)
        ]
        assert len(rows(store, "SELECT n FROM journal")) == 31
        assert len(set(rows(store, "SELECT recorded FROM journal"))) == 1
        subjects = [orjson.loads(texts[0])["subject"] for decided in found for texts in decided]
        assert subjects == rows(store, "SELECT shipment_id FROM journal ORDER BY n")


def test_a_request_whose_turn_does_not_come_is_withdrawn_and_nothing_was_decided(ledger_url: str) -> None:
    async def story(runs: Decider) -> Problem:
        with pytest.raises(Problem) as refused:
            await runs.decide(asked(1, 3))
        return refused.value

    with decider(ledger_url, patience=0.2) as (runs, store):
        with locked(ledger_url) as free:
            problem = asyncio.run(story(runs))
            assert (problem.kind, problem.kind.status) == (Kind.LEDGER_BUSY, 503)
            assert int(problem.headers["Retry-After"]) > 0
            assert runs._queue._events == 0
            free()
        runs._patience = PATIENCE
        assert kinds(asyncio.run(runs.decide(asked(2)))) == ["shipment.approved"]
        assert rows(store, "SELECT shipment_id FROM journal") == ["SHP-2000"]
        assert kinds(asyncio.run(runs.decide(asked(1, 3)))) == ["shipment.approved"] * 3


def test_a_full_queue_refuses_at_once_and_keeps_what_waits(ledger_url: str) -> None:
    async def story(runs: Decider, free: Callable[[], None]) -> None:
        waiting = asyncio.ensure_future(runs.decide(asked(1, 4)))
        await settled(runs, 4)
        with pytest.raises(Problem) as refused:
            await runs.decide(asked(2, 2))
        assert refused.value.kind is Kind.LEDGER_BUSY
        assert "Retry-After" in refused.value.headers
        last = asyncio.ensure_future(runs.decide(asked(3)))
        await settled(runs, 5)
        free()
        assert [len(decided) for decided in await asyncio.gather(waiting, last)] == [4, 1]

    with decider(ledger_url, most=5) as (runs, store), locked(ledger_url) as free:
        asyncio.run(story(runs, free))
        assert len(rows(store, "SELECT n FROM journal")) == 5


def test_a_request_whose_client_goes_away_is_withdrawn(ledger_url: str) -> None:
    async def story(runs: Decider, free: Callable[[], None]) -> None:
        left = asyncio.Event()

        async def gone() -> None:
            await left.wait()

        away = asyncio.ensure_future(runs.decide(asked(1), gone=gone))
        cancelled = asyncio.ensure_future(runs.decide(asked(2)))
        stays = asyncio.ensure_future(runs.decide(asked(3)))
        await settled(runs, 3)
        left.set()
        cancelled.cancel()
        await asyncio.wait({away, cancelled})
        free()
        assert isinstance(away.exception(), Problem)
        assert kinds(await stays) == ["shipment.approved"]

    with decider(ledger_url) as (runs, store), locked(ledger_url) as free:
        asyncio.run(story(runs, free))
        assert rows(store, "SELECT shipment_id FROM journal") == ["SHP-3000"]


def test_what_waits_is_refused_when_the_server_stops_and_what_is_taken_is_answered(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, go_on, whole = threading.Event(), threading.Event(), HANDLERS[SHIPMENT_CANCELLED]

    def slow(*arguments: Any) -> Any:
        taken.set()
        go_on.wait(PATIENCE)
        return whole(*arguments)

    monkeypatch.setitem(HANDLERS, SHIPMENT_CANCELLED, slow)

    async def story(runs: Decider, stopping: asyncio.Event) -> None:
        steps = read({"do": "request", "ship": {"id": "SHP-1"}}, {"do": "cancel", "data": {"shipment_id": "SHP-1"}})
        first = asyncio.ensure_future(runs.decide(steps))
        await asyncio.to_thread(taken.wait, PATIENCE)
        second = asyncio.ensure_future(runs.decide(asked(2)))
        await settled(runs, 1)
        stopping.set()
        with pytest.raises(Problem) as refused:
            await second
        assert refused.value.kind is Kind.STOPPING
        with pytest.raises(Problem):
            await runs.decide(asked(3))
        go_on.set()
        assert kinds(await first) == ["shipment.approved", "event.recorded"]

    stopping = asyncio.Event()
    with decider(ledger_url, stopping=stopping) as (runs, store):
        asyncio.run(story(runs, stopping))
        assert len(rows(store, "SELECT n FROM journal")) == 2


def test_an_event_on_which_the_program_fails_fails_no_other(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setitem(HANDLERS, SHIPMENT_CANCELLED, broken)

    async def story(runs: Decider, free: Callable[[], None]) -> list[list[Texts]]:
        bad = read({"do": "cancel", "data": {"shipment_id": "SHP-1000"}}, first=9_000, request="bad")
        each = [asyncio.ensure_future(runs.decide(one)) for one in (asked(1), bad, asked(2))]
        await settled(runs, 3)
        free()
        return await asyncio.gather(*each)

    with decider(ledger_url) as (runs, _), locked(ledger_url) as free:
        found = asyncio.run(story(runs, free))
    assert [kinds(one) for one in found] == [["shipment.approved"], ["event.rejected"], ["shipment.approved"]]
    assert orjson.loads(found[1][0][0])["data"]["errors"][0]["code"] == "internal.error"


def test_a_request_on_which_a_transaction_fails_fails_no_other(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails before the events are looked at one by one, such as a statement that the database refuses."""
    whole = rulebook.Book.likely_accounts

    def likely(self: rulebook.Book, data: Any) -> Any:
        if data.shipment_id == "SHP-2000":
            raise ZeroDivisionError("planted")
        return whole(self, data)

    monkeypatch.setattr(rulebook.Book, "likely_accounts", likely)

    async def story(runs: Decider, free: Callable[[], None]) -> list[Any]:
        each = [asyncio.ensure_future(runs.decide(asked(number))) for number in (1, 2, 3)]
        await settled(runs, 3)
        free()
        return await asyncio.gather(*each, return_exceptions=True)

    with decider(ledger_url) as (runs, store), locked(ledger_url) as free:
        first, second, third = asyncio.run(story(runs, free))
        assert (kinds(first), kinds(third)) == (["shipment.approved"], ["shipment.approved"])
        assert isinstance(second, Problem)
        assert second.kind is Kind.INTERNAL
        assert rows(store, "SELECT shipment_id FROM journal ORDER BY n") == ["SHP-1000", "SHP-3000"]


def test_nothing_is_decided_any_more_once_the_ledger_was_restored(ledger_url: str) -> None:
    async def story(runs: Decider) -> None:
        for number in (2, 3):
            with pytest.raises(Problem) as refused:
                await runs.decide(asked(number))
            assert refused.value.kind is Kind.LEDGER_UNAVAILABLE
            assert "restored" in refused.value.detail.lower()

    with decider(ledger_url) as (runs, store):
        asyncio.run(runs.decide(asked(1)))
        assert runs.failed is None
        with store.begin() as connection:
            connection.execute(text("UPDATE head SET epoch = 7"))
        asyncio.run(story(runs))
        assert runs.failed is not None
        assert rows(store, "SELECT shipment_id FROM journal") == ["SHP-1000"]


# --- checks -----------------------------------------------------------------------------------------------------------


def test_checks_answer_while_another_writes_and_write_nothing(ledger_url: str) -> None:
    async def story(runs: Decider) -> None:
        steps = read({"do": "request", "ship": {"id": "SHP-1"}}, {"do": "cancel", "data": {"shipment_id": "SHP-1"}})
        found = await asyncio.gather(*(runs.check(steps) for _ in range(5)))
        assert [kinds(one) for one in found] == [["shipment.approved", "event.recorded"]] * 5

    with decider(ledger_url) as (runs, store):
        asyncio.run(runs.decide(asked(1)))
        with locked(ledger_url):
            asyncio.run(story(runs))
        asyncio.run(story(runs))
        assert rows(store, "SELECT shipment_id FROM journal") == ["SHP-1000"]


def test_too_many_checks_are_refused_and_one_that_cannot_begin_in_time(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, begun, whole = threading.Event(), threading.Semaphore(0), HANDLERS[SHIPMENT_CANCELLED]

    def slow(*arguments: Any) -> Any:
        begun.release()
        free.wait(PATIENCE)
        return whole(*arguments)

    monkeypatch.setitem(HANDLERS, SHIPMENT_CANCELLED, slow)
    one = read({"do": "cancel", "data": {"shipment_id": "SHP-1"}})

    async def story(runs: Decider) -> None:
        begun_ones = [asyncio.ensure_future(runs.check(one)) for _ in range(2)]
        for _ in begun_ones:
            await asyncio.to_thread(begun.acquire)
        waits = asyncio.ensure_future(runs.check(one))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await runs.check(one)
        assert refused.value.kind is Kind.LEDGER_BUSY
        with pytest.raises(Problem) as late:
            await waits
        assert late.value.kind is Kind.LEDGER_BUSY
        free.set()
        assert [kinds(found) for found in await asyncio.gather(*begun_ones)] == [["event.refused"]] * 2

    with decider(ledger_url, most=3, patience=0.2) as (runs, _):
        asyncio.run(story(runs))


def test_checks_see_what_is_committed_and_nothing_of_each_other(ledger_url: str) -> None:
    """What a check read of facts is kept for the next one, unless it states facts itself or another has written."""
    request = {"do": "request", "ship": {"id": "SHP-1", "quantity": 1}}
    low = {"do": "limit", "id": "low", "data": {"account": "lpp/CON-1/2025", "limit": 1, "valid_from": "2025-01-01"}}
    alone, lowered = read(request, first=50), read(low, request, first=49)

    async def story(runs: Decider) -> None:
        for _ in range(2):
            assert kinds(await runs.check(alone)) == ["shipment.approved"]
            assert kinds(await runs.check(lowered)) == ["event.recorded", "shipment.held"]
        await runs.decide(asked(7))
        assert kinds(await runs.check(alone)) == ["shipment.approved"]
        assert kinds(await runs.decide(read(low))) == ["event.recorded"]
        for _ in range(2):
            assert kinds(await runs.check(alone)) == ["shipment.held"]
        assert kinds(await runs.decide(alone)) == ["shipment.held"]

    with decider(ledger_url) as (runs, _):
        asyncio.run(story(runs))


# --- whose turn it is -------------------------------------------------------------------------------------------------


def sized(size: int) -> WaitingRequest:
    loop = asyncio.new_event_loop()
    with suppress(RuntimeError):
        loop.close()
    return WaitingRequest(asked(1) * size, follow=False, arrived=time.monotonic(), future=loop.create_future())


def test_neither_small_nor_large_requests_wait_behind_the_others() -> None:
    queue = Queue(10_000)
    large, small = [sized(MOST_OF_SIZE) for _ in range(3)], [sized(1) for _ in range(3)]
    for request in (*large, *small):
        assert queue.add(request)
    assert queue.take() == [large[0], *small]
    more = [sized(LARGE) for _ in range(11)]
    for request in more:
        assert queue.add(request)
    assert queue.take() == [large[1], *more[:10]]
    assert queue.withdraw(large[2])
    assert not queue.withdraw(large[1])
    assert queue.take() == more[10:]
    assert queue.take() == []
