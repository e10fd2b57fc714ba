"""Runs parts of the stream as processes of their own, and reads what they leave behind."""

import gzip
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import orjson
from waiting import PATIENCE

from ledger.database.store import Store
from ledger.queries import balances, records
from schemas.event_types import INPUTS, TOPICS
from services.engine.engine import Engine
from services.engine.message import Message
from services.kafka.offsets import Offsets
from services.kafka.producer import STRUCTURED
from services.resources import software, wall_clock
from services.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUTS = [topic for topic in TOPICS if topic not in INPUTS]

CODE = {
    "worker": "from services.stream.worker import run; sys.exit(run(Settings(), url, None))",
    "relay": "from services.stream.relay import run; sys.exit(run(Settings(), url))",
    "clock": "from services.stream.clock import run; sys.exit(run(Settings(), url, None))",
}


@dataclass(frozen=True, slots=True)
class Sending:
    """What is published: a value with its headers, to a partition or by key."""

    value: bytes | None
    key: str | None = None
    topic: str = "tpp.shipments"
    headers: Sequence[tuple[str, bytes]] = (STRUCTURED,)
    partition: int | None = None


class Part:
    """A part of the stream as a process; `log` holds what it said."""

    def __init__(self, name: str, stream: "Stream", before: str = "", **environment: str) -> None:
        self.name = name
        self.log = stream.folder / f"{name}-{time.monotonic_ns()}.log"
        code = f"import sys\nfrom services.settings import Settings\nfrom services.telemetry.logs import log_to_stderr\nlog_to_stderr()\n{before}\nurl = {stream.url!r}; {CODE[name]}"
        told = {"TPP_BROKER": stream.address, "TPP_GROUP": stream.group, **environment}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", code],
                cwd=ROOT,
                env=os.environ | told,
                stdout=log,
                stderr=log,
            )

    @property
    def said(self) -> str:
        """What the process wrote."""
        return self.log.read_text("utf-8", "replace")

    def kill(self) -> None:
        """Ends the process at once, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def end(self, seconds: float = PATIENCE) -> int:
        """Asks the process to end and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the process did not end on SIGTERM:\n{self.said[-4000:]}") from None


class Kept(Protocol):
    """Parts that someone keeps up."""

    def keep(self) -> None:
        """Starts those again that ended."""


class Crew:
    """Parts that the test keeps up: one that ended, or was killed, is started again."""

    def __init__(self, stream: "Stream", names: Sequence[str], before: str = "", **environment: str) -> None:
        self._start = lambda name: stream.start(name, before, **environment)
        self.parts = [self._start(name) for name in names]
        self.ended: list[Part] = []
        """Those that ended by themselves, and those that were killed."""

    def keep(self) -> None:
        """Starts those again that ended."""
        for at, part in enumerate(self.parts):
            if part.process.poll() is not None:
                self.ended.append(part)
                self.parts[at] = self._start(part.name)

    def kill(self, name: str) -> None:
        """Kills the part of this name that was there first; the next one will come behind the others."""
        part = next(part for part in self.parts if part.name == name)
        self.parts.remove(part)
        part.kill()
        self.parts.append(part)


class Stream:
    """Topics, a ledger and the parts between them."""

    def __init__(self, address: str, url: str, folder: Path) -> None:
        self.address = address
        self.url = url
        self.folder = folder
        self.group = f"test-{time.monotonic_ns()}"
        self.settings = Settings(broker=address, group=self.group)
        self.parts: list[Part] = []

    def start(self, name: str, before: str = "", **environment: str) -> Part:
        """Starts a part; `before` is Python that runs in it first."""
        part = Part(name, self, before, **environment)
        self.parts.append(part)
        return part

    def kill_all(self) -> None:
        """Ends every part that still runs."""
        for part in self.parts:
            part.kill()

    def publish(self, messages: Iterable[Sending], codec: str | None = None) -> None:
        """Sends messages and waits until the broker has them."""
        from kafka import KafkaProducer

        producer = KafkaProducer(
            bootstrap_servers=self.address, linger_ms=5, max_request_size=8 << 20, compression_type=codec
        )
        sent = [
            producer.send(
                one.topic,
                one.value,
                None if one.key is None else one.key.encode(),
                headers=list(one.headers),
                partition=one.partition,
            )
            for one in messages
        ]
        producer.flush()
        for one in sent:
            one.get(timeout=PATIENCE)
        producer.close()

    def members(self) -> int:
        """How many workers are in the group; 0 where the broker does not know yet."""
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        admin = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            return len(admin.describe_groups([self.group])[self.group].get("members", ()))
        except KafkaError:
            return 0
        finally:
            admin.close()

    def wait_decided(self, *watched: "Part | Kept") -> None:
        """Waits until the group has worked off every input partition."""
        offsets = Offsets(self.settings)
        places = offsets.places(INPUTS)

        def done() -> bool:
            at = offsets.committed(places)
            return all(at.get(place, 0) >= end for place, end in offsets.ends(places).items())

        self.wait(done, watched)
        offsets.close()

    def wait_published(self, *watched: "Part | Kept") -> None:
        """Waits until the relay has published every record."""
        self.wait(lambda: self.ask(lambda one: records.published(one).n == records.last_record(one)), watched)

    def wait(self, true: Callable[[], bool], watched: "Sequence[Part | Kept]" = ()) -> None:
        """Waits until it is true, as long as the parts that are watched run, or are kept up."""
        end = time.monotonic() + PATIENCE
        while not true():
            for kept in watched:
                if not isinstance(kept, Part):
                    kept.keep()
            dead = [part for part in watched if isinstance(part, Part) and part.process.poll() is not None]
            if dead or time.monotonic() > end:
                told = "\n".join(part.said[-4000:] for part in dead or self.parts[-2:])
                raise AssertionError(f"{'a part ended' if dead else 'it takes too long'}:\n{told}")
            time.sleep(0.1)

    def ask(self, question: Callable[[Any], Any]) -> Any:
        """The answer of the ledger to a question to a connection."""
        return asked(self.url, question)

    def answers(self) -> list[str]:
        """Everything that the ledger gave out, in order."""
        return answers_of(self.url)

    def balances(self) -> list[dict[str, Any]]:
        """Every account as it stands."""
        return [one.to_json() for one in self.ask(balances.balances)]

    def out(self) -> dict[str, list[Any]]:
        """Every message of the output topics."""
        offsets = Offsets(self.settings)
        found: dict[str, list[Any]] = {topic: [] for topic in OUTPUTS}
        for place in offsets.places(OUTPUTS):
            end = offsets.ends([place])[place]
            found[place[0]] += list(offsets.messages(place, offsets.beginnings([place])[place], end))
        offsets.close()
        return found


def asked(url: str, question: Callable[[Any], Any]) -> Any:
    """The answer of a ledger to a question to a connection."""
    store = Store(url)
    try:
        with store.read() as connection:
            return question(connection)
    finally:
        store.close()


def answers_of(url: str) -> list[str]:
    """Everything that a ledger gave out, in order."""
    rows = asked(url, lambda one: records.outbox(one, 0, 1_000_000))
    return [line for row in rows for line in row.answers]


def ready(address: str) -> tuple[int, str]:
    """What a part answers at `/health/ready`: the status and the text; 0 where nothing answers."""
    try:
        with urllib.request.urlopen(f"http://{address}/health/ready", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def example(name: str) -> list[bytes]:
    """The lines of an example file."""
    raw = (ROOT / "examples" / name).read_bytes()
    return (gzip.decompress(raw) if name.endswith(".gz") else raw).splitlines()


def screened(lines: Sequence[bytes], url: str, topic: str = "tpp.shipments") -> tuple[list[str], list[dict[str, Any]]]:
    """What `tpp screen` gives out for these lines and the balances after it, as if they stood in one partition."""
    texts = decided(url, [Message(line, {"topic": topic, "partition": 0, "offset": n}) for n, line in enumerate(lines)])
    store = Store(url)
    with store.read() as connection:
        found = [one.to_json() for one in balances.balances(connection)]
    store.close()
    return texts, found


def decided(url: str, records: Sequence[Message]) -> list[str]:
    """What an engine in this process gives out for records."""
    import rulebook
    from ledger.journal import Ledger

    store = Store(url)
    store.open()
    engine = Engine(Ledger(store), rulebook.load("ai-diffusion", {}), wall_clock, software())
    texts = [text for texts in engine.run(records) for text in texts]
    store.close()
    return texts


def shipments(many: int | None, owners: int = 40) -> Iterator[bytes]:
    """Requests of shipments that mostly fit, over several owners; of ever more where it is not said of how many."""
    base = orjson.loads((ROOT / "examples/events/tpp.shipment.requested.v1.json").read_bytes())
    for n in count() if many is None else range(many):
        event = orjson.loads(orjson.dumps(base))
        name = f"LOAD-{n:05d}"
        event |= {"id": f"load-{n}", "subject": name}
        event["data"]["shipment_id"] = name
        owner = f"CON-{n % owners}"
        event["data"]["ultimate_consignee"] |= {"id": owner, "name": f"Party {owner}"}
        event["data"]["ultimate_consignee"].pop("ultimate_parent", None)
        event["data"]["certifications"] = [
            {"kind": "lpp_consignee_statement", "party": owner, "date": "2025-05-20", "reference": "C-1"}
        ]
        for item in event["data"]["items"]:
            item["quantity"] = 1 + n % 7
        yield orjson.dumps(event)
