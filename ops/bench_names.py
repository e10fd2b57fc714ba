"""Measures how many names a second are matched with a list, beside rapidfuzz alone on the same names, in one run.

    python ops/bench_names.py               2,000 registrants against the lists of the United States
    python ops/bench_names.py --names 9000

`process.cdist` (`token_sort_ratio`, one worker, on names in lower case) compares each name with each of the 10,131
names and aliases, and knows neither legal forms nor common words: it is the bare limit of looking at all of them.
Medians of five runs. Needs numpy, for `cdist` alone, which `make bench` installs with all else for development.
"""

import argparse
import csv
import gzip
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from rulebook import Asked, ListIndex
from rulebook.parties.entries import ListEntry

ROOT = Path(__file__).resolve().parent.parent
RUNS = 5
THRESHOLD = 85
MOST_MIB = 300


def listed() -> list[ListEntry]:
    """The entries of the lists, by name and aliases."""
    with gzip.open(ROOT / "examples/us-restricted-parties.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return [
            ListEntry(f"{row['list']}/{row['entry']}", row["name"], aliases=_aliases(row["aliases"]))
            for row in csv.DictReader(file)
        ]


def _aliases(text: str) -> tuple[str, ...]:
    return tuple(alias.strip() for alias in text.split("|") if alias.strip())


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def matched(index: ListIndex, names: list[str]) -> None:
    """Matches the names with a list."""
    for name in names:
        index.matches(Asked(name), THRESHOLD)


def main() -> None:
    """Prints names a second, beside the bare limit, and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=2_000)
    count = parser.parse_args().names
    try:
        import numpy as np
        from rapidfuzz import fuzz, process
    except ImportError:
        sys.exit(
            "numpy is needed for the bare limit, process.cdist; it is among the requirements of requirements-dev.lock"
        )

    names = gzip.decompress((ROOT / "tests/parties/sec_registrants.txt.gz").read_bytes()).decode().splitlines()
    names = names[:: max(1, len(names) // count)][:count]
    entries = listed()
    everything = [name for entry in entries for name in (entry.name, *entry.aliases)]
    lowered = [name.casefold() for name in names], [name.casefold() for name in everything]
    compare = partial(process.cdist, *lowered, scorer=fuzz.token_sort_ratio, workers=1, dtype=np.uint8)

    indexes = [ListIndex(entries) for _ in range(RUNS)]
    built = median(seconds(partial(ListIndex, entries)) for _ in range(RUNS))
    new, again, bare = [], [], []
    for index in indexes:
        new.append(seconds(partial(matched, index, names)))
        again.append(seconds(partial(matched, index, names)))
        bare.append(seconds(compare))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    tracemalloc.start()
    indexes[:] = [ListIndex(entries)]
    size, most = (one >> 20 for one in tracemalloc.get_traced_memory())

    print(f"index              {len(entries):,} entries, {len(everything):,} names: {built:.2f} s")
    print(f"memory of an index {size} MiB, {most} MiB while it is built")
    print(f"memory of all      {peak} MiB, with {RUNS} indexes and what cdist makes (at most {MOST_MIB} wanted)")
    print(f"new names          {len(names) / median(new):10,.0f} a second")
    print(f"names seen before  {len(names) / median(again):10,.0f} a second")
    print(f"cdist alone        {len(names) / median(bare):10,.0f} a second")
    print(f"ours beside cdist  {median(bare) / median(new):10.2f} (at least 0.5 wanted)")


if __name__ == "__main__":
    main()
