"""Sums over many rows of the greatest TPP, beyond 64 bits: no query fails, and none rounds."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import Connection

from ledger.database import tables
from ledger.database.store import Store
from ledger.journal import Ledger
from ledger.queries.account_list import account_list
from ledger.queries.balances import Moment, balances, flows
from ledger.queries.entries import Span, accounts_over, openings
from ledger.registers.accounts import growth
from schemas.models.values import TPP_MAX
from services.cli.terminal.tables import print_json

MANY = 1_100
PATH = "lpp/CON-1/2025"
EARLY, LATE = 1_735_700_000_000_000, 1_767_200_000_000_000


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    """A ledger in which each of many debits of the greatest TPP happened early, and its credit late."""
    store = Store(ledger_url)
    with store.begin() as connection:
        shipments = [
            (f"SHP-{n}", "dispatched", n, n, n, None, "", "2025-06-01", "IN", None, TPP_MAX, "{}", "")
            for n in range(1, MANY + 1)
        ]
        store.insert(connection, tables.shipment, shipments)
        connection.execute(
            tables.account.insert().values(
                {column.name: 0 for column in tables.account.c}
                | {"id": 1, "path": PATH, "limit": 5, "forecast": "2025-01-02"}
            )
        )
        records, entries = [], []
        for n in range(1, 2 * MANY + 1):
            early = n % 2 == 1
            day, at, change = ("2025-01-01", EARLY, TPP_MAX) if early else ("2025-12-31", LATE, -TPP_MAX)
            records.append((n, "//s", f"e-{n}", "tpp.nothing.v1", None, at, 0, "{}", b"{}", ("{}",), ""))
            entries.append((1, n, n, None, change, 0, 0, 0, TPP_MAX if early else 0, 5, day, None))
        store.insert(connection, tables.journal, records)
        store.insert(connection, tables.entry, entries)
        connection.execute(tables.head.update().values(n=2 * MANY, ticked=EARLY + 1))
    yield store
    store.close()


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    with store.read() as connection:
        yield connection


def test_flows_are_exact(connection: Connection) -> None:
    assert [(one.account, one.pending, one.posted) for one in flows(connection)] == [
        ("flow/IN/2025", 0, MANY * TPP_MAX)
    ]


def test_balances_of_a_moment_are_exact(connection: Connection) -> None:
    (found,) = balances(connection, [PATH], Moment(as_of=EARLY))
    assert (found.pending, found.posted, found.balance, found.entries) == (MANY * TPP_MAX, 0, MANY * TPP_MAX, MANY)


def test_accounts_over_a_span_and_their_openings_are_exact(connection: Connection) -> None:
    (found,) = accounts_over(connection, Span(last=date(2025, 6, 1)), Moment())
    assert (found.pending, found.posted, found.closing) == (MANY * TPP_MAX, 0, MANY * TPP_MAX)
    assert openings(connection, Span(first=date(2025, 6, 1)))[PATH].pending == MANY * TPP_MAX


def test_growth_is_exact(store: Store) -> None:
    with Ledger(store).begin(LATE) as journal:
        assert growth(journal.transaction, [PATH], 0, EARLY) == {PATH: MANY * TPP_MAX}
        assert growth(journal.transaction, [PATH], 0, LATE) == {}


def test_a_forecast_of_great_growth_is_given(connection: Connection) -> None:
    (found,) = account_list(connection, [PATH])
    assert found.forecast is not None
    assert found.forecast.exhausted_on == "2025-01-02"


def test_a_flow_beyond_64_bits_is_printed_whole(store: Store, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    with store.read() as connection:
        print_json([one.to_json() for one in flows(connection)])
    assert f'"posted": {MANY * TPP_MAX},'.encode() in capsysbinary.readouterr().out
