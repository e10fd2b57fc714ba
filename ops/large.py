"""Messages nobody would send, one at a time, to a ledger as large as it may become: what each costs.

    python ops/large.py --accounts 100000 --patterns 10000 --holds 50000 --messages 400 --seed 7

Fills a ledger in a file with balances, patterns of thresholds and holds that wait. Then come broken messages, messages
grown to 1 MiB, and a recheck of all holds and a tick, chunk by chunk. Prints the CPU of the slowest of each kind beside
its size and its answers; exit 1 where one takes more than 0.2 s (a chunk of a recheck or tick, with 500 shipments: 1 s)
and 1 s for each MiB that it has, or answers more than 1 MiB in one event. `--most-seconds` allows more on a machine
that does other work.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import click
import orjson
from fuzz import EXAMPLES, Fuzzer

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.chunks import IN_CHUNKS
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

MIB = 2**20
BATCH = 500
MOST_LIST = 1_000
FIRST, FURTHER = "first chunk", "further chunk"
CHUNK_FACTOR = 5


@dataclass
class Worst:
    """The slowest of a kind: seconds of CPU beyond those for its size, seconds, bytes in, longest answer, count."""

    over: float = float("-inf")
    seconds: float = 0.0
    size: int = 0
    answer: int = 0
    count: int = 0

    def add(self, seconds: float, size: int, answer: int) -> None:
        """Counts one more."""
        self.count += 1
        self.answer = max(self.answer, answer)
        over = seconds - size / MIB
        if over > self.over:
            self.over, self.seconds, self.size = over, seconds, size


def example(kind: str) -> dict[str, Any]:
    """The contract's example of a type of event."""
    read: dict[str, Any] = orjson.loads((EXAMPLES / f"tpp.{kind}.v1.json").read_bytes())
    return read


def filling(accounts: int, patterns: int, holds: int) -> Iterator[bytes]:
    """The events that make a ledger of so many accounts, patterns and holds."""
    for n in range(accounts + holds):
        event = example("shipment.requested")
        data = event["data"]
        name = f"CON-{n}" if n < accounts else f"CON-{n % 1_000}"
        data["shipment_id"] = event["subject"] = f"SHP-{n}"
        data["ultimate_consignee"]["ultimate_parent"] |= {"id": name, "name": f"Holding {name}"}
        data["certifications"][0]["party"] = name
        data["items"][0]["quantity"] = 1 if n < accounts else 1_700
        yield orjson.dumps(event | {"id": f"request-{n}"})
    for n in range(patterns):
        event = example("threshold.set")
        event["data"]["account"] = f"lpp/CON-{n}*/2025" if n % 2 else f"*/P{n}/*"
        yield orjson.dumps(event | {"id": f"pattern-{n}"})


def batched(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The lines in batches."""
    while batch := list(islice(lines, BATCH)):
        yield batch


def grown(fuzzer: Fuzzer, most: int) -> bytes:
    """An event of the contract's whose lists have grown, one after another, up to a size in bytes."""
    event = orjson.loads(fuzzer.random.choice(sorted(EXAMPLES.glob("*.json"))).read_bytes())
    whole = _own(event, fuzzer)
    for _ in range(6):
        lists = list(_lists(event["data"]))
        if not lists:
            break
        chosen = fuzzer.random.choice(lists)
        first, before = chosen[0], list(chosen)
        chosen[:] = [_renamed(first, n) for n in range(fuzzer.random.choice((50, 200, MOST_LIST)))]
        if len(orjson.dumps(event)) > most:
            chosen[:] = before
        whole = orjson.dumps(event)
    return whole


def _own(event: dict[str, Any], fuzzer: Fuzzer) -> bytes:
    """The event under an id of its own and, if it asks for a shipment, of a shipment of its own."""
    event["id"] = f"evt-{fuzzer.random.getrandbits(64)}"
    if event["type"] == "tpp.shipment.requested.v1":
        event["data"]["shipment_id"] = event["subject"] = event["id"]
    return orjson.dumps(event)


def _lists(node: Any) -> Iterator[list[Any]]:
    if isinstance(node, list) and node:
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _lists(child)


def _renamed(entry: Any, n: int) -> Any:
    """A further entry of a list: an identifier of its own, or a number of its own as a line."""
    if not isinstance(entry, dict):
        return f"{entry}-{n}" if isinstance(entry, str) else entry
    copy = orjson.loads(orjson.dumps(entry))
    for name in ("id", "party", "reference", "facility"):
        if isinstance(copy.get(name), str):
            copy[name] = f"{copy[name]}-{n}"
    if "line" in copy:
        copy["line"] = n + 1
    return copy


def measured(engine: Engine, message: Message, found: dict[str, Worst], kind: str) -> None:
    """Decides a message, then what it left for later, and notes what each cost."""
    started = time.process_time()
    (texts,) = engine.decide_between(Engine.read([message]))
    answered = orjson.loads(texts[0])
    outcome = answered["data"].get("outcome") or answered["type"].split(".")[2]
    asks = outcome == "recorded" and orjson.loads(message.raw)["type"] in IN_CHUNKS
    kind = FIRST if asks else f"{kind}, {outcome}"
    spent = time.process_time() - started
    found.setdefault(kind, Worst()).add(spent, len(message.raw), max(map(len, texts)))
    while True:
        started = time.process_time()
        chunk = engine.go_on()
        if chunk is None:
            return
        spent = time.process_time() - started
        found.setdefault(FURTHER, Worst()).add(spent, 0, max(map(len, chunk)))


def hostile(fuzzer: Fuzzer, messages: int) -> Iterator[tuple[str, bytes]]:
    """What is sent to the large ledger, with its kind."""
    for _ in range(messages):
        yield "broken", fuzzer.message()
        yield "grown", grown(fuzzer, MIB)
        yield "plain", _own(example("shipment.requested"), fuzzer)
    tick = example("clock.ticked") | {"id": "tick-large"}
    tick["data"]["now"] = tick["time"] = "2026-01-02T00:00:00Z"
    yield "tick", orjson.dumps(tick)
    recheck = example("recheck.requested") | {"id": "recheck-large"}
    recheck["data"] = {"all": True}
    yield "recheck", orjson.dumps(recheck)


@click.command()
@click.option("--accounts", default=100_000, show_default=True)
@click.option("--patterns", default=10_000, show_default=True)
@click.option("--holds", default=50_000, show_default=True)
@click.option("--messages", default=400, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option("--most-seconds", default=0.2, show_default=True)
def main(accounts: int, patterns: int, holds: int, messages: int, seed: int, most_seconds: float) -> None:
    """Fill a ledger, then send it what nobody would send."""
    with tempfile.TemporaryDirectory(prefix="tpp-large-") as folder:
        store, found, fuzzer = Store(f"sqlite:///{folder}/ledger.db"), dict[str, Worst](), Fuzzer(seed)
        store.open()
        engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), lambda: 0, software())
        for number, batch in enumerate(batched(filling(accounts, patterns, holds))):
            engine.run([Message(raw, {"file": f"{number}.jsonl", "line": n}) for n, raw in enumerate(batch, 1)])
        for n, (kind, raw) in enumerate(hostile(fuzzer, messages), 1):
            position = {"file": "hostile.jsonl", "line": n}
            measured(engine, Message(raw, position, own=kind == "tick"), found, kind)
        store.close()
    for kind, worst in sorted(found.items()):
        click.echo(
            f"{worst.count:6,} {kind:22} slowest {worst.seconds:6.3f} s of {worst.size:9,} bytes,"
            f" longest answer {worst.answer:9,}"
        )
    click.echo(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MiB")
    allowed = {kind: most_seconds * (CHUNK_FACTOR if kind in (FIRST, FURTHER) else 1) for kind in found}
    if any(worst.over > allowed[kind] or worst.answer > MIB for kind, worst in found.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
