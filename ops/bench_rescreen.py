"""Rescreening after a list changes, while others' events are answered: how long it takes, and how long they wait.

    python ops/bench_rescreen.py                                              10,000 open shipments, on SQLite
    python ops/bench_rescreen.py --ledger postgresql://tpp@localhost/bench    a ledger of its own, which is empty
    python ops/bench_rescreen.py --list us_restricted_parties.csv             a list in the layout of `tpp`

Fills the ledger with open shipments, each with a consignee and an ultimate parent of names of its own, so that every
name is a new one. Then a list is loaded that two shipments of a hundred resemble, and as the worker does it, chunks
alternate with batches of the events that have come until then, 50 a second. Prints the seconds of the whole rescreening
and of its longest chunk, and how long 99 of 100 events waited at most. Exits with 1 if it takes a minute or more.
"""

import csv
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson
from large import batched, example

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.registers.names.lists import keep_content
from rulebook.parties.entries import ListEntry, ListKind, content_of, digest_of
from services.engine.commands.list_load import event_of
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

MOST = 60
"""Seconds within which 10,000 open shipments are to be rescreened."""
ENTRIES, ALIASES = 4_600, 2
_PARTS = ("ka", "lo", "mi", "ru", "te", "sha", "no", "vi", "dra", "bel", "zor", "qui", "pen", "tal", "hu", "wei", "gan")


def word(chance: random.Random) -> str:
    """A word that looks like one of a name."""
    return "".join(chance.choice(_PARTS) for _ in range(chance.randint(2, 4))).capitalize()


def name(chance: random.Random) -> str:
    """A name that looks like a company's."""
    common = chance.choice(("Technology", "Trading", "International", "Electronics", "Systems", "Industries"))
    return f"{word(chance)} {word(chance)} {common} {chance.choice(('Ltd', 'Co., Ltd.', 'LLC', 'GmbH', 'Inc'))}"


def entries_of(file: Path | None, chance: random.Random) -> list[ListEntry]:
    """The entries of a file in the layout of `tpp`, else as many that are made up."""
    if file is None:
        return [
            ListEntry(
                id=f"made/{n}", name=name(chance), source="made", kind=ListKind.ENTITY,
                aliases=tuple(name(chance) for _ in range(n % (ALIASES + 1))),
            )
            for n in range(ENTRIES)
        ]  # fmt: skip
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            ListEntry(
                id=f"{row['list']}/{row['entry']}", name=row["name"], source=row["list"], kind=ListKind.ENTITY,
                aliases=tuple(filter(None, row["aliases"].split(" | "))),
            )
            for row in csv.DictReader(lines)
        ]  # fmt: skip


def requests(many: int, first: int, chance: random.Random, listed: str = "") -> Iterator[bytes]:
    """Requests of so many shipments that pass; every fiftieth is for a party of the name `listed`, if any."""
    for n in range(first, first + many):
        event = example("shipment.requested") | {"id": f"request-{n}", "subject": f"SHP-{n}"}
        data = event["data"]
        data["shipment_id"], data["items"][0]["quantity"] = f"SHP-{n}", 1
        consignee = data["ultimate_consignee"]
        consignee["id"], consignee["name"] = f"CON-{n}", listed if listed and n % 50 == 0 else name(chance)
        consignee["ultimate_parent"] |= {"id": f"TOP-{n}", "name": name(chance)}
        data["certifications"][0]["party"] = f"TOP-{n}"
        yield orjson.dumps(event)


def loaded(store: Store, entries: list[ListEntry], version: str) -> Message:
    """The load of a list, whose content is kept."""
    text = content_of(entries)
    data = {
        "name": "bench", "version": version, "sha256": digest_of(text), "file_sha256": hashlib.sha256(text).hexdigest(),
        "entries": len(entries), "added": len(entries), "removed": 0, "changed": 0, "threshold": "0.85",
    }  # fmt: skip
    keep_content(store, text, data["sha256"])
    return Message(event_of(data, datetime(2025, 6, 2, tzinfo=UTC)), {"request": f"lists load {version}"}, own=True)


def messages(raw: Iterator[bytes]) -> Iterator[list[Message]]:
    """The messages of events, in batches."""
    for number, batch in enumerate(batched(raw)):
        yield [Message(one, {"file": f"{number}.jsonl", "line": n}) for n, one in enumerate(batch, 1)]


def measure(engine: Engine, load: Message, rate: int, chance: random.Random) -> tuple[float, float, list[float]]:
    """Seconds of a rescreening, of its longest chunk, and how long each of the events that came meanwhile waited."""
    started, longest, waits, sent = time.perf_counter(), 0.0, list[float](), 0
    coming = requests(1_000_000, 1_000_000, chance)
    engine.decide_between(Engine.read([load]))
    while True:
        begun = time.perf_counter()
        if engine.go_on() is None:
            return time.perf_counter() - started, longest, waits
        longest = max(longest, time.perf_counter() - begun)
        due = int((time.perf_counter() - started) * rate) - sent
        if due > 0:
            batch = [Message(next(coming), {"file": "-", "line": sent + n}) for n in range(1, due + 1)]
            engine.decide_between(Engine.read(batch))
            now = time.perf_counter() - started
            waits += [now - (sent + n) / rate for n in range(1, due + 1)]
            sent += due


@click.command()
@click.option("--ledger", help="a ledger of its own, which is empty  [default: SQLite, in a temporary folder]")
@click.option("--list", "file", type=click.Path(path_type=Path, exists=True), help="a list in the layout of tpp")
@click.option("--shipments", default=10_000, show_default=True)
@click.option("--rate", default=50, show_default=True, help="others' events a second")
def main(ledger: str | None, file: Path | None, shipments: int, rate: int) -> None:
    """Fill the ledger, and load a list."""
    chance = random.Random(17)
    entries = entries_of(file, chance)
    with tempfile.TemporaryDirectory(prefix="tpp-") as folder:
        store = Store(ledger or f"sqlite:///{folder}/bench.db")
        store.open()
        engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), lambda: 0, software())
        for batch in messages(requests(shipments, 0, chance, listed=entries[7].name)):
            engine.run(batch)
        load = loaded(store, entries, "1")
        took, longest, waits = measure(engine, load, rate, chance)
        kind = "PostgreSQL" if store.postgresql else "SQLite"
        store.close()
    waits.sort()
    click.echo(
        f"{shipments:,} open shipments rescreened in {took:.1f} s on {kind}, {len(entries):,} entries; longest chunk "
        f"{longest * 1000:.0f} ms; {len(waits):,} events meanwhile, 99 of 100 answered within "
        f"{waits[int(len(waits) * 0.99)] * 1000 if waits else 0:.0f} ms"
    )
    sys.exit(took >= MOST * shipments / 10_000)


if __name__ == "__main__":
    main()
