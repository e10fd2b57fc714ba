"""Messages nobody would send, through the engine: every one has one answer, none raises, and the books add up.

    python ops/fuzz.py --messages 30000 --seed 7

Starts from the contract's examples and breaks them: bytes flipped, cut and doubled, members moved, values replaced by
odd ones, lists and nesting grown, sources in disguise. All go through an engine on a ledger in memory, in batches, by
files and by topics. Prints what was answered; exit 1 and the message, in base64, where an invariant does not hold.
"""

import base64
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import click
import orjson
from sqlalchemy import text

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "events"
BATCH = 200
MOST_BYTES = 3 * 2**20
MOST_SECONDS = 5.0
"""The most CPU that a batch may take for each 1 MiB that it has, and for its messages, however odd."""
ODD: Sequence[Any] = (
    None, True, 0, -1, 1, 2**53 - 1, 2**53, 10**400, 1.5, 1e308, float("inf"), "", " ", "\0", "\ud800", "\u202e", "*",
    "/", "a" * 600, "é" * 5_000, "9999-12-31", "0001-01-01", "2025-02-30", "2025-06-05T00:00:00Z", "XX", "MO",
    "3A090.a", "LPP", "//tpp-ledger", "//TPP%2Dclock", "lpp/CON-70/2025", "country/IN/2025-2027", "aia/" + "*" * 500,
    [], {}, [[]], [None],
)  # fmt: skip
PIECES = (
    b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"null", b"\\ud800", b"\\u0000", b"1e999999999", b"-0", b"NaN",
    b"\xff", b"\xef\xbb\xbf", b"\x00", b"\n",
)  # fmt: skip


class Broken(Exception):
    """An invariant that does not hold, with the message that broke it."""


class Fuzzer:
    """Makes messages from a seed: the same seed, the same messages."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._events = [orjson.loads(path.read_bytes()) for path in sorted(EXAMPLES.glob("*.json"))]
        self._made = 0

    def message(self) -> bytes:
        """The next message."""
        self._made += 1
        event = orjson.loads(orjson.dumps(self.random.choice(self._events)))
        if self.random.random() < 0.8:
            event["id"] = f"evt-{self.random.randrange(self._made + 1)}"
        if self.random.random() < 0.5:
            self._renamed(event["data"])
        for _ in range(self.random.choice((0, 0, 0, 0, 0, 1, 1, 2, 5))):
            self._mutated(event)
        raw = self._written(event)
        for _ in range(self.random.choice((0, 0, 0, 0, 0, 0, 0, 1, 3))):
            raw = self._torn(raw)
        return raw

    def _renamed(self, data: dict[str, Any]) -> None:
        """Gives what it is about one of a few identifiers, so that events meet."""
        consignee = data.get("ultimate_consignee")
        if isinstance(consignee, dict):
            owner, name = f"P-{self.random.randrange(60)}", f"Holding {self.random.randrange(90)}"
            consignee["ultimate_parent"] |= {"id": owner, "name": name}
            data["certifications"][0]["party"] = owner
        for name in ("shipment_id", "number", "holder", "survivor", "absorbed", "party", "id"):
            if isinstance(data.get(name), str):
                data[name] = f"{name[0].upper()}-{self.random.randrange(200)}"

    def _mutated(self, event: dict[str, Any]) -> None:
        node: Any = event
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                return
            key = self.random.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and self.random.random() < 0.8:
                node = node[key]
                continue
            break
        how = self.random.randrange(6)
        if how == 0 and isinstance(node, dict):
            del node[key]
        elif how == 1 and isinstance(node, dict):
            node[f"{key}{self.random.choice(('', '_', 's'))}x"] = node[key]
        elif how == 2:
            many = not isinstance(node[key], list) or len(node[key]) < 10
            node[key] = [node[key]] * (self.random.choice((51, 201, 1_001)) if many else 2)
        elif how == 3:
            for _ in range(self.random.choice((3, 31, 33, 300))):
                node[key] = [node[key]] if self.random.random() < 0.5 else {"a": node[key]}
        else:
            node[key] = deepcopy(self.random.choice(ODD))

    def _written(self, event: dict[str, Any]) -> bytes:
        text = json.dumps(event, ensure_ascii=self.random.random() < 0.5, indent=self.random.choice((None, None, 1)))
        return text.encode("utf-8", "surrogatepass")[:MOST_BYTES]

    def _torn(self, raw: bytes) -> bytes:
        at = self.random.randrange(len(raw) + 1)
        end = at + self.random.choice((0, 1, 1, 20))
        how = self.random.randrange(4)
        if how == 0:
            return raw[:at] + raw[end:]
        if how == 1:
            return raw[:at] + self.random.choice(PIECES) * self.random.choice((1, 1, 40, 1_000)) + raw[end:]
        if how == 2:
            return raw[:at] + raw[at:end] * 3 + raw[end:]
        return raw[:at] + bytes([self.random.randrange(256)]) + raw[at + 1 :]

    def position(self, n: int) -> dict[str, Any]:
        """Where the message stood: in a file, in a topic or in a request."""
        return self.random.choice(
            ({"file": "f.jsonl", "line": n}, {"topic": "tpp.facts", "partition": 1, "offset": n}, {"request": f"r {n}"})
        )


def answered(engine: Engine, batch: Sequence[Message]) -> list[str]:
    """The types of the answers to a batch; raises Broken where an invariant does not hold."""
    started = time.process_time()
    try:
        given = engine.run(batch)
    except Exception as error:
        raise Broken(f"a batch raised {type(error).__name__}: {error}", *batch) from error
    allowed = MOST_SECONDS * (1 + sum(len(one.raw) for one in batch) / 2**20)
    if (took := time.process_time() - started) > allowed:
        raise Broken(f"a batch took {took:.1f} s of CPU", *batch)
    if len(given) != len(batch):
        raise Broken(f"{len(given)} answers to {len(batch)} messages", *batch)
    kinds = []
    for one, texts in zip(batch, given, strict=True):
        first = orjson.loads(texts[0])
        if sum("causation" in orjson.loads(text)["data"] and _answers(text, first) for text in texts) > 1:
            raise Broken("a message has two answers", one)
        if any(error["code"] == "internal.error" for error in first["data"].get("errors", ())):
            raise Broken(f"the program failed: {first['data']['errors'][0]['message']}", one)
        kinds.append(first["type"])
    if engine.run(batch) != given:
        raise Broken("a batch that is delivered again gets other answers", *batch)
    return kinds


def _answers(text: str, first: dict[str, Any]) -> bool:
    return bool(orjson.loads(text)["id"] == first["id"])


def check_books(store: Store) -> int:
    """How many accounts there are; raises Broken where one's parts are not the sums of its entries."""
    sums = """SELECT a.path, a.pending, a.posted, a.attested, a.credits, a.entries, count(e.entry), sum(e.pending),
        sum(e.posted), sum(e.attested), sum(e.credits) FROM account a LEFT JOIN entry e ON e.account = a.id
        GROUP BY a.id"""
    with store.read() as connection:
        rows = connection.execute(text(sums)).all()
    for path, pending, posted, attested, credits, entries, count, *added in rows:
        if (entries, pending, posted, attested, credits) != (count, *(amount or 0 for amount in added)):
            raise Broken(f"{path} is not the sum of its entries")
    return len(rows)


def run(messages: int, seed: int) -> Counter[str]:
    """What was answered to so many messages of a seed; raises Broken where an invariant does not hold."""
    fuzzer, store, found = Fuzzer(seed), Store(":memory:"), Counter[str]()
    store.open()
    try:
        engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), lambda: 0, software())
        for start in range(0, messages, BATCH):
            numbers = range(start, min(messages, start + BATCH))
            found.update(answered(engine, [Message(fuzzer.message(), fuzzer.position(n)) for n in numbers]))
        found["accounts"] = check_books(store)
    finally:
        store.close()
    return found


@click.command()
@click.option("--messages", default=30_000, show_default=True)
@click.option("--seed", type=int, help="The same seed gives the same messages. [default: of the clock]")
def main(messages: int, seed: int | None) -> None:
    """Fuzz the engine; the seed is printed, so that a failure can be repeated."""
    seed = time.time_ns() % 2**32 if seed is None else seed
    click.echo(f"seed {seed}")
    try:
        found = run(messages, seed)
    except Broken as error:
        sentence, *broken = error.args
        click.echo(sentence, err=True)
        for one in broken:
            click.echo(f"{one.position} {base64.b64encode(one.raw).decode()}", err=True)
        sys.exit(1)
    for kind, count in sorted(found.items()):
        click.echo(f"{count:7,} {kind}")


if __name__ == "__main__":
    main()
