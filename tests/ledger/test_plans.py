"""What a turn reads of the ledger does not grow with it, even before the server has counted its tables."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases import Databases
from ledger_events import engine

from ledger.database import tables
from ledger.database.store import Store
from services.engine.message import Message

EXAMPLES = Path(__file__).parents[2] / "examples" / "gpu-clusters.jsonl.gz"
EACH = 15
"""Of so many events one is in the turn that is looked at, once more under other identifiers."""
READ = 2
"""How many rows a statement may read for each value that it asks for and each row that it finds."""


def _messages() -> tuple[list[Message], list[Message]]:
    """The examples, and some of them with other identifiers, whose owners have the names of those before."""
    lines = gzip.decompress(EXAMPLES.read_bytes()).splitlines()
    others = [re.sub(rb"(CON|SHP|evt)-", rb"\1-9-", line) for line in lines[::EACH]]
    every = [Message(line, {"file": "examples", "line": n}) for n, line in enumerate((*lines, *others))]
    return every[: len(lines)], every[len(lines) :]


def _executed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The statements that are executed from now on, each with its values, the most where there are several."""
    found: dict[str, Any] = {}
    execute = psycopg.Cursor.execute

    def noting(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        if len(str(params)) > len(str(found.get(str(query), ""))):
            found[str(query)] = params
        return execute(self, query, params, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", noting)
    return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _read(node: dict[str, Any]) -> float:
    """How many rows of a table or an index a step has read."""
    if "Relation Name" not in node and "Index Name" not in node:
        return 0.0
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def _asked(values: Any) -> int:
    """How many values a statement asks for; a text may be an array of them."""
    each = values.values() if isinstance(values, dict) else values or ()
    return sum(one.count(",") + 1 if isinstance(one, str) and one[:1] in ("{", "[") else 1 for one in each)


def _uncounted(store: Store) -> None:
    """Has the server not count the tables by itself: of few rows that it has counted it may well read all."""
    with store.begin() as connection:
        for table in tables.metadata.sorted_tables:
            connection.exec_driver_sql(f'ALTER TABLE "{table.name}" SET (autovacuum_enabled = off)')


def test_a_turn_reads_by_key_alone(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    if databases.kind != "postgresql":
        pytest.skip("SQLite needs no counts to look up a key")
    url = databases.ledger()
    store, (messages, others) = Store(url), _messages()
    try:
        _uncounted(store)
        decides = engine(store)
        for at in range(0, len(messages), 500):
            decides.run(messages[at : at + 500])
        executed = _executed(monkeypatch)
        decides.run(others)
        monkeypatch.undo()
        looked = {sql: values for sql, values in executed.items() if sql.startswith(("SELECT", "UPDATE", "DELETE"))}
        assert len(looked) >= 8
        with store.begin() as connection:
            store.lock_head(connection)
            driver: Any = connection.connection.driver_connection
            for sql, values in looked.items():
                with driver.transaction(force_rollback=True):
                    explained = driver.execute(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {sql}", values).fetchone()
                nodes = list(_nodes(explained[0][0]["Plan"]))
                allowed = READ * (_asked(values) + nodes[0]["Actual Rows"] + 10)
                assert max(map(_read, nodes)) <= allowed, (sql, explained)
    finally:
        store.close()
        databases.drop(url)
