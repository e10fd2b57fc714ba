"""Loads that are done side by side: what they find, how one fails, and how often a batch waits for the database."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from databases import Databases
from events import party
from ledger_checks import opened
from ledger_events import Line, engine, licence, records
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ledger.cache import Cache
from ledger.database import tables
from ledger.database.pipeline import Changes
from ledger.database.statements import Load, Statement
from ledger.database.store import Connection, DatabaseError, Store, of_statement, retryable
from ledger.journal import Journal
from ledger.registers.accounts import Account
from ledger.registers.facts import Stated
from ledger.registers.identifiers import Known
from ledger.registers.names.owners import Having, Owner
from ledger.registers.obligations import Noted
from ledger.registers.shipments import Shipment
from ledger.registers.transaction import Transaction
from services.engine.before import ahead

BATCH = 12
KINDS = (Shipment, Stated, Known, Owner, Having, Noted)
NAMES = ("CON-20", "CON-22", "CON-30", "CON-40", "LIC-1", "con-20", "SHP-2")
PATHS = ("lpp/CON-20/2025", "lpp/CON-99/2025", "aia/CON-30", "license/LIC-1")
SHIPMENTS = tuple(f"SHP-{n}" for n in range(12))
_ATTESTED = Statement(lambda among: tables.attestation.select().where(among(tables.attestation.c.by, "by")))
_SLEPT = Statement(lambda _: text("SELECT 1 AS one FROM pg_sleep(60)").columns(tables.head.c.n.label("one")))


def lives(count: int) -> list[bytes]:
    """Parties, a licence, and so many shipments of them; every third one has left."""
    line = Line()
    raws = [line.event("party.registered", party(one, "PL") | {"valid_from": "2025-01-01"}) for one in NAMES[:2]]
    raws.append(line.event("license.issued", licence("LIC-1", 90_000_000)))
    for number in range(count):
        raws.append(line.requested(f"SHP-{number}", NAMES[number % 3], 1, "AIA" if number % 3 == 2 else "LPP"))
        if number % 3 == 1:
            raws.append(line.dispatched(f"SHP-{number}"))
    return raws


def loads(journal: Journal) -> list[Load]:
    """Loads of every register, some of which want the same."""
    return [
        journal.records.recalling([("//a", "E-1"), *_answered(journal)]),
        journal.shipments.loading(SHIPMENTS),
        journal.facts.loading(NAMES),
        journal.facts.loading(["CON-20", "CON-30", "CON-98"]),
        journal.accounts.loading(PATHS),
        journal.accounts.loading(PATHS[:2]),
        journal.owners.loading(NAMES),
        journal.owners.loading_forms(_forms(journal)),
        journal.identifiers.loading(NAMES),
        journal.identifiers.loading(["CON-20", "CON-97"]),
        journal.waiting.loading((*NAMES, *PATHS)),
        journal.obligations.loading(f"shipment/{one}" for one in SHIPMENTS),
        journal.records.loading(range(1, 9)),
    ]


def _answered(journal: Journal) -> list[tuple[str, str]]:
    found = journal.transaction.connection.execute(text("SELECT source, id FROM journal ORDER BY n"))
    return [(row.source, row.id) for row in found]


def _forms(journal: Journal) -> list[str]:
    return list(journal.transaction.connection.execute(text("SELECT form FROM owner_form")).scalars())


def known(store: Store, read: Callable[[Journal, Sequence[Load]], None]) -> list[Any]:
    """What the registers know once `read` has done the loads."""
    with store.begin() as connection:
        cache = Cache()
        journal = Journal(Transaction(store, connection, cache, 0))
        read(journal, loads(journal))
        accounts = {path: one and one.row() for path, one in cache.rows(Account).items()}
        of_records = [journal.records.answered(key) for key in _answered(journal)]
        waiting = [journal.waiting._awaited, journal.records._known]
        return [accounts, of_records, waiting, *(dict(cache.rows(kind)) for kind in KINDS)]


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    """A store of a ledger in which a few shipments were decided."""
    with opened(ledger_url) as found:
        engine(found).run(records(lives(12)))
        yield found


def test_loads_find_side_by_side_what_they_find_one_after_the_other(store: Store) -> None:
    """Also where two want the same, and where one asks again when it has its first rows."""

    def each(journal: Journal, all_of_them: Sequence[Load]) -> None:
        for one in all_of_them:
            journal.transaction.read(one)

    together = known(store, lambda journal, all_of_them: journal.transaction.read(*all_of_them))
    assert together == known(store, each)
    assert all(together)
    assert together[0]["lpp/CON-20/2025"] is not None


def _asks(statement: Statement, found: list[Any], **values: Any) -> Load:
    found += yield statement.asking(**values)


def test_one_that_is_refused_is_that_of_a_statement(ledger_url: str) -> None:
    """What the database refuses among several is raised as of one alone, and the connection serves again."""
    missing = Statement(lambda among: tables.mention.select().where(among(tables.mention.c.shipment_id, "ids")))
    with opened(ledger_url) as store:
        with store.begin() as connection:
            transaction = Transaction(store, connection, Cache(), 0)
            connection.execute(text("DROP TABLE mention"))
            with pytest.raises(DatabaseError) as raised:
                transaction.read(
                    _asks(_ATTESTED, [], by=["A"]), _asks(missing, [], ids=["A"]), _asks(_ATTESTED, [], by="B")
                )
            assert not retryable(raised.value)
            connection.get_transaction().rollback()  # type: ignore[union-attr]
        with store.begin() as connection:
            found: list[Any] = []
            Transaction(store, connection, Cache(), 0).read(*(_asks(_ATTESTED, found, by=["A"]) for _ in range(2)))
            assert found == []


def test_one_that_takes_too_long_fails_and_the_connection_serves_again(databases: Databases) -> None:
    """The server's time limit ends the statement and the transaction, and nothing more."""
    if databases.kind != "postgresql":
        pytest.skip("a file has no time limit")
    with opened(databases.ledger()) as store:
        with pytest.raises(DatabaseError) as raised, store.begin() as connection:
            transaction = Transaction(store, connection, Cache(), 0)
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            connection.exec_driver_sql("SET LOCAL statement_timeout = 20")
            transaction.read(_asks(_ATTESTED, [], by=["A"]), _asks(_SLEPT, []), _asks(_ATTESTED, [], by=["B"]))
        assert not raised.value.connection_invalidated
        assert not of_statement(raised.value)
        with store.begin() as connection:
            assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() == pid
            store.upsert(connection, tables.attestation, [("lpp/A/2025", "A", 1)])
            found: list[Any] = []
            Transaction(store, connection, Cache(), 0).read(*(_asks(_ATTESTED, found, by=["A"]) for _ in range(2)))
            assert [tuple(row) for row in found] == 2 * [("lpp/A/2025", "A", 1)]


def test_a_connection_lost_meanwhile_is_told(databases: Databases) -> None:
    """It is a failure after which the transaction is tried again."""
    if databases.kind != "postgresql":
        pytest.skip("a file has no connection to lose")
    url = databases.ledger()
    with opened(url) as store:
        with suppress(SQLAlchemyError), store.begin() as connection:
            transaction = Transaction(store, connection, Cache(), 0)
            databases.server().cut(url)
            with pytest.raises(DatabaseError) as raised:
                transaction.read(_asks(_ATTESTED, [], by=["A"]), _asks(_ATTESTED, [], by=["B"]))
        assert retryable(raised.value)
        with store.begin() as connection:
            assert _ATTESTED.run(store, connection, by=["A"]) == []


def test_a_batch_waits_for_the_database_twice_for_what_it_needs(ledger_url: str) -> None:
    """What its events name is asked together, and then what only that tells of."""
    asked, waits = Changes.rows_together, list[int]()
    prefetch = ahead.prefetch

    def counted(self: Changes, connection: Connection, queries: Sequence[Any]) -> list[Any]:
        waits[-1] += 1
        return asked(self, connection, queries)

    def watched(*arguments: Any) -> None:
        waits.append(0)
        with patch.object(Changes, "rows_together", counted):
            prefetch(*arguments)

    raws = lives(40)
    with opened(ledger_url) as store, patch("services.engine.engine.prefetch", watched):
        for start in range(0, len(raws), BATCH):
            engine(store).run(records(raws[start : start + BATCH], start + 1))
    assert waits == [2] * -(-len(raws) // BATCH)
