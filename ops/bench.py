"""Measures `tpp screen` beside the bare limit: parsing the same lines and inserting the same rows, in one run.

And with a restricted-party list in force beside without.

    python ops/bench.py                     50,000 events, medians of five runs
    python ops/bench.py --before COMMIT     the same of two commits in turn, and the ratio of their shares
    python ops/bench.py --events 5000 --times 1     a quick look

The events are those of examples/gpu-clusters.jsonl.gz, again and again with other identifiers.
`ops/bench_long.py` shows memory and rate over a long run.
"""

import argparse
import gzip
import json
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from measuring import ROOT, Side, end_together, in_turn, medians, run, show, sides

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


def write_events(path: Path, count: int, first: int = 0) -> None:
    """Writes so many events: the cluster events, in rounds from `first` on, each with its own identifiers and names."""
    lines = gzip.decompress((ROOT / "examples/gpu-clusters.jsonl.gz").read_bytes()).splitlines(keepends=True)
    with path.open("wb") as file:
        for index in range(count):
            file.write(of_round(lines[index % len(lines)], first + index // len(lines)))


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


def measured(side: Side, events: Path, count: int, bare_too: bool) -> dict[str, float]:
    """What `tpp screen` of a side and, with `bare_too`, its bare limit take, on new ledgers."""
    with tempfile.TemporaryDirectory(prefix="tpp-bench-") as name:
        ledger = Path(name) / "ledger.db"
        used = run(side, "screen", events, "--ledger", f"sqlite:///{ledger}", "--out", ledger.with_suffix(".jsonl"))
        found = {
            "tpp screen, events/s": count / used.seconds,
            "tpp screen, CPU an event, us": used.cpu / count * 1_000_000,
            "tpp screen, most memory, MiB": used.kibibytes / 1024,
        }
        if bare_too:
            limit = bare(events, ledger, Path(name) / "bare.db")
            found |= {"bare limit, events/s": count / limit, "share of the limit": limit / used.seconds}
        return found


def beside_list(side: Side, events: Path, times: int) -> float:
    """The rate with the lists of the example in force, as a share of that without; medians of runs in turn."""
    taken: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    lists = ROOT / "examples/us-restricted-parties.csv.gz"
    for _ in range(times):
        for listed, runs in taken.items():
            with tempfile.TemporaryDirectory(prefix="tpp-bench-") as name:
                ledger = f"sqlite:///{name}/ledger.db"
                if listed:
                    run(side, "lists", "load", lists, "--name", "us", "--version", "1", "--ledger", ledger)
                used = run(side, "screen", events, "--ledger", ledger, "--out", f"{name}/out.jsonl")
                runs.append({"seconds": used.seconds})
    without, beside = (medians(taken[listed])["seconds"] for listed in (False, True))
    return without / beside


def main() -> None:
    """Runs what was asked for and prints events a second, shares and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=5, help="the runs of which medians are printed [default: 5]")
    parser.add_argument("--before", metavar="COMMIT", help="measure this commit too, in turn with this working tree")
    parser.add_argument(
        "--only-screen", action="store_true", help="leave the bare limit out, which holds all rows in memory"
    )
    given = parser.parse_args()
    end_together()
    with tempfile.TemporaryDirectory(prefix="tpp-bench-") as name:
        folder = Path(name)
        of, events = sides(given.before, folder), folder / "events.jsonl"
        write_events(events, given.events)
        found = in_turn(
            of, given.times, lambda side, _: measured(side, events, given.events, bare_too=not given.only_screen)
        )
        show(f"{given.events:,} events", found, ["tpp screen, events/s", "share of the limit"][: 2 - given.only_screen])
        if not given.only_screen:
            few = folder / "few.jsonl"
            write_events(few, min(given.events, WITH_LIST))
            share = beside_list(of[-1], few, min(given.times, 3))
            print(json.dumps({"with a list beside without": round(share, 3)}))


if __name__ == "__main__":
    main()
