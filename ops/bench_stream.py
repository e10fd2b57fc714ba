"""Measures the stream on one machine: a real broker, a real PostgreSQL, workers and one relay.

    python ops/bench_stream.py                       decisions a second beside Faust alone; time to a decision
    python ops/bench_stream.py --before COMMIT       the same of two commits in turn, and the ratios
    python ops/bench_stream.py --events 6000 --times 1 --seconds 5    a quick look
    python ops/bench_stream.py --holds 40000 --rate 50  time to a decision at 50/s while so many holds are rechecked
    python ops/bench_stream.py --soak 600 --rate 200    memory, lag and completeness over ten minutes

Decisions a second are those of one worker, and of two on the same partitions, from a backlog of 20,000 events, with the
CPU an event of the worker, of all processes `postgres` and `java`, and of plain Faust. The time to a decision is from
publishing to reading the answer from its topic: at 500 events a second on an idle machine and beside a process that
takes a core, and at half of the rate at which publisher, worker, relay and reader together are saturated; the first
seconds after a start stand by themselves. PostgreSQL is found as the tests find it, the broker is started; both are
fresh for each run.
"""

import argparse
import gzip
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path

from measuring import ROOT, Side, busy, cpu, end_together, in_turn, named, resident, show, sides

sys.path.insert(0, str(ROOT / "tests"))

import orjson
from bench import of_round
from databases import postgresql
from sqlalchemy import func, select

from ledger.database.store import Store
from ledger.database.tables import head, journal
from services.kafka.local_broker import LocalBroker
from services.kafka.producer import STRUCTURED
from services.kafka.topics import create_topics
from services.stream.publish import destination

ROUNDS = 1_000
"""The rounds that are kept for each measure on one ledger."""
ALONE = ROOT / "ops" / "faust_alone.py"
FEW, SETTLED, WARM = 0.05, 6.0, 0.3
"""The share of the events that workers decide first, the seconds for which no worker may end after that, and the share
after which their rate counts."""
STARTING = 3
"""The seconds at a rate whose times to a decision count by themselves: a worker that starts has everything to read."""
FAUST, SHARE, HALF = "Faust alone, messages/s", "share of Faust's own rate", "p99 at half of the rate, ms"


def events(count: int, first: int = 0) -> Iterator[bytes]:
    """So many shipment events: those of the examples, in rounds from `first` on, each of parties of its own."""
    lines = gzip.decompress((ROOT / "examples/gpu-clusters.jsonl.gz").read_bytes()).splitlines()
    for index in range(count):
        yield of_round(lines[index % len(lines)], first + index // len(lines))


class System:
    """A broker's address and a ledger's URL, the parts of a side that run on them, and a producer."""

    def __init__(self, side: Side, address: str, url: str, log: Path) -> None:
        from kafka import KafkaProducer

        self.side, self.address, self.log = side, address, log
        self.parts: list[subprocess.Popen[bytes]] = []
        self.environment = side.environment(TPP_BROKER=address, TPP_LEDGER_URL=url)
        self.producer = KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=5)
        self.store = Store(url)
        subprocess.run(side.tpp("migrate"), env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Starts a part."""
        with self.log.open("ab") as log:
            part = subprocess.Popen(self.side.tpp(*words), env=self.environment, stdout=log, stderr=log)
        self.parts.append(part)
        return part

    def stop(self) -> None:
        """Ends the parts as an operator would."""
        for part in self.parts:
            part.terminate()
        for part in self.parts:
            part.wait(30)
        self.parts.clear()

    def publish(self, line: bytes) -> None:
        """Sends an event to its topic."""
        self.send(*destination(line), line)

    def send(self, topic: str, key: bytes | None, line: bytes) -> None:
        """Sends an event of which topic and key are known."""
        self.producer.send(topic, value=line, key=key, headers=[STRUCTURED])

    def decided(self) -> int:
        """How many records the ledger has."""
        with self.store.read() as connection:
            return int(connection.execute(head.select()).one().n)

    def await_decided(self, count: int, seconds: float = 120) -> float:
        """Waits until so many records are there; seconds since the first of them was made."""
        end = time.monotonic() + seconds
        while self.decided() < count:
            if any(part.poll() is not None for part in self.parts):
                raise SystemExit(f"a part has ended:\n{self.log.read_text(errors='replace')[-3_000:]}")
            if time.monotonic() > end:
                raise SystemExit(f"only {self.decided()} of {count} were decided in {seconds:.0f} s")
            time.sleep(0.05)
        with self.store.read() as connection:
            query = select(func.max(journal.c.recorded) - func.min(journal.c.recorded)).where(journal.c.n <= count)
            return int(connection.execute(query).scalar_one()) / 1_000_000


@contextmanager
def system(side: Side) -> Iterator[System]:
    """A fresh broker with its topics, and a fresh database."""
    with (
        tempfile.TemporaryDirectory(prefix="tpp-stream-", ignore_cleanup_errors=True) as folder,
        postgresql() as server,
        LocalBroker(Path(folder) / "kafka") as broker,
    ):
        create_topics(broker.address)
        found = System(side, broker.address, server.create("template1"), Path(folder) / "log")
        try:
            yield found
        finally:
            found.stop()
            found.producer.close()
            found.store.close()


def throughput(side: Side, count: int) -> dict[str, float]:
    """Events a second that Faust alone delivers and that one worker and two decide, and what each part uses."""
    with system(side) as on:
        one, spent = from_backlog(on, count, 1)
        alone = subprocess.run(side.python(ALONE, count), env=on.environment, capture_output=True, check=True)
        faust, used = map(int, alone.stdout.split())
    with system(side) as on:
        two, _ = from_backlog(on, count, 2)
    found = {FAUST: faust, "one worker, decisions/s": one, SHARE: one / faust}
    found |= {"two workers, decisions/s": two, "two beside one": two / one}
    return found | {f"CPU of {name}, us an event": each for name, each in {**spent, "Faust alone": used}.items()}


def backlog(on: System, count: int, many: int) -> None:
    """Starts workers, lets them decide a few events, and publishes so many in all while they are stopped.

    So that all of them have their partitions. A worker that ends while the partitions are shared out is started again,
    as a supervisor does it.
    """
    lines, few = events(count), round(count * FEW)
    for line in islice(lines, few):
        on.publish(line)
    for _ in range(many):
        on.start("worker")
    quiet = time.monotonic()
    while time.monotonic() < quiet + SETTLED or on.decided() < few:
        for part in [part for part in on.parts if part.poll() is not None]:
            on.parts.remove(part)
            on.start("worker")
            quiet = time.monotonic()
        time.sleep(0.1)
    for part in on.parts:
        part.send_signal(signal.SIGSTOP)
    for line in lines:
        on.publish(line)
    on.producer.flush()
    for part in on.parts:
        part.send_signal(signal.SIGCONT)


def from_backlog(on: System, count: int, many: int) -> tuple[float, dict[str, float]]:
    """Events a second that workers decide from a backlog, and microseconds of CPU of each part for one of them.

    Counted are whole transactions from when a share of the backlog, WARM, is decided to the beginning of the last one.
    """
    backlog(on, count, many)
    workers = [part.pid for part in on.parts]
    parts = {"the worker": lambda: iter(workers)}
    parts |= {"the database": lambda: named("postgres"), "the broker": lambda: named("java")}
    on.await_decided(round(count * WARM))
    first, before = on.decided(), {name: cpu(of()) for name, of in parts.items()}
    on.await_decided(count)
    last, after = on.decided(), {name: cpu(of()) for name, of in parts.items()}
    on.stop()
    spent = {name: (after[name] - before[name]) / max(1, last - first) * 1_000_000 for name in parts}
    j = journal.c
    with on.store.read() as connection:
        since = connection.execute(select(j.recorded).where(j.n == round(count * WARM))).scalar_one()
        until = connection.execute(select(func.max(j.recorded))).scalar_one()
        query = select(func.count()).where(j.recorded >= since, j.recorded < until)
        decided = connection.execute(query).scalar_one()
    if until <= since:
        raise SystemExit("one transaction decided all that counts: name more --events")
    return decided / (until - since) * 1_000_000, spent


def latencies(side: Side, rate: int, seconds: int, backlog: int) -> dict[str, float]:
    """The time to a decision at a rate, idle, beside a busy core, and at half of what saturates all."""
    found: dict[str, float] = {}
    with system(side) as on:
        whole = saturating(on, backlog, since=0)
        found["publisher to reader, decisions/s"] = round(whole)
        measured = (("idle", rate, nullcontext), ("busy", rate, busy), ("half", round(whole / 2), nullcontext))
        for number, (name, each, beside) in enumerate(measured, 1):
            with beside():
                one = latency(on, seconds * each, each, since=number * ROUNDS)
            p50, p99, first, unseen = one.values()
            p99_name = HALF if name == "half" else f"p99 at {rate}/s {name}, ms"
            found |= {f"p50{p99_name[3:]}": p50, p99_name: p99}
            found |= {f"p99 of the first {STARTING} s, {name}, ms": first, f"not seen, {name}": unseen}
    return found


def rechecked(on: System, holds: int, rate: int) -> dict[str, float]:
    """The same while so many holds are rechecked, and how many chunks that took."""
    asked = orjson.loads((ROOT / "examples/events/tpp.shipment.requested.v1.json").read_bytes())
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        for n in range(holds):
            asked["id"] = f"hold-{n}"
            asked["data"]["shipment_id"] = asked["subject"] = f"HOLD-{n}"
            asked["data"]["items"][0]["quantity"] = 2_000
            file.write(orjson.dumps(asked) + b"\n")
        file.flush()
        subprocess.run(on.side.tpp("screen", file.name, "--out", "/dev/null"), env=on.environment, check=True)
    recheck = orjson.loads((ROOT / "examples/events/tpp.recheck.requested.v1.json").read_bytes())
    recheck["data"] = {"all": True}
    found = latency(on, 60 * rate, rate, orjson.dumps(recheck))
    with on.store.read() as connection:
        query = select(func.count()).where(journal.c.type == recheck["type"])
        return found | {"holds": holds, "chunks": int(connection.execute(query).scalar_one())}


class Answers:
    """The answers that a reader gets while worker and relay run: when it saw the first one to each event."""

    def __init__(self, on: System, since: int) -> None:
        from kafka import KafkaConsumer, TopicPartition

        for name in ("worker", "relay"):
            on.start(name)
        options = {"bootstrap_servers": on.address, "auto_offset_reset": "latest", "fetch_max_wait_ms": 20}
        self._consumer = KafkaConsumer(**options)
        topics = ("tpp.decisions", "tpp.rejected")
        partitions = [TopicPartition(name, n) for name in topics for n in self._consumer.partitions_for_topic(name)]
        self._consumer.assign(partitions)
        self._consumer.seek_to_end()
        for partition in partitions:
            self._consumer.position(partition)
        self.seen: dict[str, float] = {}
        first = next(events(1, since + ROUNDS - 1))
        on.publish(first)
        self.await_all({orjson.loads(first)["id"]})
        time.sleep(2)

    def take(self, wait: int) -> None:
        """Notes what is there, or comes in so many milliseconds."""
        for messages in self._consumer.poll(timeout_ms=wait).values():
            now = time.perf_counter()
            for message in messages:
                if cause := orjson.loads(message.value)["data"].get("causation"):
                    self.seen.setdefault(cause["id"], now)

    def await_all(self, ids: Collection[str], seconds: float = 60) -> None:
        """Returns once all of them are seen, or after so many seconds."""
        end, wanted = time.perf_counter() + seconds, set(ids)
        while not wanted <= self.seen.keys() and time.perf_counter() < end:
            self.take(50)


def ready(count: int, since: int) -> list[tuple[str, tuple[str, bytes | None, bytes]]]:
    """So many events, each with its id, as they are sent."""
    return [(orjson.loads(line)["id"], (*destination(line), line)) for line in events(count, since)]


def saturating(on: System, count: int, since: int) -> float:
    """Answers a second that a reader gets of events that are published faster; from when WARM of them are there."""
    messages, before = ready(count, since), on.decided()
    answers = Answers(on, since)
    for _, message in messages:
        on.send(*message)
    ids = [name for name, _ in messages]
    answers.await_all(ids, 120)
    if unseen := set(ids) - answers.seen.keys():
        raise SystemExit(f"{len(unseen):,} of {count:,} answers were not seen within 120 s")
    on.await_decided(before + count + 1)
    on.stop()
    seen = sorted(answers.seen[name] for name in ids)
    first = round(count * WARM)
    return (count - first) / (seen[-1] - seen[first])


def latency(on: System, count: int, rate: int, first: bytes | None = None, since: int = 0) -> dict[str, float]:
    """Milliseconds from publishing an event to reading its answer from the topics, at so many events a second.

    Before them, so many are sent for STARTING seconds, whose 99th percentile stands by itself. `first` is sent before
    all, and not counted. `since` is the first round: of parties that were met before, holds would wait, and be
    rechecked.
    """
    before, starting = on.decided(), STARTING * rate
    count += starting
    messages = ready(count, since)
    answers = Answers(on, since)
    sent: dict[str, float] = {}
    if first is not None:
        on.publish(first)
    start = time.perf_counter()
    for index, (name, message) in enumerate(messages):
        while (now := time.perf_counter()) < start + index / rate:
            answers.take(5)
        sent[name] = now
        on.send(*message)
    answers.await_all(sent.keys(), 30)
    on.await_decided(before + count + 1)
    on.stop()
    seen = answers.seen
    took = [(seen[name] - sent[name]) * 1_000 if name in seen else None for name in sent]
    return {
        f"p50 at {rate}/s, ms": _percentile(took[starting:], 50),
        f"p99 at {rate}/s, ms": _percentile(took[starting:], 99),
        f"p99 of the first {STARTING} s, ms": _percentile(took[:starting], 99),
        "not seen within 30 s": took.count(None),
    }


def _percentile(took: Sequence[float | None], percent: int) -> float:
    seen = sorted(one for one in took if one is not None)
    return round(seen[len(seen) * percent // 100], 1)


def soak(on: System, seconds: int, rate: int) -> dict[str, object]:
    """Publishes at a rate for so long; the memory of worker and relay, the lag, and whether all was answered."""
    parts = {name: on.start(name) for name in ("worker", "relay", "clock")}
    start, sent, samples = time.monotonic(), 0, []
    due = start + 30
    for line in events(seconds * rate):
        while time.monotonic() < start + sent / rate:
            time.sleep(0.002)
        on.publish(line)
        sent += 1
        if time.monotonic() >= due:
            due += 30
            memory = {name: resident(part.pid) for name, part in parts.items()}
            samples.append({"s": round(time.monotonic() - start), "lag": sent - on.decided(), **memory})
            print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
    on.producer.flush()
    on.await_decided(sent)
    intake = subprocess.run(on.side.tpp("audit", "intake"), env=on.environment, capture_output=True, check=False)
    on.stop()
    return {"published": sent, "intake clean": intake.returncode == 0, "MiB and lag, every 30 s": samples}


def main() -> None:
    """Runs what was asked for and prints it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--times", type=int, default=5, help="runs of which medians are printed; of times 3 at most")
    parser.add_argument("--seconds", type=int, default=15, help="how long each time to a decision is measured")
    parser.add_argument("--before", metavar="COMMIT", help="measure this commit too, in turn with this working tree")
    parser.add_argument("--holds", type=int)
    parser.add_argument("--soak", type=int, metavar="SECONDS")
    given = parser.parse_args()
    end_together()
    with tempfile.TemporaryDirectory(prefix="tpp-stream-") as folder:
        of = sides(given.before, Path(folder))
        if given.soak or given.holds:
            with system(of[-1]) as on:
                found = soak(on, given.soak, given.rate) if given.soak else rechecked(on, given.holds, given.rate)
            print(json.dumps(found, indent=1 if given.soak else None))
            return
        rates = in_turn(of, given.times, lambda side, _: throughput(side, given.events))
        show("from a backlog", rates, ["one worker, decisions/s", SHARE, "two workers, decisions/s"])
        times = in_turn(
            of, min(given.times, 3), lambda side, _: latencies(side, given.rate, given.seconds, given.events)
        )
        show("time to a decision", times, [f"p99 at {given.rate}/s {name}, ms" for name in ("idle", "busy")])


if __name__ == "__main__":
    main()
