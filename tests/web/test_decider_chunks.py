"""Work in chunks in the queue in front of the engine: done before anything else is taken, and from the start."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from deciding import BY_HAND, Clock, decider, read, rows
from waiting import wait_until

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine import chunks
from services.engine.engine import Engine
from services.engine.handlers import reviews
from services.resources import software
from services.web.decider import Decider


def holds() -> list[dict[str, Any]]:
    """Holds that wait for room, room, a recheck of all, and one more request."""
    full = {"do": "attest", "data": {"account": "lpp/CON-1/2025", "tpp": 26_900_000}}
    room = {"do": "attest", "data": {"account": "lpp/CON-1/2025", "tpp": 25_000_000, "reference": "A-2"}}
    held = [{"do": "request", "ship": {"id": f"SHP-{n}"}} for n in range(12)]
    return [
        BY_HAND,
        full,
        *held,
        room,
        {"do": "recheck", "data": {"all": True}},
        {"do": "request", "ship": {"id": "X"}},
    ]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five."""
    for module in (chunks, reviews):
        monkeypatch.setattr(module, "CHUNK", 5)


def in_a_file(steps: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The answers to the same events as a command decides them, with all that follows."""
    store = Store(":memory:")
    store.open()
    try:
        engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), Clock(), software())
        return [list(texts) for texts in engine.decide(read(*steps))]
    finally:
        store.close()


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("steps", [holds(), holds()[1:]], ids=["by-hand", "auto"])
def test_what_an_event_asks_for_in_chunks_is_done_before_the_next_as_in_a_file(
    ledger_url: str, steps: list[dict[str, Any]]
) -> None:
    expected = in_a_file(steps)
    assert max(map(len, expected)) > 10, "there is work in chunks"
    whole = read(*steps)

    async def story(runs: Decider) -> None:
        some = len(steps) - 2
        assert [texts[0] for texts in await runs.decide(whole[:some])] == [texts[0] for texts in expected[:some]]
        asked, last = asyncio.ensure_future(runs.decide(whole[some:-1], follow=True)), whole[-1:]
        await asyncio.sleep(0)  # the first one waits, and this one behind it
        (plain,) = await runs.decide(last)
        assert list(plain) == expected[-1][:1]
        assert [list(texts) for texts in await asked] == expected[some:-1]
        assert [list(texts) for texts in await runs.decide(whole, follow=True)] == expected, "a repeat too"

    with decider(ledger_url) as (runs, _):
        asyncio.run(story(runs))


@pytest.mark.usefixtures("few")
def test_work_that_another_left_is_done_before_anything_is_taken(ledger_url: str) -> None:
    steps = holds()
    expected, whole = in_a_file(steps), read(*steps)
    store = Store(ledger_url)
    other = Engine(Ledger(store), rulebook.load("ai-diffusion"), Clock(), software())
    other.decide(whole[:-2])
    with decider(ledger_url) as (runs, _):
        wait_until(lambda: runs._turns._engine.pending is False)
        other.decide_between(whole[-2:-1])
        assert other.pending
        assert [list(texts) for texts in asyncio.run(runs.decide(whole[-1:], follow=True))] == expected[-1:]
    store.close()


@pytest.mark.usefixtures("few")
def test_work_that_was_left_is_done_from_the_start(ledger_url: str) -> None:
    steps = holds()
    store = Store(ledger_url)
    other = Engine(Ledger(store), rulebook.load("ai-diffusion"), Clock(), software())
    other.decide_between(read(*steps[:-1]))
    assert other.pending
    with decider(ledger_url):
        wait_until(lambda: not rows(store, "SELECT n FROM unfinished"))
    store.close()
