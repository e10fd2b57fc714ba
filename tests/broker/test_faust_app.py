"""The Faust application: how it takes messages, shares partitions out and stops, with no broker at hand."""

import asyncio

import pytest
from aiokafka.errors import CommitFailedError
from waiting import PATIENCE

from services.kafka.faust_app import application
from services.settings import Settings


async def _settled() -> None:
    """Lets every task go on until it waits for something else."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_broker_that_does_not_tell_of_its_topics_yet_leaves_no_group_without_partitions() -> None:
    class Started:
        def partitions_for_topic(self, topic):
            return {0, 1, 2} if topic == "tpp.facts" else None

    places = [(topic, number) for topic in ("tpp.shipments", "tpp.facts") for number in range(2)]
    assignor = application(Settings(broker="127.0.0.1:1"), places).assignor
    member = assignor.metadata({"tpp.shipments", "tpp.facts"})
    shared = assignor.assign(Started(), {"one": member, "other": member})
    found = [tuple(place) for one in shared.values() for place in one.partitions()]
    assert sorted(found) == sorted([*places, ("tpp.facts", 2)])
    assert all(one.partitions() for one in shared.values())


def test_a_consumer_whose_thread_a_failure_has_ended_is_stopped_in_order() -> None:
    async def stop() -> None:
        thread = application(Settings(broker="127.0.0.1:1")).consumer._thread
        thread._started.set()
        thread.thread_loop.close()
        thread.set_shutdown()
        await asyncio.wait_for(thread.stop(), PATIENCE)

    asyncio.run(stop())


def test_a_consumer_whose_fetch_is_cut_off_by_the_stop_is_stopped_in_order(monkeypatch) -> None:
    async def begins(thread) -> None:
        thread._consumer = Cut()

    class Cut:
        async def stop(self) -> None:
            raise asyncio.CancelledError

    async def stop() -> None:
        thread = application(Settings(broker="127.0.0.1:1")).consumer._thread
        monkeypatch.setattr(type(thread), "on_start", begins)
        await thread.start()
        await asyncio.wait_for(thread.stop(), PATIENCE)

    asyncio.run(stop())


def test_a_consumer_that_the_broker_fails_says_so_in_a_line(caplog, capsys) -> None:
    thread = application(Settings(broker="127.0.0.1:1")).consumer._thread
    thread.thread_loop.close()
    for error, stacks in ((CommitFailedError("planted"), 0), (ZeroDivisionError("planted"), 1)):
        try:
            raise error
        except type(error):
            thread.on_crash("{0!r} crashed", "the thread")
        assert capsys.readouterr().err.count("Traceback") == stacks
    assert len(caplog.messages) == 1
    assert "the broker failed: CommitFailedError: " in caplog.text


def test_a_message_that_is_taken_at_once_makes_no_task_and_one_that_waits_is_waited_for() -> None:
    async def take() -> None:
        consumer = application(Settings(broker="127.0.0.1:1")).consumer
        consumer._thread.thread_loop.close()
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        suspended, tasks = asyncio.Event(), len(asyncio.all_tasks())
        taken = await consumer.wait_first(queue.put(1), suspended.wait())
        assert (len(taken.done), taken.stopped, queue.qsize(), len(asyncio.all_tasks())) == (1, False, 1, tasks)
        waits = asyncio.ensure_future(consumer.wait_first(queue.put(2), suspended.wait()))
        await _settled()
        assert (queue.get_nowait(), waits.done()) == (1, False)
        await waits
        assert queue.qsize() == 1
        waits = asyncio.ensure_future(consumer.wait_first(queue.put(3), suspended.wait()))
        await _settled()
        suspended.set()
        await waits
        await asyncio.sleep(0)
        assert (queue.get_nowait(), queue.qsize(), len(queue._putters)) == (2, 0, 0)

    asyncio.run(take())


def test_what_taking_a_message_raises_is_raised() -> None:
    async def fails(first: asyncio.Event) -> None:
        if not first.is_set():
            await first.wait()
        raise ZeroDivisionError

    async def take() -> None:
        consumer = application(Settings(broker="127.0.0.1:1")).consumer
        consumer._thread.thread_loop.close()
        event, never = asyncio.Event(), asyncio.Event()
        waits = asyncio.ensure_future(consumer.wait_first(fails(event), never.wait()))
        await _settled()
        event.set()
        with pytest.raises(ZeroDivisionError):
            await waits
        with pytest.raises(ZeroDivisionError):
            await consumer.wait_first(fails(event), never.wait())

    asyncio.run(take())
