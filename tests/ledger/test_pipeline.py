"""What a transaction changes at its end goes to the database at once: a failure is that of a statement."""

import pytest
from databases import Databases
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ledger.database import tables
from ledger.database.store import DatabaseError, Store, of_statement, retryable


def test_changes_are_made_in_their_order(ledger_url: str) -> None:
    """A row that is changed twice within has the later values, and few rows are appended as well as many."""
    store = Store(ledger_url)
    try:
        with store.begin() as connection, store.together(connection):
            store.upsert(connection, tables.attestation, [("lpp/A/2025", "A", 1)])
            store.insert(connection, tables.fact, [("A", "party", n) for n in range(1, 4)])
            store.insert(connection, tables.fact, [("B", "party", n) for n in range(1, 200)])
            store.upsert(connection, tables.attestation, [("lpp/A/2025", "A", 2), ("lpp/B/2025", "B", 3)])
        with store.read() as connection:
            found = connection.execute(tables.attestation.select().order_by(tables.attestation.c.by)).all()
            assert [tuple(row) for row in found] == [("lpp/A/2025", "A", 2), ("lpp/B/2025", "B", 3)]
            counted = connection.execute(text("SELECT key, count(*) FROM fact GROUP BY key ORDER BY key")).all()
            assert [tuple(row) for row in counted] == [("A", 3), ("B", 199)]
    finally:
        store.close()


def test_a_refused_change_is_that_of_a_statement(ledger_url: str) -> None:
    """What the database refuses is raised as of every other statement, and nothing of the transaction is kept."""
    store = Store(ledger_url)
    try:
        with pytest.raises(IntegrityError) as raised, store.begin() as connection, store.together(connection):
            store.upsert(connection, tables.attestation, [("lpp/A/2025", "A", 1)])
            store.insert(connection, tables.fact, [("A", "party", 1), ("A", "party", 1)])
            store.upsert(connection, tables.attestation, [("lpp/B/2025", "B", 1)])
        assert of_statement(raised.value)
        assert not retryable(raised.value)
        with store.begin() as connection:
            assert connection.execute(tables.attestation.select()).all() == []
            store.upsert(connection, tables.attestation, [("lpp/A/2025", "A", 1)])
    finally:
        store.close()


@pytest.mark.parametrize("many", [False, True], ids=["pipeline", "copy"])
def test_a_lost_connection_is_told(databases: Databases, many: bool) -> None:
    """A connection that is lost while a transaction writes is a failure after which it is tried again."""
    if databases.kind != "postgresql":
        pytest.skip("a file has no connection to lose")
    url = databases.ledger()
    store, other = Store(url), Store(url)
    try:
        with pytest.raises(DatabaseError) as raised, store.begin() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with other.begin() as killing:
                killing.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            with store.together(connection):
                store.insert(connection, tables.fact, [("A", "party", n) for n in range(200 if many else 1)])
        assert retryable(raised.value)
        with store.begin() as connection:
            store.insert(connection, tables.fact, [("A", "party", 1)])
    finally:
        store.close()
        other.close()
        databases.drop(url)
