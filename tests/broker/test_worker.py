"""The worker on a real broker: what it decides is what `tpp screen` decides, whatever comes in."""

import asyncio
import base64
import hashlib
import logging
import random
import socket
import time
import urllib.error
import urllib.request
from collections import Counter

import orjson
import pytest
from aiokafka.errors import CommitFailedError
from sqlalchemy.exc import OperationalError
from stream_run import Message, Stream, example, screened, shipments

from schemas.binary import structured
from services.faust_app import application
from services.intake import intake
from services.settings import Settings
from services.worker import Hole, Quiet

BINARY = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"evt-binary"),
    ("ce_source", b"//wms.example"),
    ("ce_type", b"tpp.clock.ticked.v1"),
    ("ce_subject", b"clock"),
    ("ce_time", b"2025-06-02T09:30:00Z"),
    ("content-type", b"application/json"),
]


def _answered(stream: Stream) -> list[dict]:
    return [orjson.loads(text) for text in stream.answers()]


def _clean(stream: Stream, messages: int) -> None:
    found = intake(stream.settings, stream.url)
    assert found["missing"] == found["doubled"] == []
    assert sum(one["answered"] for one in found["topics"].values()) == messages


def test_one_partition_is_decided_as_the_command_line_decides_it(streams, tmp_path) -> None:
    stream = streams()
    lines = [line for line in example("quickstart.jsonl") + example("gpu-clusters.jsonl.gz") if line]
    stream.publish(Message(line, partition=0) for line in lines)
    worker = stream.start("worker")
    stream.wait_decided(worker)
    assert worker.end() == 0
    texts, balances = screened(lines, f"sqlite:///{tmp_path / 'screened.db'}")
    assert stream.answers() == list(dict.fromkeys(texts))
    assert stream.balances() == balances
    _clean(stream, len(lines))


def test_whatever_comes_in_has_one_answer_and_nothing_stops_the_worker(streams) -> None:
    stream = streams(4)
    good = list(shipments(150))
    again = random.Random(5).sample(good, 15)
    huge = b'{"specversion":"1.0","data":"' + b"x" * (1 << 20) + b'"}'
    wrong = [name for name in BINARY if name[0] != "ce_source"]
    odd = [
        Message(b"{not json", "a"),
        Message(huge, "b"),
        Message(b"", "c"),
        Message(None, "d"),
        Message(None, "e", headers=BINARY),
        Message(b'{"now":"2025-06-02T09:30:00Z"}', "f", "tpp.facts", headers=wrong),
        Message(b'{"now":"2025-06-02T09:30:00Z"}', "g", "tpp.facts", headers=BINARY),
        Message(b"\xff\xfe", None, headers=()),
    ]
    ticked = Message(structured(BINARY, odd[6].value), "g", "tpp.facts")
    mixed = [*(Message(line, f"key-{n}") for n, line in enumerate(good + again)), *odd, ticked]
    random.Random(7).shuffle(mixed)
    stream.publish(mixed)
    worker = stream.start("worker")
    stream.wait_decided(worker)
    assert worker.end() == 0
    answers = _answered(stream)
    assert Counter(one["type"] for one in answers if one["type"].startswith("tpp.shipment.")).total() == len(good)
    rejected = {one["data"]["position"]["topic"]: one for one in answers if one["type"] == "tpp.event.rejected.v1"}
    told = [one["data"] for one in answers if one["type"] == "tpp.event.rejected.v1"]
    assert len(told) == len(odd) - 1
    assert sum(one["type"] == "tpp.event.recorded.v1" for one in answers) == 1
    assert Counter(one["errors"][0]["code"] for one in told) == {
        "json.invalid": 1,
        "message.too_large": 1,
        "message.empty": 2,
        "member.missing": 2,
        "encoding.invalid": 1,
    }
    assert sorted(one["size"] for one in told) == sorted([9, len(huge), 0, 0, 0, 30, 2])
    source = rejected["tpp.facts"]["data"]
    assert source["errors"] == [{"pointer": "/source", "code": "member.missing", "message": "is required"}]
    assert base64.b64decode(source["original"]) == odd[5].value
    assert source["sha256"] == hashlib.sha256(odd[5].value).hexdigest()
    (tombstone,) = (one for one in told if one.get("causation"))
    assert (tombstone["original"], tombstone["size"]) == ("", 0)
    assert tombstone["causation"] == {"source": "//wms.example", "id": "evt-binary"}
    _clean(stream, len(mixed))


def test_what_a_publisher_took_back_is_never_decided_and_its_marks_stop_nobody(streams) -> None:
    from kafka import KafkaProducer

    stream = streams(1)
    lines = list(shipments(60))
    worker = stream.start("worker")
    producer = KafkaProducer(bootstrap_servers=stream.address, transactional_id="test-took-back")
    producer.init_transactions()
    kept = []
    for n, chunk in enumerate(_fives(lines)):
        producer.begin_transaction()
        for line in chunk:
            producer.send("tpp.shipments", line, partition=0)
        producer.flush()
        if n % 3 == 2:
            producer.abort_transaction()
        else:
            producer.commit_transaction()
            kept += chunk
    producer.close()
    stream.wait(lambda: len(stream.answers()) >= len(kept), [worker])
    time.sleep(0.5)
    assert worker.end() == 0
    decided = [one["data"]["causation"]["id"] for one in _answered(stream) if one["type"].startswith("tpp.shipment.")]
    assert decided == [orjson.loads(line)["id"] for line in kept]
    assert "hold no committed message" in worker.said
    _clean(stream, len(kept))


def _fives(lines):
    return [lines[n : n + 5] for n in range(0, len(lines), 5)]


def test_an_event_that_the_program_fails_on_is_rejected_and_those_behind_it_are_decided(streams) -> None:
    stream = streams(1)
    lines = list(shipments(20))
    stream.publish(Message(line, partition=0) for line in lines)
    fails = """
from services.handlers import HANDLERS
requested = HANDLERS["tpp.shipment.requested.v1"]
def planted(turn, event, out):
    if event.id == "load-7":
        raise ZeroDivisionError("planted")
    return requested(turn, event, out)
HANDLERS["tpp.shipment.requested.v1"] = planted
"""
    worker = stream.start("worker", fails)
    stream.wait_decided(worker)
    assert worker.end() == 0
    answers = _answered(stream)
    (rejected,) = (one["data"] for one in answers if one["type"] == "tpp.event.rejected.v1")
    assert rejected["errors"][0]["code"] == "internal.error"
    assert base64.b64decode(rejected["original"]) == lines[7]
    assert sum(one["type"].startswith("tpp.shipment.") for one in answers) == 19
    assert "ALERT internal.error" in worker.said
    _clean(stream, len(lines))


def test_a_hole_stops_the_worker_and_the_next_one_fills_it(streams) -> None:
    stream = streams(1)
    lines = list(shipments(30))
    stream.publish(Message(line, partition=0) for line in lines)
    skips = """
import services.worker as worker
whole = worker.Reader._take
async def holed(self, messages):
    await whole(self, [one for one in messages if one.offset != 11])
worker.Reader._take = holed
"""
    worker = stream.start("worker", skips)
    assert worker.process.wait(30) == 1
    assert "1 messages were passed by, from offset 11" in worker.said
    worker = stream.start("worker")
    stream.wait_decided(worker)
    _clean(stream, len(lines))


def test_a_worker_that_stands_still_is_ended(streams) -> None:
    stream = streams(1)
    stream.publish(Message(line, partition=0) for line in shipments(5))
    stands = """
import services.health, services.worker as worker, asyncio
services.health.Health.__init__.__defaults__ = (3.0,)
async def stands(self, messages):
    await asyncio.sleep(600)
worker.Reader._take = stands
"""
    worker = stream.start("worker", stands)
    assert worker.process.wait(40) == 75
    assert "has 5 records to do and has done none" in worker.said


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (
            "sqlalchemy.exc.OperationalError('select', {}, Exception('planted'))",
            "CRITICAL tpp.worker: the ledger's database failed: planted; ending",
        ),
        ("aiokafka.errors.CommitFailedError('planted')", "Committing raised exception: CommitFailedError("),
    ],
)
def test_where_the_database_or_the_broker_fails_the_worker_says_so_in_a_line_and_ends(streams, fails, said) -> None:
    stream = streams(1)
    stream.publish(Message(line, partition=0) for line in shipments(5))
    planted = f"""
import aiokafka, kafka.errors, sqlalchemy.exc, services.worker as worker
def fails(*asked):
    raise {fails}
if {"aiokafka" in fails}:
    aiokafka.AIOKafkaConsumer.commit = fails
else:
    worker.Offsets.beginnings = fails
"""
    worker = stream.start("worker", planted)
    assert worker.process.wait(30) == 1
    assert "Traceback" not in worker.said
    assert worker.said.count(said) == 1


def test_a_broker_that_does_not_say_what_its_offsets_hold_is_asked_again(streams) -> None:
    stream = streams(1)
    lines = list(shipments(5))
    stream.publish(Message(line, partition=0) for line in lines)
    late = """
import kafka.errors, services.worker as worker
asked, told = [], worker.Offsets.beginnings
def beginnings(self, places):
    asked.append(places)
    if len(asked) < 3:
        raise kafka.errors.KafkaTimeoutError("planted")
    return told(self, places)
worker.Offsets.beginnings = beginnings
"""
    worker = stream.start("worker", late)
    stream.wait_decided(worker)
    assert worker.end() == 0
    assert "Traceback" not in worker.said
    assert worker.said.count("does not say what its offsets hold: KafkaTimeoutError: planted; trying again") == 2
    _clean(stream, len(lines))


def test_health_is_progress(streams) -> None:
    stream = streams(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    worker = stream.start("worker", TPP_METRICS=address)

    def asked(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    stream.wait(lambda: asked("/health/live")[0] == 200, [worker])
    assert asked("/health/ready") == (503, "worker is not ready: it is starting\n")
    stream.publish(Message(line, partition=0) for line in [*shipments(7), b"{"])
    stream.wait_decided(worker)
    assert asked("/health/ready") == (200, "ready\n")
    told = asked("/metrics")[1]
    assert 'tpp_records_total{part="worker",result="decided"} 7.0' in told
    assert 'tpp_records_total{part="worker",result="rejected"} 1.0' in told
    assert asked("/nothing")[0] == 404


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


def test_what_a_library_repeats_is_written_once_and_stacks_of_what_is_told_anyway_are_not() -> None:
    quiet = Quiet()

    def record(name: str, message: str, error: BaseException | None = None) -> logging.LogRecord:
        return logging.LogRecord(
            name, logging.ERROR, "", 0, message, ("x",), (type(error), error, None) if error else None
        )

    assert [quiet.filter(record("aiokafka", "Unable to connect to %s")) for _ in range(3)] == [True, False, False]
    assert [quiet.filter(record("tpp.worker", "twice %s")) for _ in range(2)] == [True, True]
    assert quiet.filter(record("faust.agents", "crashed: %s", ZeroDivisionError()))
    assert not quiet.filter(record("faust.agents", "crashed anew: %s", Hole("passed by")))
    failed = record("faust.consumer", "not committed: %s", CommitFailedError("too late"))
    assert quiet.filter(failed) and failed.exc_info is None
    assert not quiet.filter(record("faust.agents", "crashed once more: %s", OperationalError("", {}, Exception())))


def test_a_consumer_whose_thread_a_failure_has_ended_is_stopped_in_order() -> None:
    async def stop() -> None:
        thread = application(Settings(broker="127.0.0.1:1")).consumer._thread
        thread._started.set()
        thread.thread_loop.close()
        thread.set_shutdown()
        await asyncio.wait_for(thread.stop(), 10)

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
        await asyncio.wait_for(thread.stop(), 10)

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
        await asyncio.sleep(0.05)
        assert (queue.get_nowait(), waits.done()) == (1, False)
        await waits
        assert queue.qsize() == 1
        waits = asyncio.ensure_future(consumer.wait_first(queue.put(3), suspended.wait()))
        await asyncio.sleep(0.05)
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
        await asyncio.sleep(0.05)
        event.set()
        with pytest.raises(ZeroDivisionError):
            await waits
        with pytest.raises(ZeroDivisionError):
            await consumer.wait_first(fails(event), never.wait())

    asyncio.run(take())
