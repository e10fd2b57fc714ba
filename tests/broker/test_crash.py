"""Parts, broker and database killed at any moment, workers that come and go: every event keeps exactly one answer."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator

from brokers import Broker
from databases import OwnServer, Server
from guarantees import a_load, all_hold, shares
from stream_run import Crew, Sending, Stream

from ledger.queries import records as read

ROUNDS, TURNS = 10, 4
SMALL = "import services.stream.reader as w, services.stream.relay as r; w.BATCH = 20; r.BATCH = 20"
SHORT = f"{SMALL}; import services.kafka.faust_app as f; f.SESSION_SECONDS = 2.0"


def test_nothing_is_lost_or_counted_twice_whatever_is_killed(broker, postgres, streams, tmp_path) -> None:
    stream, load = streams(4), a_load(1_600)
    crew = Crew(stream, ["worker", "worker", "relay", "relay"], SMALL if broker.local is None else SHORT)
    killed: Counter[str] = Counter()
    for share in shares(load, ROUNDS):
        before = stream.ask(read.last_record)
        stream.publish(share)
        stream.wait(lambda at=before: stream.ask(read.last_record) > at, [crew])
        for name in _killed_at_random(stream, crew, broker, postgres):
            killed[name] += 1
    assert killed["worker"] == killed["relay"] == killed["database"] == ROUNDS
    assert killed["broker"] == (0 if broker.local is None else ROUNDS)
    stream.wait_decided(crew)
    stream.wait_published(crew)
    all_hold(stream, load, tmp_path)


def _publish(stream: Stream, load: list[list[Sending]], turns: list[threading.Event]) -> None:
    """Publishes two messages at a time for as long as a turn lasts, and what is left of its part when it has ended."""
    for messages, ended in zip(load, turns, strict=True):
        part = messages
        while part and not ended.is_set():
            stream.publish(part[:2])
            part = part[2:]
            ended.wait(0.4)
        stream.publish(part)


def _killed_at_random(stream: Stream, crew: Crew, broker: Broker, postgres: Server) -> Iterator[str]:
    """Kills a worker, a relay, the broker and the database while they work, and starts these two again."""
    chance = random.Random()
    names = ["worker", "relay", "database", *(["broker"] if broker.local is not None else [])]
    chance.shuffle(names)
    for name in names:
        time.sleep(chance.random() / 8)
        if name == "broker":
            broker.local.kill()
        elif name != "database":
            crew.kill(name)
        elif isinstance(postgres, OwnServer):
            postgres.kill()
        else:
            postgres.cut(stream.url)
        yield name
    time.sleep(chance.random())
    if isinstance(postgres, OwnServer):
        postgres.start()
    if broker.local is not None:
        broker.local.start()


def test_workers_join_and_leave_under_load_and_connections_are_cut(postgres, streams, tmp_path) -> None:
    stream, load = streams(4), a_load(900)
    chance = random.Random()
    workers, relay = [stream.start("worker", SMALL), stream.start("worker", SMALL)], stream.start("relay", SMALL)
    turns = [threading.Event() for _ in range(TURNS)]
    publishing = threading.Thread(target=_publish, args=(stream, shares(load, TURNS), turns), daemon=True)
    publishing.start()
    under_load = 0
    for turn in range(TURNS):
        before = stream.ask(read.last_record)
        workers.append(stream.start("worker", SMALL))
        if turn % 3 == 1:
            postgres.cut(stream.url)
        stream.wait(lambda: stream.members() == len(workers), [*workers, relay])
        time.sleep(chance.random())
        assert workers.pop(0).end() == 0
        under_load += publishing.is_alive() and stream.ask(read.last_record) > before
        turns[turn].set()
    publishing.join()
    assert under_load == TURNS
    stream.wait_decided(*workers, relay)
    stream.wait_published(*workers, relay)
    assert [part.end() for part in (*workers, relay)] == [0, 0, 0]
    all_hold(stream, load, tmp_path)
