"""Measures the books on a SQLite file: sealing and verifying beside SHA-256 of the same bytes, and a large snapshot.

    python ops/bench_books.py                     20,000 events verified; 1,000,000 entries closed and reconciled
    python ops/bench_books.py --entries 100000    a smaller ledger for the snapshot and the statement

The verified events are those of the examples in rounds; the large ledger is of synthetic entries written in bulk.
"""

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "ops")]

from bench import TPP, write_events  # noqa: E402  (the path is set above)
from sqlalchemy import delete, func, select, text  # noqa: E402

import rulebook  # noqa: E402
from ledger.database import tables  # noqa: E402
from ledger.database.store import Store  # noqa: E402
from ledger.proof.leaves import seal  # noqa: E402
from services.proof.verification import verify  # noqa: E402
from services.resources import software  # noqa: E402

ACCOUNTS, DAY = 1_000, 86_400_000_000
START = 1_735_689_600_000_000
"""1 January 2025, in microseconds."""


def proof(folder: Path, events: int) -> dict[str, object]:
    """Records and entries a second that are sealed and verified, and SHA-256 of the same bytes alone."""
    lines, url = folder / "events.jsonl", f"sqlite:///{folder / 'proof.db'}"
    write_events(lines, events)
    subprocess.run([TPP, "screen", lines, "--ledger", url, "--out", os.devnull], check=True, stderr=subprocess.DEVNULL)
    store = Store(url)
    with store.begin() as connection:
        connection.execute(text("DROP TRIGGER leaf_no_delete"))
        connection.execute(delete(tables.leaf))
    start = time.perf_counter()
    records = seal(store)
    sealing = time.perf_counter() - start
    start = time.perf_counter()
    found = verify(store, rulebook.load("ai-diffusion", {}), software(), lambda known: known, ())
    verifying = time.perf_counter() - start
    if found.bad:
        raise SystemExit(f"the ledger is bad: {found.bad[:3]}")
    start, size = time.perf_counter(), 0
    with store.read() as connection:
        j = tables.journal
        for event, answers in connection.execute(select(j.c.event, j.c.answers)):
            for line in (event, *map(str.encode, answers)):
                hashlib.sha256(line).digest()
                size += len(line)
    hashing = time.perf_counter() - start
    store.close()
    return {
        "records": records,
        "entries": found.entries,
        "MB of events and answers": round(size / 1e6, 1),
        "seal, records/s": round(records / sealing),
        "verify, records/s": round(records / verifying),
        "verify, entries/s": round(found.entries / verifying),
        "sha256 of the same bytes, records/s": round(records / hashing),
        "seal, share of sha256": round(hashing / sealing, 3),
        "verify, share of sha256": round(hashing / verifying, 3),
    }


def rows(entries: int) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The rows of a ledger in which each shipment is approved and dispatched on one account, in batches by table."""
    for first in range(0, entries // 2, 20_000):
        journal: list[tuple[Any, ...]] = []
        moves: list[tuple[Any, ...]] = []
        shipments: list[tuple[Any, ...]] = []
        for index in range(first, min(first + 20_000, entries // 2)):
            account, number, name = index % ACCOUNTS + 1, 2 * (index // ACCOUNTS) + 1, f"SHP-{index}"
            amount, happened = 1_000 + index % 7, START + index % 360 * DAY
            day = time.strftime("%Y-%m-%d", time.gmtime(happened // 1_000_000))
            total = (index // ACCOUNTS + 1) * 1_010
            for step, kind in enumerate(("requested", "dispatched")):
                n = 2 * index + 1 + step
                journal.append(
                    (n, "//bench", f"evt-{n}", f"tpp.shipment.{kind}.v1", name, happened, n, "{}", b"", "", "")
                )
                parts = (-amount, amount, 0, 0) if step else (amount, 0, 0, 0)
                moves.append((account, number + step, n, name, *parts, total, None, day, None))
            shipments.append((name, "dispatched", n, n, n, None, "", day, "PL", None, amount, "{}"))
        yield "journal", journal
        yield "entry", moves
        yield "shipment", shipments


def large(folder: Path, entries: int) -> dict[str, object]:
    """Seconds to close a period of so many entries, and to reconcile 100,000 lines against them."""
    url, environment = f"sqlite:///{folder / 'large.db'}", os.environ | {"TPP_SIGNING_KEY": str(folder / "key")}
    store = Store(url)
    store.open()
    with store.begin() as connection:
        for table, some in rows(entries):
            store.insert(connection, tables.metadata.tables[table], some)
        paths = [(n, f"lpp/CON-{n}/2025", None, 0, 0, 0, 0, 0, 0, 0, None) for n in range(1, ACCOUNTS + 1)]
        store.insert(connection, tables.account, paths)
        last = connection.execute(select(func.max(tables.journal.c.n))).scalar_one()
        connection.execute(tables.head.update().values(n=last, accounts=ACCOUNTS, recorded=last))
    store.close()
    found: dict[str, object] = {"entries": entries}
    start = time.perf_counter()
    subprocess.run(
        [TPP, "snapshot", "close", "2025", "--ledger", url], check=True, env=environment, stdout=subprocess.DEVNULL
    )
    found["close with checkpoint, s"] = round(time.perf_counter() - start, 1)
    statement = folder / "statement.csv"
    with statement.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("shipment_id", "account", "date", "amount"))
        for index in range(min(100_000, entries // 2)):
            day = time.strftime("%Y-%m-%d", time.gmtime(START // 1_000_000 + index % 360 * 86_400))
            writer.writerow((f"SHP-{index}", f"lpp/CON-{index % ACCOUNTS + 1}/2025", day, 1_000 + index % 7))
    start = time.perf_counter()
    done = subprocess.run(
        [TPP, "reconcile", statement, "--ledger", url, "--format", "json"], check=False, capture_output=True
    )
    found["reconcile 100,000 lines, s"] = round(time.perf_counter() - start, 1)
    found["matched"] = json.loads(done.stdout)["matched"]
    for form in ("csv", "parquet"):
        start = time.perf_counter()
        subprocess.run(
            [TPP, "snapshot", "export", "2025", "--format", form, "--out", folder / form, "--ledger", url],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        found[f"export {form}, s"] = round(time.perf_counter() - start, 1)
    return found


def main() -> None:
    """Runs both and prints them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tpp-books-") as folder:
        print(json.dumps(proof(Path(folder), arguments.events), indent=1), flush=True)
        print(json.dumps(large(Path(folder), arguments.entries), indent=1))


if __name__ == "__main__":
    main()
