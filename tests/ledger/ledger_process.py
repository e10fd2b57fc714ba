"""Runs an event file through an engine of its own in small batches; prints what is given out. For tests of processes."""

import sys
from pathlib import Path

from ledger_events import engine, records

from ledger.database.store import Store


def main(url: str, file: str, size: int) -> None:
    """Waits for a line on standard input, so that processes begin together."""
    raws = Path(file).read_bytes().splitlines()
    store = Store(url)
    store.open()
    runs = engine(store)
    print(flush=True)
    sys.stdin.readline()
    for start in range(0, len(raws), size):
        for texts in runs.run(records(raws[start : start + size], start + 1, "in.jsonl")):
            print("\n".join(texts))
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
