"""Measures the stream on one machine: a real broker, a real PostgreSQL, one worker and one relay.

    python ops/bench_stream.py                       decisions a second beside Faust alone; time to a decision at 500/s
    python ops/bench_stream.py --holds 40000 --rate 50  time to a decision at 50/s while so many holds are rechecked
    python ops/bench_stream.py --soak 600 --rate 200    memory, lag and completeness over ten minutes

PostgreSQL and the broker are found as the tests find them; the broker is started where there is none.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "ops")]

import orjson  # noqa: E402
from bench import of_round  # noqa: E402  (the path is set above)
from databases import postgresql  # noqa: E402
from sqlalchemy import func, select  # noqa: E402

from ledger.database.store import Store  # noqa: E402
from ledger.database.tables import head, journal  # noqa: E402
from services.kafka.local_broker import LocalBroker  # noqa: E402
from services.kafka.producer import STRUCTURED  # noqa: E402
from services.kafka.topics import create_topics  # noqa: E402
from services.stream.publish import destination  # noqa: E402

TPP = Path(sys.executable).with_name("tpp")
ALONE = ROOT / "ops" / "faust_alone.py"


def events(count: int) -> Iterator[bytes]:
    """So many shipment events: those of the examples, in rounds that differ in their identifiers and names."""
    lines = gzip.decompress((ROOT / "examples/gpu-clusters.jsonl.gz").read_bytes()).splitlines()
    for index in range(count):
        yield of_round(lines[index % len(lines)], index // len(lines))


class System:
    """A broker's address and a ledger's URL, the parts that run on them, and a producer."""

    def __init__(self, address: str, url: str) -> None:
        from kafka import KafkaProducer

        self.address, self.url = address, url
        self.environment = os.environ | {"TPP_BROKER": address, "TPP_LEDGER_URL": url}
        self.producer = KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=5)
        self.store = Store(url)
        self.store.open()

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Starts a part."""
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

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

    def await_decided(self, count: int, seconds: float = 600) -> float:
        """Waits until so many records are there; seconds since the first of them was made."""
        end = time.monotonic() + seconds
        while self.decided() < count:
            if time.monotonic() > end:
                raise SystemExit(f"only {self.decided()} of {count} were decided in {seconds:.0f} s")
            time.sleep(0.05)
        with self.store.read() as connection:
            query = select(func.max(journal.c.recorded) - func.min(journal.c.recorded)).where(journal.c.n <= count)
            return int(connection.execute(query).scalar_one()) / 1_000_000


@contextmanager
def system(folder: Path) -> Iterator[System]:
    """A fresh broker with its topics, and a fresh database."""
    with postgresql() as server, LocalBroker(folder / "kafka") as broker:
        create_topics(broker.address)
        found = System(broker.address, server.create("template1"))
        try:
            yield found
        finally:
            found.producer.close()
            found.store.close()


def throughput(on: System, count: int) -> dict[str, int]:
    """Events a second that Faust alone delivers, and that one worker decides, from a backlog."""
    for line in events(count):
        on.publish(line)
    on.producer.flush()
    alone = subprocess.run([sys.executable, ALONE, str(count)], env=on.environment, capture_output=True, check=True)
    worker = on.start(TPP, "worker")
    seconds = on.await_decided(count)
    stop(worker)
    return {"Faust alone, messages/s": int(alone.stdout), "one worker, decisions/s": round(count / seconds)}


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
        subprocess.run([TPP, "screen", file.name, "--out", "/dev/null"], env=on.environment, check=True)
    recheck = orjson.loads((ROOT / "examples/events/tpp.recheck.requested.v1.json").read_bytes())
    recheck["data"] = {"all": True}
    found = latency(on, 60 * rate, rate, orjson.dumps(recheck))
    with on.store.read() as connection:
        query = select(func.count()).where(journal.c.type == recheck["type"])
        return found | {"holds": holds, "chunks": int(connection.execute(query).scalar_one())}


def latency(on: System, count: int, rate: int, first: bytes | None = None) -> dict[str, float]:
    """Milliseconds from publishing an event to reading its answer from the topics, at so many events a second.

    `first` is sent before them, and not counted.
    """
    from kafka import KafkaConsumer, TopicPartition

    before = on.decided()
    lines = (line.replace(b"evt-", b"evt-late-").replace(b"SHP-", b"SHP-late-") for line in events(count))
    messages = [(orjson.loads(line)["id"], (*destination(line), line)) for line in lines]
    worker, relay = on.start(TPP, "worker"), on.start(TPP, "relay")
    options = {"bootstrap_servers": on.address, "auto_offset_reset": "latest", "fetch_max_wait_ms": 20}
    consumer = KafkaConsumer(**options)
    topics = ("tpp.decisions", "tpp.rejected")
    consumer.assign([TopicPartition(name, n) for name in topics for n in consumer.partitions_for_topic(name)])
    consumer.seek_to_end()
    for partition in consumer.assignment():
        consumer.position(partition)
    sent: dict[str, float] = {}
    seen: dict[str, float] = {}
    warm = next(events(1)).replace(b"evt-", b"evt-warm-")
    on.publish(warm)
    while orjson.loads(warm)["id"] not in seen:
        _take(consumer, seen, 100)
    time.sleep(2)
    if first is not None:
        on.publish(first)
    start = time.perf_counter()
    for index, (name, message) in enumerate(messages):
        while (now := time.perf_counter()) < start + index / rate:
            _take(consumer, seen, 5)
        sent[name] = now
        on.send(*message)
    end = time.perf_counter() + 30
    while sent.keys() - seen.keys() and time.perf_counter() < end:
        _take(consumer, seen, 50)
    on.await_decided(before + count + 1)
    for part in (worker, relay):
        stop(part)
    took = sorted((seen[name] - sent[name]) * 1_000 for name in sent.keys() & seen.keys())
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    return {
        f"p50 at {rate}/s, ms": round(p50, 1),
        f"p99 at {rate}/s, ms": round(p99, 1),
        "not seen within 30 s": count - len(took),
    }


def _take(consumer: object, seen: dict[str, float], wait: int) -> None:
    for messages in consumer.poll(timeout_ms=wait).values():  # type: ignore[attr-defined]
        now = time.perf_counter()
        for message in messages:
            cause = orjson.loads(message.value)["data"].get("causation")
            if cause:
                seen.setdefault(cause["id"], now)


def soak(on: System, seconds: int, rate: int) -> dict[str, object]:
    """Publishes at a rate for so long; the memory of worker and relay, the lag, and whether all was answered."""
    parts = {name: on.start(TPP, name) for name in ("worker", "relay", "clock")}
    start, sent, samples = time.monotonic(), 0, []
    due = start + 30
    for line in events(seconds * rate):
        while time.monotonic() < start + sent / rate:
            time.sleep(0.002)
        on.publish(line)
        sent += 1
        if time.monotonic() >= due:
            due += 30
            memory = {name: _rss(part.pid) for name, part in parts.items()}
            samples.append({"s": round(time.monotonic() - start), "lag": sent - on.decided(), **memory})
            print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
    on.producer.flush()
    on.await_decided(sent)
    intake = subprocess.run([TPP, "audit", "intake"], env=on.environment, capture_output=True, check=False)
    for part in parts.values():
        stop(part)
    return {"published": sent, "intake clean": intake.returncode == 0, "MiB and lag, every 30 s": samples}


def _rss(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024
    return 0


def stop(part: subprocess.Popen[bytes]) -> None:
    """Ends a part as an operator would."""
    part.terminate()
    part.wait(30)


def main() -> None:
    """Runs what was asked for and prints it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--holds", type=int)
    parser.add_argument("--soak", type=int, metavar="SECONDS")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tpp-stream-") as folder, system(Path(folder)) as on:
        if arguments.soak:
            print(json.dumps(soak(on, arguments.soak, arguments.rate), indent=1))
            return
        if arguments.holds:
            print(json.dumps(rechecked(on, arguments.holds, arguments.rate)))
            return
        found = throughput(on, arguments.events)
        share = found["one worker, decisions/s"] / found["Faust alone, messages/s"]
        print(json.dumps(found | {"share of Faust's own rate": round(share, 2)}), flush=True)
        print(json.dumps(latency(on, 20 * arguments.rate, arguments.rate)))


if __name__ == "__main__":
    main()
