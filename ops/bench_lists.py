"""Lists over a large ledger: how long each takes, and how much memory.

    python ops/bench_lists.py --ledger sqlite:///large.db
    python ops/bench_lists.py --ledger postgresql://tpp@localhost/large --shipments 100000 --holds 5000 --runs 3

Fills the ledger if it does not exist: shipments of many parties to many countries, holds of three kinds, thresholds and
alerts, and a tick. Then runs `tpp` for each list in a process of its own, and prints the best of the runs: seconds, the
CPU of them, and the most memory, which is never less than that of this program. The first line is a list of an empty
ledger: what a command costs in any case.
"""

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import click
import orjson
from large import batched, example

import rulebook
from ledger.database.store import Store
from ledger.journal import Ledger
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software

TPP = Path(sys.executable).with_name("tpp")
COUNTRIES = ("PL", "IN", "BR", "CL", "MX", "CO", "PE")
PARTIES = 2_000
LISTS = (
    "holds", "holds --limit 50", "holds --limit 50 --sort tpp", "holds --party CON-7 --limit 50",
    "holds --country IN --min-age 3 --as-of 2026-01-02 --limit 50", "holds --account lpp/CON-1*/2025 --limit 50",
    "holds --summary", "shipments --limit 50", "shipments --party CON-7 --limit 50", "shipments --party NOBODY",
    "shipments --country IN --state held --limit 50", "shipments --from 2025-06-05 --to 2025-06-05 --limit 50",
    "balance --limit 50", "balance --sort used --limit 50", "balance lpp/CON-1*/2025 --sort used --limit 50",
    "alerts --limit 50", "alerts --kind exhausted --limit 50", "alerts --account lpp/CON-7/2025 --limit 50",
    "thresholds --limit 50", "obligations --limit 50", "obligations --due-by 2025-07-31 --limit 50",
)  # fmt: skip


def events(shipments: int, holds: int, parties: int = PARTIES) -> Iterator[bytes]:
    """The events that make a ledger of so many shipments, of which so many are held, of so many parties."""
    every = max(1, shipments // max(1, holds))
    for n in range(shipments):
        event = example("shipment.requested") | {"id": f"request-{n}", "subject": f"SHP-{n}"}
        data, party = event["data"], f"CON-{n % parties}"
        data["shipment_id"], data["ship_to"] = f"SHP-{n}", COUNTRIES[n % len(COUNTRIES)]
        consignee = data["ultimate_consignee"]
        consignee["country"] = consignee["headquarters"] = data["ship_to"]
        data["certifications"][0]["party"] = party
        consignee["ultimate_parent"] = {"id": party, "name": f"Holding {party}", "headquarters": data["ship_to"]}
        data["items"][0]["quantity"] = 1
        if n % every == 0 and n // every < holds:
            kind = n // every % 3
            if kind == 0:
                data["items"][0]["quantity"] = 1_700
            elif kind == 1:
                data["certifications"] = []
            else:
                data["red_flags"] = [{"number": 2, "note": "the order does not fit the line of business"}]
        yield orjson.dumps(event)
    for n in range(500):
        yield orjson.dumps(
            example("threshold.set")
            | {"id": f"t-{n}", "data": {"account": f"lpp/CON-{n}*/2025", "thresholds": ["0.9"]}}
        )
    tick = example("clock.ticked") | {"id": "tick"}
    tick["data"]["now"] = tick["time"] = "2026-01-02T00:00:00Z"
    yield orjson.dumps(tick)


def fill(url: str, shipments: int, holds: int, parties: int = PARTIES) -> None:
    """Makes the ledger by deciding those events."""
    store = Store(url)
    store.open()
    engine = Engine(Ledger(store), rulebook.load("ai-diffusion"), lambda: 0, software())
    for number, batch in enumerate(batched(events(shipments, holds, parties))):
        engine.run([Message(raw, {"file": f"{number}.jsonl", "line": n}, own=True) for n, raw in enumerate(batch, 1)])
    while engine.go_on() is not None:
        pass
    if store.postgresql:
        with store.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    store.close()


def measured(url: str, words: str) -> tuple[float, float, int, int]:
    """A run of `tpp`: seconds, seconds of CPU, most memory in bytes, lines printed."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), 1)]
        command = [str(TPP), *shlex.split(words), "--ledger", url]
        _, status, used = os.wait4(os.posix_spawn(command[0], command, os.environ, file_actions=actions), 0)
        seconds = time.perf_counter() - started
        if status:
            raise click.ClickException(f"tpp {words} failed")
        output.seek(0)
        return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss << 10, output.read().count(b"\n")


@click.command()
@click.option("--ledger", required=True)
@click.option("--shipments", default=100_000, show_default=True)
@click.option("--holds", default=5_000, show_default=True)
@click.option("--runs", default=3, show_default=True)
def main(ledger: str, shipments: int, holds: int, runs: int) -> None:
    """Fill the ledger if it does not exist, and run every list."""
    store = Store(ledger)
    if not store.exists():
        filler = get_context("spawn").Process(target=fill, args=(ledger, shipments, holds))
        filler.start()
        filler.join()
    store.close()
    with tempfile.TemporaryDirectory(prefix="tpp-") as folder:
        empty = f"sqlite:///{folder}/empty.db"
        made = Store(empty)
        made.open()
        made.close()
        for url, words in ((empty, "holds"), *((ledger, words) for words in LISTS)):
            took = [measured(url, words) for _ in range(runs)]
            seconds, cpu, memory, lines = min(took)
            click.echo(
                f"{seconds:6.2f} s {cpu:6.2f} s CPU {memory >> 20:5,} MiB {lines:8,} lines"
                f"  {'(empty) ' if url == empty else ''}{words}"
            )


if __name__ == "__main__":
    main()
