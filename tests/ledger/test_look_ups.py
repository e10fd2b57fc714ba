"""What the ledger looks up by key: what it finds, how it fails, and how much of a table it reads."""

import json
from contextlib import suppress

import pytest
from databases import Databases
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ledger.database import tables
from ledger.database.statements import Statement
from ledger.database.store import DatabaseError, Store, retryable
from ledger.registers import records
from ledger.registers.records import Records
from ledger.registers.transaction import Cache, Transaction

MANY = 3_000
_ATTESTED = Statement(lambda among: tables.attestation.select().where(among(tables.attestation.c.by, "by")))


def _journal(store: Store) -> None:
    rows = [(n, "//a", f"E-{n}", "t", None, n, n, "{}", b"{%d}" % n, f"{n}", "") for n in range(1, MANY + 1)]
    rows.append((MANY + 1, "//b", "E-1", "t", None, 1, 1, "{}", b"{}", "of b", ""))
    with store.begin() as connection:
        store.insert(connection, tables.journal, rows)


def test_answered_events_are_found_by_source_and_id(ledger_url: str) -> None:
    """Each key finds its own record or none, the same id of another source among them."""
    store = Store(ledger_url)
    try:
        _journal(store)
        with store.begin() as connection:
            found = Records(Transaction(store, connection, Cache(), 0))
            found.recall([("//a", "E-1"), ("//a", "E-7"), ("//a", "E-0"), ("//b", "E-1"), ("//b", "E-7")])
            answers = {key: one.answers for key in (("//a", "E-1"), ("//a", "E-7"), ("//b", "E-1"))
                       if (one := found.answered(key))}  # fmt: skip
            assert answers == {("//a", "E-1"): ("1",), ("//a", "E-7"): ("7",), ("//b", "E-1"): ("of b",)}
            assert found.answered(("//a", "E-0")) is None
            assert found.answered(("//b", "E-7")) is None
    finally:
        store.close()


def test_a_look_up_reads_no_other_events_of_its_source(databases: Databases) -> None:
    """Before the server has counted the journal, it looks up each event by itself, and reads not all of a source."""
    if databases.kind != "postgresql":
        pytest.skip("SQLite needs no counts to look up a key")
    store = Store(databases.ledger())
    try:
        _journal(store)
        with store.begin() as connection:
            store.lock_head(connection)
            made = records._ANSWERED.made(store)
            values = made.values({"keys": json.dumps([["//a", f"E-{n}"] for n in range(1, 1_001)])})
            plan = store.rows(connection, f"EXPLAIN {made.sql}", values)
            assert "Index Cond: ((source = " in str(plan)
            assert "Join" not in str(plan)
            assert "AND (id = " in str(plan)
    finally:
        store.close()


def test_a_look_up_finds_any_text(ledger_url: str) -> None:
    """Also texts that mean something in an array or in JSON."""
    odd = ['a"b', "a\\b", '\\"', "", " ", "NULL", "null", "{x}", "[x]", "a,b", "'", "%s", "\t\n", "é\N{GRINNING FACE}"]
    store = Store(ledger_url)
    try:
        with store.begin() as connection:
            store.upsert(connection, tables.attestation, [(f"lpp/{n}/2025", by, n) for n, by in enumerate(odd)])
            assert {row.by: row.tpp for row in _ATTESTED.run(store, connection, by=odd)} == {
                by: n for n, by in enumerate(odd)
            }
            assert [row.by for by in odd for row in _ATTESTED.run(store, connection, by=[by])] == odd
            assert _ATTESTED.run(store, connection, by=[]) == []
    finally:
        store.close()


def test_a_look_up_that_fails_is_that_of_a_statement(ledger_url: str) -> None:
    """A query that the database refuses raises what every other statement does."""
    store = Store(ledger_url)
    try:
        with store.begin() as connection:
            connection.execute(text("DROP TABLE attestation"))
            with pytest.raises(DatabaseError) as raised:
                _ATTESTED.run(store, connection, by=["A"])
            assert not retryable(raised.value)
            connection.get_transaction().rollback()  # type: ignore[union-attr]
        with store.begin() as connection:
            assert _ATTESTED.run(store, connection, by=["A"]) == []
    finally:
        store.close()


def test_a_connection_lost_in_a_look_up_is_told(databases: Databases) -> None:
    """A connection that is lost while a transaction reads is a failure after which it is tried again."""
    if databases.kind != "postgresql":
        pytest.skip("a file has no connection to lose")
    url = databases.ledger()
    store, other = Store(url), Store(url)
    try:
        with suppress(SQLAlchemyError), store.begin() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with other.begin() as killing:
                killing.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            with pytest.raises(DatabaseError) as raised:
                _ATTESTED.run(store, connection, by=["A"])
        assert retryable(raised.value)
    finally:
        store.close()
        other.close()
