"""The rows that ops/bench_long.py loads: the program goes on after them as if it had written them itself."""

import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ops"))

from bench_long import NUMBERS, Unit, octal, write_rounds

from ledger.database import tables
from ledger.database.store import Store
from services.engine.message import Message
from services.resources import book, engine_on

COPIES, EVENTS = 3, 700
FIRST = {"recorded", "position", "hash"}
"""Columns of which the values are those of the copy that was written first."""


def decide(store: Store, folder: Path, copy: int) -> list[Any]:
    """The answers to the first events of a copy."""
    write_rounds(folder / "events.jsonl", copy, 1)
    lines = (folder / "events.jsonl").read_bytes().splitlines()[:EVENTS]
    batch = [Message(line, {"file": "events.jsonl", "line": n}) for n, line in enumerate(lines, 1)]
    return [list(texts) for texts in engine_on(store, book(None)).run(batch)]


def rows(store: Store, name: str) -> set[tuple[Any, ...]]:
    """The rows of a table, without what derives from the digest of an event."""
    table = tables.metadata.tables[name]
    left = FIRST | ({"answers", "id", "event"} if name == "journal" else set())
    with store.read() as connection:
        return {
            tuple(row) for row in connection.execute(select(*(one for one in table.columns if one.name not in left)))
        }


def test_after_loaded_rows_events_are_answered_as_after_decided_ones(ledger_url: str, tmp_path: Path) -> None:
    decided, loaded = Store(f"sqlite:///{tmp_path}/decided.db"), Store(ledger_url)
    try:
        decided.open()
        for copy in range(COPIES):
            decide(decided, tmp_path, copy)
        decide(loaded, tmp_path, 0)
        Unit(loaded).load(loaded, COPIES - 1)
        for name in ("head", *NUMBERS):
            assert rows(loaded, name) == rows(decided, name), name
        assert decide(loaded, tmp_path, COPIES) == decide(decided, tmp_path, COPIES)
        for name in ("head", *NUMBERS):
            assert rows(loaded, name) == rows(decided, name), name
    finally:
        decided.close()
        loaded.close()


def test_the_numbers_of_copies_have_no_digit_that_is_compared_as_a_letter() -> None:
    assert [octal(number, 3) for number in (0, 7, 8, 511)] == ["222", "229", "232", "999"]
