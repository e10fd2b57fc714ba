"""The worker on a real broker: what it decides is what `tpp screen` decides, whatever comes in."""

import base64
import hashlib
import logging
import random
import time
import urllib.error
import urllib.request
from collections import Counter

import orjson
import pytest
from aiokafka.errors import CommitFailedError
from brokers import quiet_port
from sqlalchemy.exc import OperationalError
from stream_run import Sending, Stream, example, screened, shipments
from waiting import PATIENCE

from schemas.wire.binary import structured
from services.kafka.producer import STRUCTURED
from services.stream.gate import Hole
from services.stream.intake import intake
from services.stream.worker import Quiet

BINARY = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"evt-binary"),
    ("ce_source", b"//wms.example"),
    ("ce_type", b"tpp.threshold.set.v1"),
    ("ce_subject", b"lpp"),
    ("ce_time", b"2025-06-02T09:30:00Z"),
    ("content-type", b"application/json"),
]
VALUE = b'{"account":"lpp/*","thresholds":[]}'


def _answered(stream: Stream) -> list[dict]:
    return [orjson.loads(text) for text in stream.answers()]


def _clean(stream: Stream, messages: int) -> None:
    found = intake(stream.settings, stream.url)
    assert found["missing"] == found["doubled"] == []
    assert sum(one["answered"] for one in found["topics"].values()) == messages


def test_one_partition_is_decided_as_the_command_line_decides_it(streams, tmp_path) -> None:
    stream = streams()
    lines = [line for line in example("quickstart.jsonl") + example("gpu-clusters.jsonl.gz") if line]
    stream.publish(Sending(line, partition=0) for line in lines)
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
        Sending(b"{not json", "a"),
        Sending(huge, "b"),
        Sending(b"", "c"),
        Sending(None, "d"),
        Sending(None, "e", headers=BINARY),
        Sending(VALUE, "f", "tpp.facts", headers=wrong),
        Sending(VALUE, "g", "tpp.facts", headers=BINARY),
        Sending(b"\xff\xfe", None, headers=()),
    ]
    ticked = Sending(structured(BINARY, odd[6].value), "g", "tpp.facts")
    mixed = [*(Sending(line, f"key-{n}") for n, line in enumerate(good + again)), *odd, ticked]
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
    assert sorted(one["size"] for one in told) == sorted([9, len(huge), 0, 0, 0, len(VALUE), 2])
    source = rejected["tpp.facts"]["data"]
    assert source["errors"] == [{"pointer": "/source", "code": "member.missing", "message": "is required"}]
    assert base64.b64decode(source["original"]) == odd[5].value
    assert source["sha256"] == hashlib.sha256(odd[5].value).hexdigest()
    (tombstone,) = (one for one in told if one.get("causation"))
    assert (tombstone["original"], tombstone["size"]) == ("", 0)
    assert tombstone["causation"] == {"source": "//wms.example", "id": "evt-binary"}
    _clean(stream, len(mixed))


class Odd(str):
    """A header name that is sent as bytes which are no UTF-8."""

    __slots__ = ()

    def encode(self, *_) -> bytes:
        return b"ce_\xff"


def test_compressed_messages_and_odd_header_names_are_decided_like_others(streams) -> None:
    stream = streams(1)
    lines = list(shipments(25))
    for codec, share in zip((None, "gzip", "snappy", "lz4", "zstd"), _fives(lines), strict=True):
        odd = Sending(share[2], partition=0, headers=[STRUCTURED, (Odd("odd"), b"x")])
        plain = [Sending(line, partition=0) for line in share]
        stream.publish([*plain[:2], odd, *plain[3:]], codec)
    stream.publish([Sending(VALUE, "g", "tpp.facts", [*BINARY, (Odd("odd"), b"x")])])
    worker = stream.start("worker")
    stream.wait_decided(worker)
    assert worker.end() == 0
    answers = _answered(stream)
    decided = [one["data"]["causation"]["id"] for one in answers if one["type"].startswith("tpp.shipment.")]
    assert decided == [orjson.loads(line)["id"] for line in lines]
    (rejected,) = (one["data"] for one in answers if one["type"] == "tpp.event.rejected.v1")
    assert rejected["position"]["topic"] == "tpp.facts"
    _clean(stream, len(lines) + 1)


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
    assert "contain no committed message" in worker.said
    _clean(stream, len(kept))


def _fives(lines):
    return [lines[n : n + 5] for n in range(0, len(lines), 5)]


def test_an_event_that_the_program_fails_on_is_rejected_and_those_behind_it_are_decided(streams) -> None:
    stream = streams(1)
    lines = list(shipments(20))
    stream.publish(Sending(line, partition=0) for line in lines)
    fails = """
from services.engine.handlers import HANDLERS
requested = HANDLERS["tpp.shipment.requested.v1"]
def planted(context, event):
    if event.id == "load-7":
        raise ZeroDivisionError("planted")
    return requested(context, event)
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
    stream.publish(Sending(line, partition=0) for line in lines)
    skips = """
import services.stream.reader as reader
whole = reader.Reader._take
async def holed(self, taken):
    await whole(self, [one for one in taken if one.message.offset != 11])
reader.Reader._take = holed
"""
    worker = stream.start("worker", skips)
    assert worker.process.wait(PATIENCE) == 1
    assert "1 message was skipped, from offset 11" in worker.said
    worker = stream.start("worker")
    stream.wait_decided(worker)
    _clean(stream, len(lines))


def test_what_was_decided_while_partitions_were_shared_out_is_no_hole(streams) -> None:
    """A commit may arrive after the worker was told where its group goes on, and before it reads from there."""
    stream = streams(1)
    lines = list(shipments(30))
    stream.publish(Sending(line, partition=0) for line in lines[:11])
    worker = stream.start("worker")
    stream.wait_decided(worker)
    assert worker.end() == 0
    stream.publish(Sending(line, partition=0) for line in lines[11:])
    worker = stream.start(
        "worker", "import services.stream.reader as reader; reader.committed_offset = lambda *_: None"
    )
    stream.wait_decided(worker)
    assert worker.end() == 0
    assert "skipped" not in worker.said
    _clean(stream, len(lines))


def test_a_worker_that_stands_still_is_ended(streams) -> None:
    stream = streams(1)
    stream.publish(Sending(line, partition=0) for line in shipments(5))
    stands = """
import services.telemetry.health, services.stream.reader as reader, asyncio
services.telemetry.health.Health.__init__.__defaults__ = (3.0,)
async def stands(self, taken):
    await asyncio.sleep(600)
reader.Reader._take = stands
"""
    worker = stream.start("worker", stands)
    assert worker.process.wait(PATIENCE) == 75
    assert "has 5 records waiting and has processed none" in worker.said


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
    stream.publish(Sending(line, partition=0) for line in shipments(5))
    planted = f"""
import aiokafka, kafka.errors, sqlalchemy.exc, services.stream.gate as gate
def fails(*asked):
    raise {fails}
if {"aiokafka" in fails}:
    aiokafka.AIOKafkaConsumer.commit = fails
else:
    gate.Offsets = type("Failing", (gate.Offsets,), {{"beginnings": fails}})
"""
    worker = stream.start("worker", planted)
    assert worker.process.wait(PATIENCE) == 1
    assert "Traceback" not in worker.said
    assert worker.said.count(said) == 1


def test_a_broker_that_does_not_tell_its_partitions_or_what_they_hold_is_asked_again(streams) -> None:
    stream = streams(1)
    lines = list(shipments(5))
    stream.publish(Sending(line, partition=0) for line in lines)
    late = """
import kafka.errors, services.stream.gate as gate
asked, told = [], gate.Offsets.beginnings
def beginnings(self, places):
    asked.append(places)
    if len(asked) < 3:
        raise kafka.errors.KafkaTimeoutError("planted")
    return told(self, places)
gate.Offsets = type("Late", (gate.Offsets,), {"beginnings": beginnings})
import services.stream.worker as starting
refused, found = [], starting.Offsets.places
def places(self, topics):
    refused.append(topics)
    if len(refused) < 3:
        raise kafka.errors.KafkaTimeoutError("planted")
    return found(self, topics)
starting.Offsets = type("Starting", (starting.Offsets,), {"places": places})
"""
    worker = stream.start("worker", late)
    stream.wait_decided(worker)
    assert worker.end() == 0
    assert "Traceback" not in worker.said
    assert worker.said.count("cannot read offsets from the broker: KafkaTimeoutError: planted; trying again") == 2
    _clean(stream, len(lines))


def test_health_is_progress(streams) -> None:
    stream = streams(1)
    address = f"127.0.0.1:{quiet_port()}"
    unwatched = "import services.stream.watchdog as w; w.EVERY_SECONDS = 3_600; import services.telemetry.health as h"
    worker = stream.start("worker", f"{unwatched}; h.Health.__init__.__defaults__ = (36_000.0,)", TPP_METRICS=address)

    def asked(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    stream.wait(lambda: asked("/health/live")[0] == 200, [worker])
    assert asked("/health/ready") == (503, "worker is not ready: starting\n")
    stream.publish(Sending(line, partition=0) for line in [*shipments(7), b"{"])
    stream.wait_decided(worker)
    assert asked("/health/ready") == (200, "ready\n")
    told = asked("/metrics")[1]
    assert 'tpp_records_total{part="worker",result="decided"} 7.0' in told
    assert 'tpp_records_total{part="worker",result="rejected"} 1.0' in told
    assert 'tpp_publish_to_decision_seconds_count{part="worker"} 8.0' in told
    assert 'tpp_events_total{outcome="rejected",part="worker",type="unreadable"} 1.0' in told
    assert asked("/nothing")[0] == 404


def test_what_a_library_repeats_is_written_once_and_stacks_of_what_is_told_anyway_are_not() -> None:
    quiet = Quiet()

    def record(name: str, message: str, error: BaseException | None = None) -> logging.LogRecord:
        return logging.LogRecord(
            name, logging.ERROR, "", 0, message, ("x",), (type(error), error, None) if error else None
        )

    assert [quiet.filter(record("aiokafka", "Unable to connect to %s")) for _ in range(3)] == [True, False, False]
    assert [quiet.filter(record("tpp.worker", "twice %s")) for _ in range(2)] == [True, True]
    assert quiet.filter(record("faust.agents", "crashed: %s", ZeroDivisionError()))
    assert not quiet.filter(record("faust.agents", "crashed again: %s", Hole("skipped")))
    failed = record("faust.consumer", "not committed: %s", CommitFailedError("too late"))
    assert quiet.filter(failed) and failed.exc_info is None
    assert not quiet.filter(record("faust.agents", "crashed once more: %s", OperationalError("", {}, Exception())))
