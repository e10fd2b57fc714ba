"""Measures a long run and a large ledger, by hand: it takes up to forty minutes and up to 40 GB of disk.

    python ops/bench_long.py run                                  1,000,000 events through `tpp screen`, on SQLite
    python ops/bench_long.py run --database postgresql            the same on PostgreSQL
    python ops/bench_long.py large                                1,000,000 more on a PostgreSQL with 4,000,000 records
    python ops/bench_long.py large --rows 400000 --events 100000 --step 20000    the same, a tenth as large
    python ops/bench_long.py large --database sqlite              the same on SQLite

`run` prints the rate of every 100,000 events (`--step`) with the memory of `tpp screen` then, and the last rate as a
share of the first. `large` first screens some 100,000 events on an empty ledger. The rows that it wrote, of every
table, are then loaded (by COPY; on SQLite by INSERT) again and again, with other numbers, identifiers and names, up to
`--rows` records, so that the program goes on after them. Then it screens `--events` more, and prints the same, and the
last rate as a share of that on the empty ledger. The leaves of loaded records are those of the first ones: `tpp audit
verify` finds them wrong, and nothing here reads them. PostgreSQL is the machine's own, with SETTINGS.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from bench import of_round
from measuring import ROOT, Side, end_together, resident, sides

sys.path.insert(0, str(ROOT / "tests"))

from databases import own_server
from sqlalchemy import Table, func, select, update

from ledger.database import tables
from ledger.database.store import Store
from ledger.registers.names.owners import MOST

MARK = "97539"
"""How the number of every round begins: 14 digits, none of them 0 or 1, which the program compares as the letters o and
l. After it comes the number of a copy in five digits of base 8, written as 2 to 9, and that of a round in it in four.
"""
ROWS = 2_000
"""The rows of a table that are loaded at once."""
FIRST = 5_000
"""More than a first batch, which is not measured."""
SETTINGS = {
    "shared_buffers": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 4 // 1_048_576}MB",
    "max_wal_size": "16GB", "wal_compression": "lz4",
}  # fmt: skip
"""Those of PostgreSQL that `docs/operate/sizing.md` names."""
SEQUENCE = re.compile(r'"sequence":"([0-9]{20})"')
RECORDS, ACCOUNTS = "records", "accounts"
NUMBERS = {
    "journal": {"n": RECORDS}, "mention": {"n": RECORDS}, "fact": {"n": RECORDS}, "owner": {"n": RECORDS},
    "obligation": {"n": RECORDS}, "leaf": {"n": RECORDS}, "account": {"id": ACCOUNTS},
    "entry": {"account": ACCOUNTS, "n": RECORDS},
    "shipment": {"first": RECORDS, "asked": RECORDS, "last": RECORDS, "held": RECORDS},
    "waiting": {}, "noted": {}, "identifier": {}, "owner_form": {}, "attestation": {},
}  # fmt: skip
"""The tables that are copied, with the columns that number a record or an account."""


def mark(copy: int) -> str:
    """What the numbers of all rounds of a copy begin with."""
    return MARK + octal(copy, 5)


def octal(number: int, digits: int) -> str:
    """A number in base 8, in digits from 2 to 9."""
    return f"{number:0{digits}o}".translate(str.maketrans("01234567", "23456789"))


def write_rounds(path: Path, copy: int, count: int) -> int:
    """Writes at least so many events as whole rounds of a copy; how many they are."""
    lines = gzip.decompress((ROOT / "examples/gpu-clusters.jsonl.gz").read_bytes()).splitlines(keepends=True)
    rounds = -(-count // len(lines))
    with path.open("wb") as file:
        for number in range(rounds):
            file.writelines(of_round(line, int(mark(copy) + octal(number, 4))) for line in lines)
    return rounds * len(lines)


def screened(side: Side, url: str, events: Path, step: int) -> list[dict[str, float]]:
    """Screens events on a ledger; the rate of each so many records, and the memory of the process after them."""
    found: list[dict[str, float]] = []
    subprocess.run(side.tpp("migrate", "--ledger", url), env=side.environment(), check=True, stdout=subprocess.DEVNULL)
    store = Store(url)
    with tempfile.TemporaryDirectory(prefix="tpp-long-", dir=events.parent) as folder:
        words = ("screen", events, "--ledger", url, "--out", f"{folder}/answers.jsonl")
        start = _records(store)
        process = subprocess.Popen(side.tpp(*words), env=side.environment(), stderr=subprocess.DEVNULL)
        try:
            for seconds, at in steps(process, lambda: _records(store) - start, step):
                found.append({"events": at, "events/s": round(step / seconds), "MiB": resident(process.pid)})
                print(json.dumps(found[-1]), flush=True)
        finally:
            process.kill()
            process.wait()
            store.close()
    if not found:
        raise SystemExit("fewer events than a step were decided; name a smaller --step")
    return found


def steps(process: subprocess.Popen[bytes], count: Callable[[], int], step: int) -> Iterator[tuple[float, int]]:
    """Seconds that each so many records took, from when the first batch was there, and how many there are then."""
    began: tuple[float, int] | None = None
    before, at = (0.0, 0), 0
    while True:
        runs = process.poll() is None
        now = time.perf_counter(), count()
        if began is None and now[1]:
            began = before = now
            at = now[1]
        while began is not None and now[1] >= at + step:
            at += step
            share = (at - before[1]) / (now[1] - before[1])
            when = before[0] + share * (now[0] - before[0])
            yield when - began[0], at
            began = when, at
        before = now
        if not runs:
            return
        time.sleep(0.1)


def _records(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(tables.head.c.n)).scalar_one())


class Unit:
    """The rows of a ledger that are loaded again and again: of copy 0, which the program itself has written."""

    def __init__(self, store: Store) -> None:
        self._having: Counter[str] = Counter()
        with store.read() as connection:
            self.head = connection.execute(tables.head.select()).one()
            others = [table for table in tables.metadata.sorted_tables if table.name not in {*NUMBERS, "head"}]
            if odd := [
                one.name for one in others if connection.execute(select(func.count()).select_from(one)).scalar()
            ]:
                raise SystemExit(f"rows of {', '.join(odd)} cannot be copied")
            self.rows = {
                table: [tuple(row) for row in connection.execute(table.select())]
                for table in tables.metadata.sorted_tables
                if table.name in NUMBERS
            }

        self._having.update(form for form, _ in self.rows[tables.owner_form])

    def load(self, store: Store, copies: int) -> None:
        """Loads so many copies, each in a transaction of its own, and says how far it is."""
        for copy in range(1, copies + 1):
            with store.begin() as connection:
                for table, rows in self.rows.items():
                    made = self._copied(table, rows, copy)
                    while some := list(islice(made, ROWS)):
                        store.insert(connection, table, some)
                size = copy + 1
                records, sequence, accounts = (
                    size * each for each in (self.head.n, self.head.sequence, self.head.accounts)
                )
                connection.execute(update(tables.head).values(n=records, sequence=sequence, accounts=accounts))
            print(f"{records:,} records", file=sys.stderr, flush=True)

    def _copied(self, table: Table, rows: list[tuple[Any, ...]], copy: int) -> Iterator[list[Any]]:
        """The rows of a table as those of a copy; without those that are the same in every copy."""
        shift = {RECORDS: copy * self.head.n, ACCOUNTS: copy * self.head.accounts}
        names = [column.name for column in table.columns]
        moved = [(names.index(name), shift[of]) for name, of in NUMBERS[table.name].items()]
        key = [names.index(column.name) for column in table.primary_key.columns]
        old, new, behind = mark(0), mark(copy), copy * self.head.sequence
        raw = old.encode(), new.encode()

        def changed(value: Any) -> Any:
            if isinstance(value, str):
                return value.replace(old, new)
            if isinstance(value, bytes):
                return value.replace(*raw)
            return tuple(map(later, value)) if isinstance(value, list | tuple) else value

        def later(text: str) -> str:
            return SEQUENCE.sub(lambda found: f'"sequence":"{int(found[1]) + behind:020}"', text.replace(old, new), 1)

        for row in rows:
            made = list(map(changed, row))
            for place, more in moved:
                if made[place] is not None:
                    made[place] += more
            if table is tables.journal:
                made[-1] = " ".join(str(int(n) + shift[RECORDS]) for n in made[-1].split())
                if made[2] == row[2]:  # the program's own, which derives from a digest
                    made[2] = new + row[2][len(new) :]
            if any(made[place] != row[place] for place in key) and self._kept(table, made, row):
                yield made

    def _kept(self, table: Table, made: list[Any], row: tuple[Any, ...]) -> bool:
        """Whether the program would have written a row: of a word of names that many have, it notes the first ones."""
        if table is not tables.owner_form or made[0] != row[0]:
            return True
        self._having[row[0]] += 1
        return self._having[row[0]] <= MOST + 1


def disk(url: str) -> float:
    """The size of a ledger's database in bytes a record."""
    store = Store(url)
    with store.read() as connection:
        size = select(func.pg_database_size(func.current_database()))
        found = (
            connection.execute(size).scalar_one() if store.postgresql else Path(str(store.url.database)).stat().st_size
        )
        records = connection.execute(select(tables.head.c.n)).scalar_one()
    store.close()
    return round(found / records)


def settled(store: Store) -> None:
    """Has the database count and write what was loaded, as it would have by and by."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in ("ANALYZE", "CHECKPOINT") if store.postgresql else ("ANALYZE",):
            connection.exec_driver_sql(statement)


def large(side: Side, url: str, folder: Path, rows: int, count: int, step: int) -> dict[str, float]:
    """The rate on an empty ledger beside that after a ledger of so many records was loaded, and memory."""
    first, more = folder / "first.jsonl", folder / "more.jsonl"
    print(f"{write_rounds(first, 0, step + FIRST):,} events on an empty ledger", file=sys.stderr, flush=True)
    empty = screened(side, url, first, step)[0]
    store = Store(url)
    unit = Unit(store)
    copies = max(0, rows // unit.head.n - 1)
    began = time.perf_counter()
    unit.load(store, copies)
    settled(store)
    before, loaded = _records(store), time.perf_counter() - began
    store.close()
    del unit
    write_rounds(more, copies + 1, count)
    found = screened(side, url, more, step)
    return {
        "records that were loaded": before,
        "seconds of loading": round(loaded),
        "empty ledger, events/s": empty["events/s"],
        "last, events/s": found[-1]["events/s"],
        "last beside the empty ledger": round(found[-1]["events/s"] / empty["events/s"], 3),
        "memory at first, MiB": found[0]["MiB"],
        "memory at last, MiB": found[-1]["MiB"],
        "disk, bytes a record": disk(url),
    }


def run(side: Side, url: str, folder: Path, count: int, step: int) -> dict[str, float]:
    """The last rate beside the first one over a long run, and memory."""
    events = folder / "events.jsonl"
    write_rounds(events, 0, count)
    found = screened(side, url, events, step)
    return {
        "last beside the first": round(found[-1]["events/s"] / found[0]["events/s"], 3),
        "memory at first, MiB": found[0]["MiB"],
        "memory at last, MiB": found[-1]["MiB"],
        "disk, bytes a record": disk(url),
    }


def main() -> None:
    """Runs what was asked for and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "large"))
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=4_000_000, help="records before them [default: 4,000,000]")
    parser.add_argument("--step", type=int, default=100_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="[default: sqlite; of large postgresql]")
    parser.add_argument("--folder", type=Path, help="where files are written for the time of the run")
    given = parser.parse_args()
    end_together()
    kind = given.database or ("postgresql" if given.what == "large" else "sqlite")
    with ExitStack() as ended:
        folder = Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="tpp-long-", dir=given.folder)))
        (side,) = sides(None, folder)
        url = f"sqlite:///{folder}/ledger.db"
        if kind == "postgresql":
            server = ended.enter_context(own_server())
            server.stop()
            server.start(**SETTINGS)
            url = server.create("template1")
        if given.what == "large":
            found = large(side, url, folder, given.rows, given.events, given.step)
        else:
            found = run(side, url, folder, given.events, given.step)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
