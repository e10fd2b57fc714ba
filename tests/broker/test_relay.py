"""The relay and the clock on a real broker: topics, keys, bytes, order, one at a time."""

import json
import re
import time
import warnings
from collections import Counter
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest
from brokers import quiet_port, tpp
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from databases import KINDS, Databases, unguarded
from stream_run import Sending, Stream, decided, example, shipments
from waiting import PATIENCE, wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource

from ledger.journal import Ledger
from ledger.queries import records
from schemas.event_types import outgoing_destination
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import book, opened, software, wall_clock
from services.stream.clock import tick

TOPIC = {
    "tpp.event.rejected.v1": "tpp.rejected",
    "tpp.quota.alert.v1": "tpp.alerts",
    "tpp.shipment.alert.v1": "tpp.alerts",
    "tpp.party.alert.v1": "tpp.alerts",
    "tpp.obligation.due.v1": "tpp.alerts",
    "tpp.snapshot.closed.v1": "tpp.snapshots",
}


@pytest.mark.parametrize("kind", KINDS)
def test_everything_goes_out_once_as_it_is_stored(broker, postgres, tmp_path, kind) -> None:
    databases = Databases(kind, tmp_path, postgres if kind == "postgresql" else None)
    stream = Stream(broker.fresh(4), databases.ledger(), tmp_path)
    lines = [*example("quickstart.jsonl"), *shipments(50)]
    stream.publish(Sending(line, str(n % 5)) for n, line in enumerate(lines) if line)
    worker, relay, standby = stream.start("worker"), stream.start("relay"), stream.start("relay")
    stream.wait_decided(worker)
    decided(stream.url, [Message(tick(1_760_000_000), {"request": "clock"}, own=True)])
    stream.wait_published(worker, relay)
    assert standby.process.poll() is None
    assert [part.end() for part in (worker, relay, standby)] == [0, 0, 0]
    out = stream.out()
    sent = [(topic, message) for topic, messages in out.items() for message in messages]
    assert sorted(message.value for _, message in sent) == sorted(text.encode() for text in stream.answers())
    assert stream.ask(records.published).sent == len(sent)
    for topic, message in sent:
        event = orjson.loads(message.value)
        data = event["data"]
        assert topic == TOPIC.get(event["type"], "tpp.decisions")
        key = data.get("shipment_id", event["subject"]) if topic == "tpp.decisions" else event["subject"]
        assert message.key == key.encode()
        assert list(message.headers) == [("content-type", b"application/cloudevents+json")]
        if topic == "tpp.rejected":
            position = data["position"]
            assert event["subject"] == f"{position['topic']}/{position['partition']}/{position['offset']}"
    assert {topic for topic, _ in sent} >= {"tpp.decisions", "tpp.rejected", "tpp.alerts"}
    _in_order(out)
    stream.kill_all()
    databases.drop(stream.url)


def _in_order(out) -> None:
    for messages in out.values():
        by_partition = {}
        for message in messages:
            by_partition.setdefault(message.partition, []).append(orjson.loads(message.value)["sequence"])
        assert all(a < b for sequences in by_partition.values() for a, b in pairwise(sequences))


def test_the_cloudevents_sdk_is_understood_and_understands(streams) -> None:
    stream = streams(1)
    line = orjson.loads(next(shipments(1)))
    attributes = {name: value for name, value in line.items() if name != "data"}
    attributes["time"] = datetime.fromisoformat(attributes["time"])
    made = to_binary(CloudEvent(attributes, line["data"]), JSONFormat())
    stream.publish([Sending(made.value, "LOAD-00000", headers=list(made.headers.items())), Sending(b"{")])
    worker, relay = stream.start("worker"), stream.start("relay")
    stream.wait_decided(worker)
    stream.wait_published(worker, relay)
    read_again = []
    for messages in stream.out().values():
        for message in messages:
            made = KafkaMessage(headers=dict(message.headers), key=message.key, value=message.value)
            event = from_structured(made, JSONFormat())
            assert event.get_source() == "//tpp-ledger"
            assert event.get_data() == json.loads(message.value)["data"]
            read_again.append(event.get_type())
    assert {"tpp.shipment.approved.v1", "tpp.event.rejected.v1"} <= set(read_again)


def test_an_answer_longer_than_its_event_is_published(streams) -> None:
    stream = streams(1)
    event = orjson.loads(next(shipments(1)))
    (item,) = event["data"]["items"]
    event["data"]["items"] = [item | {"line": n, "quantity": 1, "tpp": 1} for n in range(1, 1001)]
    raw = orjson.dumps(event)
    assert len(raw) < 1 << 20
    stream.publish([Sending(raw, "LOAD-00000")])
    worker, relay = stream.start("worker"), stream.start("relay")
    stream.wait_decided(worker)
    stream.wait_published(worker, relay)
    (message,) = stream.out()["tpp.decisions"]
    assert message.value.decode() == stream.answers()[0]


def test_a_record_that_the_broker_refuses_is_named_and_waited_for_and_nothing_overtakes_it_for_long(streams) -> None:
    stream = streams(1)
    lines = list(shipments(40))
    event = orjson.loads(lines[20])
    (item,) = event["data"]["items"]
    event["data"]["items"] = [item | {"line": n, "quantity": 1, "tpp": 1} for n in range(1, 1001)]
    lines[20] = orjson.dumps(event)
    stream.publish(Sending(line, partition=0) for line in lines)
    worker = stream.start("worker")
    stream.wait_decided(worker)
    _limit(stream, 4_000)
    address = f"127.0.0.1:{quiet_port()}"
    relay = stream.start("relay", "import services.stream.relay as r; r.REFUSED_SECONDS = 1.0", TPP_METRICS=address)
    stream.wait(lambda: "are not published" in relay.said, [relay])
    stream.wait(lambda: stream.ask(records.published).n >= 20, [relay])
    time.sleep(3)  # three times as long as the relay waits before it tries again, and must not go on
    assert stream.ask(records.published).n == 20
    (told,) = (line for line in relay.said.splitlines() if "WARNING tpp.relay" in line)
    name = orjson.loads(stream.answers()[20])["id"]
    assert "record 21 and later records are not published: tpp.decisions does not accept " + name in told
    assert "exceeds the topic's max.message.bytes" in told
    assert told.partition("tpp.relay: ")[2] == f"{_ready(address).partition('not ready: ')[2]}; trying again"
    assert max(Counter(one.value for one in stream.out()["tpp.decisions"]).values()) == 1
    _limit(stream, 8 << 20)
    stream.wait_published(worker, relay)
    assert relay.end() == 0
    sent = [one.value.decode() for one in stream.out()["tpp.decisions"]]
    assert list(dict.fromkeys(sent[-20:])) == stream.answers()[20:]
    assert set(sent) == set(stream.answers())


def _limit(stream: Stream, most: int) -> None:
    """Sets how long a message of tpp.decisions may be, compressed, and returns once the broker says so."""
    admin = KafkaAdminClient(bootstrap_servers=stream.address)
    admin.alter_configs([ConfigResource("topic", "tpp.decisions", {"max.message.bytes": str(most)})])
    topic = ConfigResource("topic", "tpp.decisions", ["max.message.bytes"])
    wait_until(lambda: str(most) in str(admin.describe_configs([topic])))
    admin.close()


def _ready(address: str) -> str:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://{address}/health/ready", timeout=PATIENCE)
    with refused.value as answer:
        return answer.read().decode().strip()


@pytest.mark.parametrize(
    ("kind", "data", "where"),
    [
        ("tpp.snapshot.closed.v1", {"period": "2025-06"}, ("tpp.snapshots", "2025-06")),
        ("tpp.quota.alert.v1", {"account": "lpp/A/2025"}, ("tpp.alerts", "lpp/A/2025")),
        ("tpp.shipment.alert.v1", {"shipment_id": "SHP-1"}, ("tpp.alerts", "SHP-1")),
        ("tpp.event.refused.v1", {"shipment_id": "SHP-1"}, ("tpp.decisions", "SHP-1")),
        ("tpp.obligation.due.v1", {"shipment_id": "SHP-1"}, ("tpp.alerts", "S")),
        ("tpp.event.recorded.v1", {"shipment_id": "SHP-1"}, ("tpp.decisions", "SHP-1")),
        ("tpp.event.recorded.v1", {}, ("tpp.decisions", "S")),
        ("tpp.event.rejected.v1", {"position": {}}, ("tpp.rejected", "S")),
    ],
)
def test_each_type_has_its_topic_and_key(kind, data, where) -> None:
    assert outgoing_destination({"type": kind, "subject": "S", "data": data}) == where


def test_one_clock_ticks_and_a_standby_takes_over(streams) -> None:
    stream = streams(1)
    first = stream.start("clock")
    stream.wait(lambda: _ticks(stream) != [], [first])
    address = f"127.0.0.1:{quiet_port()}"
    second = stream.start("clock", TPP_METRICS=address)
    stream.wait(lambda: _is_ready(address), [first, second])
    before = _ticks(stream)
    first.kill()
    stream.wait(lambda: len(_ticks(stream)) > len(before), [second])
    assert second.end() == 0
    for event in _ticks(stream):
        assert re.fullmatch(r"tick-\d{4}-\d\d-\d\dT\d\d:\d\dZ", event["id"])
        assert event["data"]["now"] == event["time"] == event["id"][5:-1] + ":00Z"
        assert (event["source"], event["subject"]) == ("//tpp-clock", "clock")
    assert len(stream.answers()) == len({event["id"] for event in _ticks(stream)}), "one tick a minute"


def test_a_tick_in_the_stream_moves_no_time_and_stops_nobody(streams) -> None:
    stream = streams(1)
    far = tick(4_000_000_000)
    foreign = far.replace(b"//tpp-clock", b"//wms.example")
    disguised = far.replace(b"//tpp-clock", b"//TPP%2Dclock")
    lines = list(shipments(3))
    stream.publish([Sending(raw, "clock", "tpp.facts") for raw in (far, foreign, disguised)])
    stream.publish([Sending(line, "key") for line in lines])
    worker, clock = stream.start("worker"), stream.start("clock")
    stream.wait_decided(worker, clock)
    stream.wait(lambda: _ticks(stream) != [], [clock])
    assert [worker.end(), clock.end()] == [0, 0]
    answers = [orjson.loads(text) for text in stream.answers()]
    codes = [one["data"]["errors"][0]["code"] for one in answers if one["type"] == "tpp.event.rejected.v1"]
    assert sorted(codes) == ["clock.foreign", "source.reserved", "source.reserved"]
    assert sum(one["type"].startswith("tpp.shipment.") for one in answers) == len(lines)
    assert stream.ask(lambda one: one.exec_driver_sql("SELECT ticked FROM head").scalar()) < 4_000_000_000_000_000


def _is_ready(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/health/ready", timeout=PATIENCE) as answer:
            return answer.status == 200
    except OSError:
        return False


def _ticks(stream: Stream) -> list[dict]:
    found = stream.ask(
        lambda one: (
            one.exec_driver_sql("SELECT event FROM journal WHERE type = 'tpp.clock.ticked.v1' ORDER BY n")
            .scalars()
            .all()
        )
    )
    return [orjson.loads(bytes(raw)) for raw in found]


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        ("mysql://desk@127.0.0.1/tpp", "mysql is not supported"),
        ("postgresql+psycopg2://127.0.0.1:1/tpp", "driver postgresql+psycopg2 is not supported"),
        ("postgresql://127.0.0.1:1/tpp", "connection failed"),
        ("sqlite:///notes.txt", "file is not a database"),
    ],
)
def test_a_ledger_that_cannot_be_had_is_said_in_a_sentence(broker, tmp_path, monkeypatch, ledger, said) -> None:
    address = broker.fresh(1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("no database\n" * 100)
    for words in (("relay",), ("clock",), ("worker",), ("audit", "intake")):
        done = tpp(address, *words, "--ledger", ledger, code=2)
        assert said in done.stderr
        assert done.stderr.startswith("Error: ")
        assert len(done.stderr.splitlines()) == 1


def test_the_clock_ticks_on_where_a_record_cannot_be_sealed(broker, tmp_path) -> None:
    stream = Stream(broker.fresh(1), f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path)
    with opened(stream.url) as store:
        Engine(Ledger(store), book(None), wall_clock, software()).run([Message(line, {}) for line in shipments(1)])
    with closing(unguarded(tmp_path / "ledger.db")) as connection:
        connection.execute("UPDATE journal SET happened = 1000000000000000000")
    clock = stream.start("clock")
    stream.wait(lambda: "the ledger is damaged" in clock.said, [clock])
    assert _ticks(stream) != []
    assert "Traceback" not in clock.said
    assert clock.end() == 0
