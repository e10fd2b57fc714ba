"""Rows that are stored while further ones are made: they are there for the next statement, or none of them is."""

from collections.abc import Iterator

import pytest
from databases import Databases
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from ledger.database import tables
from ledger.database.store import DatabaseError, Store, of_statement, retryable


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    """An empty ledger."""
    opened = Store(ledger_url)
    yield opened
    opened.close()


def _facts(key: str, *numbers: int) -> list[tuple[str, str, int]]:
    return [(key, "party", n) for n in numbers]


def _found(connection: Connection) -> list[tuple[str, int]]:
    return [(row.key, row.n) for row in connection.execute(tables.fact.select().order_by(tables.fact.c.n))]


def test_what_was_sent_is_there_for_the_next_statement_and_after_the_commit(store: Store) -> None:
    with store.begin() as connection:
        store.send(connection, tables.fact, _facts("A", 1, 2))
        store.send(connection, tables.fact, _facts("A", 3))
        assert _found(connection) == [("A", 1), ("A", 2), ("A", 3)]
        store.send(connection, tables.fact, _facts("B", 4))
        store.send(connection, tables.mention, [("SHP", 1)])
        store.insert(connection, tables.fact, _facts("B", 5))
        store.send(connection, tables.fact, _facts("B", 6))
        with store.together(connection):
            store.upsert(connection, tables.attestation, [("lpp/A/2025", "A", 1)])
        store.send(connection, tables.fact, _facts("C", *range(7, 2_000)))
    with store.read() as connection:
        assert _found(connection) == [("A", 1), ("A", 2), ("A", 3), *(("B", n) for n in (4, 5, 6)), *(("C", n) for n in range(7, 2_000))]  # fmt: skip
        assert connection.execute(tables.mention.select()).all() == [("SHP", 1)]


def test_a_rollback_takes_back_what_was_sent(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.begin() as connection:
        store.send(connection, tables.fact, _facts("A", *range(2_000)))
        raise ZeroDivisionError
    with store.begin() as connection:
        assert _found(connection) == []
        store.send(connection, tables.fact, _facts("B", 1))
    with store.read() as connection:
        assert _found(connection) == [("B", 1)]


@pytest.mark.parametrize("then", ["read", "commit", "change"])
def test_a_refused_row_is_a_failure_of_a_statement_and_nothing_is_kept(store: Store, then: str) -> None:
    with pytest.raises(IntegrityError) as raised, store.begin() as connection:
        store.send(connection, tables.fact, _facts("A", 1, 1))
        if then == "read":
            _found(connection)
        elif then == "change":
            with store.together(connection):
                store.upsert(connection, tables.attestation, [("lpp/A/2025", "A", 1)])
    assert of_statement(raised.value)
    assert not retryable(raised.value)
    with store.begin() as connection:
        assert _found(connection) == []
        store.send(connection, tables.fact, _facts("A", 1))
    with store.read() as connection:
        assert _found(connection) == [("A", 1)]


@pytest.mark.parametrize("many", [1, 100_000], ids=["at the end", "while rows are sent"])
def test_a_connection_that_is_lost_meanwhile_is_told(databases: Databases, many: int) -> None:
    if databases.kind != "postgresql":
        pytest.skip("a file has no connection to lose")
    url = databases.ledger()
    store, other = Store(url), Store(url)
    try:
        with pytest.raises(DatabaseError) as raised, store.begin() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            store.send(connection, tables.fact, _facts("A", 0))
            with other.begin() as killing:
                killing.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            store.send(connection, tables.fact, _facts("A", *range(1, many)))
        assert retryable(raised.value)
        with store.begin() as connection:
            assert _found(connection) == []
            store.send(connection, tables.fact, _facts("A", 1))
    finally:
        store.close()
        other.close()
        databases.drop(url)
