"""Offsets are committed beside the turns: the latest of each partition, soon, and all of them at the end."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from services.kafka.faust_app import Noted
from services.stream import commits


class Broker:
    """What is committed, and what a commit waits for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, assigned: set[str]) -> None:
        self.committed: list[dict[Any, int]] = []
        self.taken = asyncio.Event()
        self.taken.set()
        self.fails: Exception | None = None
        monkeypatch.setattr(commits, "commit", self._commit)
        monkeypatch.setattr(commits, "assigned_to", lambda _: assigned)

    async def _commit(self, _app: Any, offsets: dict[Any, Noted]) -> None:
        await self.taken.wait()
        if self.fails:
            raise self.fails
        self.committed.append(dict(offsets))


def _at(**offsets: int) -> dict[str, Noted]:
    return {place: Noted(offset, "") for place, offset in offsets.items()}


async def _steps() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_offsets_that_come_while_the_broker_takes_others_are_committed_together(monkeypatch) -> None:
    async def run() -> list[dict[Any, int]]:
        app = SimpleNamespace(consumer_generation_id=1)
        broker, made = Broker(monkeypatch, {"a", "b"}), commits.Commits(app)
        broker.taken.clear()
        made.note(1, _at(a=1))
        await _steps()
        made.note(1, _at(a=2, b=7))
        made.note(1, _at(a=3))
        broker.taken.set()
        await made.end()
        return broker.committed

    assert asyncio.run(run()) == [{"a": 1}, {"a": 3, "b": 7}]


def test_what_another_worker_has_by_now_is_not_committed(monkeypatch) -> None:
    async def run() -> list[dict[Any, int]]:
        app = SimpleNamespace(consumer_generation_id=1)
        broker, made = Broker(monkeypatch, {"a"}), commits.Commits(app)
        made.note(1, _at(a=1, b=7))
        await _steps()
        await made.end()
        return broker.committed

    assert asyncio.run(run()) == [{"a": 1}]


def test_nothing_is_committed_in_a_later_generation(monkeypatch) -> None:
    async def run() -> list[dict[Any, int]]:
        app = SimpleNamespace(consumer_generation_id=1)
        broker, made = Broker(monkeypatch, {"a", "b"}), commits.Commits(app)
        made.note(1, _at(a=1))
        await _steps()
        made.note(1, _at(a=2))
        app.consumer_generation_id = 2
        made.note(2, _at(b=7))
        await made.end()
        return broker.committed

    async def late() -> list[dict[Any, int]]:
        app = SimpleNamespace(consumer_generation_id=2)
        broker, made = Broker(monkeypatch, {"a"}), commits.Commits(app)
        made.note(1, _at(a=1))
        await made.end()
        return broker.committed

    assert asyncio.run(run()) == [{"a": 1}, {"b": 7}]
    assert asyncio.run(late()) == []


def test_a_commit_that_fails_is_a_failure_of_the_next_batch(monkeypatch) -> None:
    async def run() -> None:
        app = SimpleNamespace(consumer_generation_id=1)
        broker, made = Broker(monkeypatch, {"a"}), commits.Commits(app)
        broker.fails = ZeroDivisionError("planted")
        made.note(1, _at(a=1))
        await _steps()
        with pytest.raises(ZeroDivisionError, match="planted"):
            made.note(1, _at(a=2))
        await made.end()

    asyncio.run(run())


def test_the_end_does_not_wait_for_a_broker_that_does_not_answer(monkeypatch) -> None:
    async def run() -> list[dict[Any, int]]:
        monkeypatch.setattr(commits, "END_SECONDS", 0.01)
        app = SimpleNamespace(consumer_generation_id=1)
        broker, made = Broker(monkeypatch, {"a"}), commits.Commits(app)
        broker.taken.clear()
        made.note(1, _at(a=1))
        await made.end()
        return broker.committed

    assert asyncio.run(run()) == []
