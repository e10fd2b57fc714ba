"""A broker that lost the end of a partition: a worker sees it, says it, and decides everything that stands there."""

import urllib.request
import warnings
from collections.abc import Callable
from contextlib import closing

import orjson
import pytest
from brokers import Broker, commit, quiet_port
from stream_run import Crew, Part, Sending, Stream, decided, ready, shipments
from waiting import PATIENCE

from services.engine.message import Message
from services.kafka.offsets import Offsets
from services.stream.intake import intake

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient
    from kafka.structs import TopicPartition

PLACE = TopicPartition("tpp.shipments", 1)
LOST = "CRITICAL tpp.worker: tpp.shipments/1: the broker lost offsets"


def publish(stream: Stream, lines: list[bytes]) -> None:
    stream.publish(Sending(line, partition=1) for line in lines)


def set_offset(stream: Stream, offset: int, note: str = "") -> None:
    """What the group has committed, as a log that was truncated below it leaves it."""
    commit(stream.address, stream.group, tuple(PLACE), offset, note)


def committed(stream: Stream) -> tuple[int, str]:
    with closing(Offsets(stream.settings)) as offsets:
        found = offsets.committed_notes([tuple(PLACE)])[tuple(PLACE)]
    return found.offset, found.note


def end(stream: Stream, worker: Part) -> None:
    assert worker.end() == 0
    stream.wait(lambda: stream.members() == 0)


def all_answered(stream: Stream, messages: int) -> None:
    found = intake(stream.settings, stream.url)
    assert found["missing"] == found["doubled"] == []
    assert found["topics"]["tpp.shipments"]["answered"] == messages


@pytest.fixture
def stream(streams: Callable[..., Stream]) -> Stream:
    """A stream of which a worker has decided 64 messages of one partition."""
    made = streams(3)
    publish(made, list(shipments(64)))
    worker = made.start("worker")
    made.wait_decided(worker)
    end(made, worker)
    assert committed(made)[0] == 64
    return made


@pytest.mark.parametrize("is_grown", [True, False], ids=["grown-again", "not-yet"])
def test_messages_that_stand_below_the_committed_offset_are_decided(stream, is_grown) -> None:
    set_offset(stream, 70)
    new = list(shipments(74))[64:]
    if is_grown:
        publish(stream, new)
    worker = stream.start("worker")
    stream.wait(lambda: LOST in worker.said, [worker])
    if not is_grown:
        stream.wait(lambda: committed(stream)[0] == 64, [worker])
        publish(stream, new)
    stream.wait_decided(worker)
    assert "deciding again from offset 0, the lowest, on" in worker.said
    all_answered(stream, 74)
    assert len(stream.answers()) == 74
    end(stream, worker)
    again = stream.start("worker")
    publish(stream, list(shipments(75))[74:])
    stream.wait_decided(again)
    assert "lost" not in again.said
    all_answered(stream, 75)


def test_an_offset_far_beyond_the_end_is_said_once_and_ends_no_worker(stream) -> None:
    set_offset(stream, 500)
    address = f"127.0.0.1:{quiet_port()}"
    worker = stream.start("worker", slow(stream), TPP_METRICS=address)
    stream.wait(lambda: LOST in worker.said, [worker])
    assert f"{LOST} 64 to 499; deciding again from offset 0, the lowest, on" in worker.said
    stream.wait(lambda: "catching up in 1 partition" in ready(address)[1], [worker])
    assert ready(address)[0] == 503
    (stream.folder / "go").touch()
    stream.wait_decided(worker)
    stream.wait(lambda: ready(address) == (200, "ready\n"), [worker])
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE) as answer:
        assert 'tpp_lag_records{part="worker"} 0.0' in answer.read().decode()
    publish(stream, list(shipments(65))[64:])
    stream.wait_decided(worker)
    assert worker.said.count(LOST) == 1
    all_answered(stream, 65)


def slow(stream: Stream) -> str:
    """Lets a worker decide nothing before there is a file."""
    return f"""
import asyncio, pathlib, services.stream.reader as reader
take, go = reader.Reader._take, pathlib.Path({str(stream.folder / "go")!r})
async def slow(self, taken):
    while not go.exists():
        await asyncio.sleep(0.05)
    await take(self, taken)
reader.Reader._take = slow
"""


def test_a_worker_that_is_killed_while_it_catches_up_leaves_the_next_one_unready(stream) -> None:
    set_offset(stream, 500)
    first = stream.start("worker", slow(stream))
    stream.wait(lambda: committed(stream)[0] == 0, [first])
    first.kill()
    address = f"127.0.0.1:{quiet_port()}"
    second = stream.start("worker", slow(stream), TPP_METRICS=address)
    stream.wait(lambda: "catching up in 1 partition" in ready(address)[1], [second])
    (stream.folder / "go").touch()
    stream.wait_decided(second)
    stream.wait(lambda: ready(address) == (200, "ready\n"), [second])
    assert LOST not in second.said


@pytest.mark.parametrize("note", [f"{'0' * 32} 0", ""], ids=["by-its-digest", "by-the-ledger's-record"])
def test_another_message_where_the_last_decided_one_was_is_a_loss(stream, note) -> None:
    publish(stream, list(shipments(64))[-1:])
    if not note:
        _record_position(stream, 64)
    set_offset(stream, 65, note)
    worker = stream.start("worker")
    stream.wait(lambda: LOST in worker.said, [worker])
    assert "at 64 there is another message than was decided" in worker.said
    stream.wait(lambda: committed(stream)[0] == 65 and committed(stream)[1] != note, [worker])
    end(stream, worker)
    again = stream.start("worker")
    stream.wait(lambda: stream.members() == 1, [again])
    end(stream, again)
    assert "lost" not in again.said


def _record_position(stream: Stream, offset: int) -> None:
    """Lets the ledger have decided a message at an offset, which the broker lost."""
    event = orjson.loads(next(shipments(1)))
    event |= {"id": f"lost-{offset}", "subject": f"LOST-{offset}"}
    event["data"]["shipment_id"] = f"LOST-{offset}"
    position = {"topic": "tpp.shipments", "partition": 1, "offset": offset}
    decided(stream.url, [Message(orjson.dumps(event), position)])


def test_what_retention_has_taken_is_no_loss(stream) -> None:
    publish(stream, list(shipments(66))[64:])
    admin = KafkaAdminClient(bootstrap_servers=stream.address)
    admin.delete_records({PLACE: 64})
    worker = stream.start("worker")
    stream.wait_decided(worker)
    end(stream, worker)
    admin.delete_records({PLACE: 66})
    admin.close()
    again = stream.start("worker")
    stream.wait(lambda: stream.members() == 1, [again])
    publish(stream, list(shipments(67))[66:])
    stream.wait_decided(again)
    end(stream, again)
    assert "lost" not in worker.said + again.said
    assert len(stream.answers()) == 67


def test_a_worker_that_runs_while_the_broker_loses_offsets_is_replaced(broker: Broker, stream) -> None:
    if broker.local is None:
        pytest.skip("the broker is not the tests' own, to be stopped")
    crew = Crew(stream, ["worker"])
    (log,) = broker.local.folder.rglob("tpp.shipments-1/*.log")
    size = log.stat().st_size
    lines = list(shipments(80))
    publish(stream, lines[64:70])
    stream.wait_decided(crew)
    assert log.stat().st_size > size
    broker.local.kill()
    with log.open("ab") as file:
        file.truncate(size)
    broker.local.start()
    stream.wait(lambda: any(LOST in part.said for part in crew.parts), [crew])
    publish(stream, lines[70:])
    stream.wait_decided(crew)
    all_answered(stream, 74)
    assert len(stream.answers()) == 80
    said = "".join(part.said for part in [*crew.ended, *crew.parts])
    assert said.count("deciding again from offset 0, the lowest, on") == 1
