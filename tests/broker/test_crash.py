"""Parts that are killed, connections that are cut, a broker that goes away: every event keeps exactly one answer."""

import random
import time

import orjson
import psycopg
from databases import dsn
from stream_run import Message, Stream, screened, shipments

from ledger import read
from ledger.store import ledger_url
from services.intake import intake

EVENTS = 1_000
ROUNDS = 5
SMALL = "import services.worker as w, services.relay as r; w.BATCH = 20; r.BATCH = 20"


def _load() -> list[tuple[str, bytes]]:
    """Requests, cancellations of every fifth, and a tenth of all a second time; the order within a shipment is kept."""
    chance, found = random.Random(11), []
    for n, line in enumerate(shipments(EVENTS)):
        event = orjson.loads(line)
        name = event["subject"]
        found.append((name, line))
        if n % 5 == 0:
            data = {"shipment_id": name, "reason": "The order was withdrawn."}
            cancelled = event | {"id": f"cancel-{n}", "type": "tpp.shipment.cancelled.v1", "data": data}
            found.append((name, orjson.dumps(cancelled)))
        if chance.random() < 0.1:
            found.append(found[-1])
    return found


def test_nothing_is_lost_or_counted_twice_whatever_is_killed(broker, streams, tmp_path) -> None:
    stream = streams(4)
    load = _load()
    killed = _havoc(stream, broker.local, load)
    assert killed == {"worker": 2 * ROUNDS, "relay": 2 * ROUNDS}
    last = [stream.start("worker", SMALL), stream.start("relay")]
    stream.wait_decided(*last)
    stream.wait_published(*last)
    texts, balances = screened([line for _, line in load], f"sqlite:///{tmp_path / 'undisturbed.db'}")
    assert stream.balances() == balances
    _one_answer_each(stream, load, set(texts))
    _published_as_stored(stream)
    found = intake(stream.settings, stream.url)
    assert found["missing"] == found["doubled"] == []
    assert found["topics"]["tpp.shipments"]["answered"] >= len(load)


def _havoc(stream: Stream, local, load: list[tuple[str, bytes]]) -> dict[str, int]:
    """In each round two workers and twice a relay are killed while they work; connections and the broker go too."""
    chance, killed = random.Random(8), {"worker": 0, "relay": 0}
    step = -(-len(load) // ROUNDS)
    for turn in range(ROUNDS):
        stream.publish(Message(line, key) for key, line in load[turn * step : (turn + 1) * step])
        before = stream.ask(read.last_record)
        parts = [stream.start("worker", SMALL), stream.start("worker", SMALL), stream.start("relay", SMALL)]
        stream.wait(lambda at=before: stream.ask(read.last_record) > at, parts[-1:])
        time.sleep(chance.random() / 5)
        if turn == 1:
            _cut_connections(stream)
            time.sleep(0.2)
        if turn == 2 and local is not None:
            local.kill()
            local.start()
        parts[2].kill()
        parts[0].kill()
        parts.append(stream.start("relay", SMALL))
        time.sleep(chance.random() * 2)
        parts[1].kill()
        parts[3].kill()
        killed = {name: number + 2 for name, number in killed.items()}
    return killed


def _cut_connections(stream: Stream) -> None:
    url = ledger_url(stream.url)
    with psycopg.connect(dsn(url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [url.database],
        )


def _one_answer_each(stream: Stream, load: list[tuple[str, bytes]], undisturbed: set[str]) -> None:
    answers = [orjson.loads(text) for text in stream.answers()]
    causes = [tuple(one["data"]["causation"].values()) for one in answers if "causation" in one["data"]]
    events = {(event["source"], event["id"]) for event in (orjson.loads(line) for _, line in load)}
    assert sorted(causes) == sorted(events)
    ids = {one["id"] for one in answers}
    assert len(ids) == len(answers)
    assert ids == {orjson.loads(text)["id"] for text in undisturbed}


def _published_as_stored(stream: Stream) -> None:
    stored = {orjson.loads(text)["id"]: text.encode() for text in stream.answers()}
    sent = [message for messages in stream.out().values() for message in messages]
    for message in sent:
        assert message.value == stored[orjson.loads(message.value)["id"]]
    assert {message.value for message in sent} == set(stored.values())


def test_cut_connections_and_a_broker_that_comes_back_end_no_part(broker, streams) -> None:
    stream = streams(2)
    lines = list(shipments(180))
    worker, relay = stream.start("worker"), stream.start("relay")
    for turn in range(3):
        stream.publish(Message(line, str(n)) for n, line in enumerate(lines[turn * 60 : turn * 60 + 60]))
        if turn == 1:
            _cut_connections(stream)
        stream.wait_decided(worker, relay)
        stream.wait_published(worker, relay)
        if turn == 1 and broker.local is not None:
            broker.local.kill()
            time.sleep(1)
            broker.local.start()
    assert [worker.end(), relay.end()] == [0, 0]
    _published_as_stored(stream)
    assert intake(stream.settings, stream.url)["topics"]["tpp.shipments"]["answered"] == len(lines)
