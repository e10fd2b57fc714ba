"""Lists page by page: what is in a list all the while comes exactly once, whatever is written between two pages."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pytest
from ledger_events import Line, engine, records
from sqlalchemy import Connection, event, select

from ledger.database import tables
from ledger.database.paging import PAGE
from ledger.database.store import Store, like
from ledger.queries.account_list import AccountOrder, account_list
from ledger.queries.alerts import alerts, thresholds
from ledger.queries.balances import Balance
from ledger.queries.shipment_list import ShipmentFilter, shipment_list
from ledger.queries.work_list import HoldFilter, HoldOrder, holds, obligations
from schemas.models.values import TPP_MAX

Read = Callable[[Connection, Any, int | None], Iterable[Any]]

LISTS: dict[str, tuple[Read, Callable[[Any], Any]]] = {
    **{
        f"holds by {order}": (
            lambda connection, after, most, order=order: holds(connection, HoldFilter(), order, after, most),
            lambda one: one.id,
        )
        for order in HoldOrder
    },
    "shipments": (
        lambda connection, after, most: shipment_list(connection, ShipmentFilter(), after, most), lambda one: one.id,
    ),
    **{
        f"accounts by {order}": (
            lambda connection, after, most, order=order: account_list(connection, (), order, after, most),
            lambda one: one.balance.account,
        )
        for order in AccountOrder
    },
    "obligations": (
        lambda connection, after, most: obligations(connection, None, None, None, after, most),
        lambda one: (one.subject, one.kind, one.due),
    ),
    "alerts": (lambda connection, after, most: alerts(connection, after=after, limit=most), lambda one: one.place),
    "thresholds": (lambda connection, after, most: thresholds(connection, None, after, most), lambda one: one.account),
}  # fmt: skip


def place(one: Any) -> Any:
    """The place of a row in its list."""
    return getattr(one, "place", None) or getattr(one, "first", None) or one.record


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    """A ledger with holds, what left unapproved, alerts, thresholds and obligations."""
    made, run = Store(ledger_url), Line()
    events = [run.event("threshold.set", {"account": f"lpp/CON-{n}*", "thresholds": ["0.1"]}) for n in range(3)]
    for n in range(12):
        quantity = 1_700 if n % 3 == 0 else 300 + n
        events.append(run.requested(f"SHP-{n % 7}-{n}", f"CON-2{n % 3}", quantity, "LPP"))
    events += [run.dispatched("SHP-0-0"), run.dispatched("SHP-NEVER"), run.dispatched("SHP-1-1")]
    events.append(run.allotted("country/IN/2025-2027", 100))
    engine(made).run(records(events))
    yield made
    made.close()


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_give_each_row_once_though_rows_come_between(store: Store, name: str, size: int) -> None:
    read, key = LISTS[name]
    with store.read() as connection:
        whole = [key(one) for one in read(connection, None, None)]
    assert len(whole) == len(set(whole)) > 2
    run, found, after = Line("//between"), list[Any](), None
    for number in range(len(whole) * 3):
        with store.read() as connection:
            page = list(read(connection, after, size))
        assert len(page) <= size
        if not page:
            break
        found += map(key, page)
        after = place(page[-1])
        if number < 3:
            engine(store).run(records([run.requested(f"SHP-B-{number}", "CON-21", 1_700, "LPP")], number + 1, "b"))
    assert [one for one in found if one in set(whole)] == whole
    assert len(found) == len(set(found))


def test_accounts_by_use_are_in_the_order_of_what_is_used(ledger_url: str) -> None:
    """Also where balances, limits and their products are as large as they can be."""
    store = Store(ledger_url)
    figures = [
        (None, 5), (0, 0), (0, TPP_MAX), (1, TPP_MAX), (3, 1), (3, 2), (TPP_MAX, TPP_MAX), (TPP_MAX, TPP_MAX - 1),
        (TPP_MAX, 1), (TPP_MAX - 1, TPP_MAX), (7, -3), (1_000_000, 999_999), (2_000_000, 1_999_999), (None, 0),
        (10**12, 123_456_789_012), (10**12, 123_456_789_013), (TPP_MAX, TPP_MAX // 3),
    ]  # fmt: skip
    rows = [(n, f"lpp/C-{n}/2025", limit, 0, held, 0, 0, 0, 0, 0, None) for n, (limit, held) in enumerate(figures)]
    with store.begin() as connection:
        store.insert(connection, tables.account, rows)
    with store.read() as connection:
        found = [one.balance for one in account_list(connection, (), AccountOrder.USED)]
        pages, after = list[Balance](), None
        while page := list(account_list(connection, (), AccountOrder.USED, after, 2)):
            pages += [one.balance for one in page]
            after = page[-1].place
    store.close()
    assert found == pages
    assert found == sorted(found, key=lambda one: (one.used is None, -(one.used or 0), one.account.encode()))
    used = {(one.limit, one.posted): one.used for one in found}
    assert used[0, 0] == used[0, TPP_MAX] == used[TPP_MAX, TPP_MAX] == 1_000_000
    assert (used[3, 2], used[7, -3], used[None, 5], used[TPP_MAX, TPP_MAX - 1]) == (666_666, 0, None, 999_999)


@pytest.mark.parametrize(
    "pattern", ["lpp/C-1", "lpp/C*", "*", "LPP/*", "lpp/%", "lpp/C_1", "*-1", "[l]pp*", "?pp*", "a\\*"]
)
def test_a_pattern_of_accounts_has_no_other_special_characters(ledger_url: str, pattern: str) -> None:
    from schemas import accounts

    store, path, paths = (
        Store(ledger_url),
        tables.account.c.path,
        ["lpp/C-1", "lpp/C-11", "LPP/C-1", "lpp/%", "lpp/C_1", "a\\b", "[l]pp"],
    )
    rows = [(n, one, None, 0, 0, 0, 0, 0, 0, 0, None) for n, one in enumerate(paths)]
    with store.begin() as connection:
        store.insert(connection, tables.account, rows)
    with store.read() as connection:
        found = [one.balance.account for one in account_list(connection, [pattern])]
        others = connection.scalars(select(path).where(~like(connection, path, pattern))).all()
    store.close()
    assert found == sorted(one for one in paths if accounts.matches(pattern, one))
    assert sorted(others) == sorted(set(paths) - set(found))


def test_a_first_page_reads_no_more_than_a_page(ledger_url: str) -> None:
    """However many rows there are: the database hands over a page of them at most."""
    store, many = Store(ledger_url), 3 * PAGE
    asked = Line().requested("SHP-1", "CON-20", 1, "LPP")
    with store.begin() as connection:
        answer = ('{"type":"tpp.quota.alert.v1","data":{"kind":"exhausted"}}',)
        journal = [(n, "//a", str(n), "t", None, n, n, "{}", asked, answer, "") for n in range(1, many + 1)]
        store.insert(connection, tables.journal, journal)
        shipments = [
            (f"S-{n}", "held", n, n, n, n, "red_flag", "2025-06-05", "PL", None, 1, "{}", "CON-1")
            for n in range(1, many + 1)
        ]
        store.insert(connection, tables.shipment, shipments)
        accounts = [(n, f"lpp/C-{n}/2025", 9, 0, 0, 0, 0, 0, 0, 0, None) for n in range(many)]
        store.insert(connection, tables.account, accounts)
        owed = [(f"shipment/S-{n}", "purchase_order", "2025-06-05", n, "c", "open", "", None) for n in range(many)]
        store.insert(connection, tables.obligation, owed)
    bounds = list[str]()
    event.listen(store.engine, "before_cursor_execute", lambda *words: bounds.append(words[2]))
    with store.read() as connection:
        for name in ("holds by age", "holds by tpp", "shipments", "accounts by used", "obligations", "alerts"):
            bounds.clear()
            read, _ = LISTS[name]
            assert len(list(islice(read(connection, None, 10), 11))) == 10
            unbounded = [
                query for query in bounds if "LIMIT" not in query and ".n IN" not in query and "head" not in query
            ]
            assert unbounded == [], name
    store.close()


def test_alerts_are_found_by_their_index(store: Store) -> None:
    """Among a million records that gave none."""
    query = f"SELECT n FROM journal WHERE {tables.gave_alert(store.engine.dialect.name)} ORDER BY n DESC LIMIT 5"
    with store.read() as connection:
        if store.postgresql:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = connection.exec_driver_sql(f"EXPLAIN {query}").all()
        else:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
    assert "journal_alerts" in str(plan)
