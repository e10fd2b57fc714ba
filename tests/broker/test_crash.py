"""Parts, broker and database killed at any moment, workers that come and go: every event keeps exactly one answer."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest
from brokers import Broker
from databases import OwnServer, Server
from guarantees import Load, a_load, all_hold, an_endless_load, shares
from soak import much
from stream_run import Crew, Sending, Stream

from ledger.queries import records

pytestmark = [pytest.mark.kills, pytest.mark.soak]

ROUNDS, TURNS = much(5, soak=60), much(3, soak=20)
SMALL = "import services.stream.reader as w, services.stream.relay as r; w.BATCH = 20; r.BATCH = 20"
SHORT = f"{SMALL}; import services.kafka.faust_app as f; f.SESSION_SECONDS = 2.0"


def test_nothing_is_lost_or_counted_twice_whatever_is_killed(broker, postgres, streams, tmp_path) -> None:
    stream, load = streams(4), a_load(160 * ROUNDS)
    crew = Crew(stream, ["worker", "worker", "relay", "relay"], SMALL if broker.local is None else SHORT)
    killed: Counter[str] = Counter()
    for share in shares(load, ROUNDS):
        before = stream.ask(records.last_record)
        stream.publish(share)
        stream.wait(lambda at=before: stream.ask(records.last_record) > at, [crew])
        for name in _killed_at_random(stream, crew, broker, postgres):
            killed[name] += 1
    assert killed["worker"] == killed["relay"] == killed["database"] == ROUNDS
    assert killed["broker"] == (0 if broker.local is None else ROUNDS)
    stream.wait_decided(crew)
    stream.wait_published(crew)
    all_hold(stream, load, tmp_path)


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


class Publishing(threading.Thread):
    """Publishes a load, two messages at a time, until it is asked to end; `sent` is what it published."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(daemon=True)
        self.sent: Load = []
        self._stream, self._ended = stream, threading.Event()

    def run(self) -> None:
        load = an_endless_load()
        while not self._ended.wait(0.3):
            two = list(islice(load, 2))
            self._stream.publish(Sending(line, key) for key, line in two)
            self.sent += two

    def end(self) -> None:
        self._ended.set()
        self.join()


def test_workers_join_and_leave_under_load_and_connections_are_cut(postgres, streams, tmp_path) -> None:
    stream, chance = streams(4), random.Random()
    workers, relay = [stream.start("worker", SMALL), stream.start("worker", SMALL)], stream.start("relay", SMALL)
    publishing = Publishing(stream)
    publishing.start()
    for turn in range(TURNS):
        workers.append(stream.start("worker", SMALL))
        if turn % 3 == 1:
            postgres.cut(stream.url)
        stream.wait(lambda: stream.members() == len(workers), [*workers, relay])
        before = stream.ask(records.last_record)
        stream.wait(lambda at=before: stream.ask(records.last_record) > at, [*workers, relay])
        time.sleep(chance.random())
        assert workers.pop(0).end() == 0
    publishing.end()
    stream.wait_decided(*workers, relay)
    stream.wait_published(*workers, relay)
    assert [part.end() for part in (*workers, relay)] == [0, 0, 0]
    all_hold(stream, publishing.sent, tmp_path)
