"""Measures `tpp screen` beside the bare limit: parsing the same lines and inserting the same rows, in one run.

And with a restricted-party list in force beside without.

    python ops/bench.py                    50,000 events
    python ops/bench.py --events 1000000   memory over a long run: compare its figure with that of 10,000

The events are those of examples/gpu-clusters.jsonl.gz, again and again with other identifiers.
"""

import argparse
import gzip
import json
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TPP = Path(sys.executable).with_name("tpp")
BATCH = 2048
WITH_LIST = 20_000
"""How many events are screened with a list, and without."""
PREFIXES = (b"evt-", b"SHP-", b"CON-", b"FAC-")


def of_round(line: bytes, number: int) -> bytes:
    """An event as the event of a round: its identifiers and the names of its parties are those of no other round."""
    for prefix in PREFIXES:
        line = line.replace(prefix, b"%s%d-" % (prefix, number))
    return line.replace(b'"name":"', b'"name":"%d ' % number)


def write_events(path: Path, count: int) -> None:
    """Writes so many events: the cluster events, in rounds that differ in their identifiers and names."""
    lines = gzip.decompress((ROOT / "examples/gpu-clusters.jsonl.gz").read_bytes()).splitlines(keepends=True)
    with path.open("wb") as file:
        for index in range(count):
            file.write(of_round(lines[index % len(lines)], index // len(lines)))


def screen(events: Path, ledger: Path) -> tuple[float, int]:
    """Seconds that `tpp screen` takes, and the most memory that it held, in KiB."""
    command = [TPP, "screen", events, "--ledger", f"sqlite:///{ledger}", "--out", ledger.with_suffix(".jsonl")]
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def rows_by_batch(ledger: Path) -> dict[str, dict[int, list[tuple[object, ...]]]]:
    """Every row of the ledger, by table and by the batch in which it was written last."""
    source = sqlite3.connect(ledger)
    of_account = "SELECT a.*, max(e.n) FROM account a JOIN entry e ON e.account = a.id GROUP BY a.id"
    of_attestation = "SELECT *, 1 FROM attestation"
    queries = {name: f"SELECT *, n FROM {name}" for name in ("journal", "entry", "fact", "mention", "obligation")}
    queries |= {"shipment": "SELECT *, last FROM shipment", "account": of_account, "attestation": of_attestation}
    queries["owner"] = "SELECT *, n FROM owner WHERE n IS NOT NULL"
    queries["owner_form"] = "SELECT f.*, o.n FROM owner_form f JOIN owner o ON o.id = f.owner WHERE o.n IS NOT NULL"
    found: dict[str, dict[int, list[tuple[object, ...]]]] = {}
    for name, query in queries.items():
        batches: dict[int, list[tuple[object, ...]]] = defaultdict(list)
        for *row, n in source.execute(query):
            batches[(n - 1) // BATCH].append(tuple(row))
        found[name] = batches
    source.close()
    return found


def bare(events: Path, ledger: Path, target: Path) -> float:
    """Seconds to parse the same lines, insert the same rows in the same batches, durably, and write the answers."""
    rows = rows_by_batch(ledger)
    source = sqlite3.connect(ledger)
    schema = [
        sql for (sql,) in source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type != 'trigger'")
    ]
    source.close()
    database = sqlite3.connect(target, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    for statement in schema:
        database.execute(statement)
    answers = target.with_suffix(".jsonl")
    start = time.perf_counter()
    with events.open("rb") as file, answers.open("w") as out:
        batch = 0
        while lines := [line for _, line in zip(range(BATCH), file, strict=False)]:
            for line in lines:
                json.loads(line)
            database.execute("BEGIN IMMEDIATE")
            for name, batches in rows.items():
                if some := batches.get(batch):
                    database.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(some[0]))})", some)
            database.execute("COMMIT")
            out.writelines(f"{row[9]}\n" for row in rows["journal"].get(batch, ()))
            batch += 1
    return time.perf_counter() - start


def beside_list(folder: Path, events: Path) -> float:
    """The rate with the lists of the example in force, as a share of that without; medians of three runs in turn."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    lists = ROOT / "examples/us-restricted-parties.csv.gz"
    for number in range(3):
        for listed, seconds in taken.items():
            ledger = folder / f"list-{number}-{listed}.db"
            if listed:
                load = [
                    TPP,
                    "lists",
                    "load",
                    lists,
                    "--name",
                    "us",
                    "--version",
                    "1",
                    "--ledger",
                    f"sqlite:///{ledger}",
                ]
                subprocess.run(load, check=True, capture_output=True)
            seconds.append(screen(events, ledger)[0])
    return statistics.median(taken[False]) / statistics.median(taken[True])


def main() -> None:
    """Runs both and prints events a second and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument(
        "--only-screen", action="store_true", help="leave the bare limit out, which holds all rows in memory"
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tpp-bench-"))
    try:
        events, ledger = folder / "events.jsonl", folder / "ledger.db"
        write_events(events, arguments.events)
        seconds, kibibytes = screen(events, ledger)
        result: dict[str, object] = {
            "events": arguments.events,
            "tpp screen, events/s": round(arguments.events / seconds),
            "tpp screen, most memory, MiB": round(kibibytes / 1024),
        }
        if not arguments.only_screen:
            limit = bare(events, ledger, folder / "bare.db")
            result |= {
                "bare limit, events/s": round(arguments.events / limit),
                "share of the limit": round(limit / seconds, 3),
            }
            few = folder / "few.jsonl"
            write_events(few, min(arguments.events, WITH_LIST))
            result["with a list beside without"] = round(beside_list(folder, few), 3)
        print(json.dumps(result, indent=1))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
