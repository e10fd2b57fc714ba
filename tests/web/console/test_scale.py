"""Pages of a large ledger are no longer than those of a small one, and no page reads all of the journal."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from signin_run import SAME
from soak import much
from sqlalchemy import event
from waiting import PATIENCE
from web_inside import inside

from ledger.database.store import Connection, Store
from ledger.journal import Ledger
from schemas.periods import period
from services.engine.commands.period_close import close_period
from services.resources import wall_clock
from services.web.access import Role
from services.web.pages.sessions import new_link

sys.path.append(str(Path(__file__).parents[3] / "ops"))

from bench_console import PAGES, PERIOD
from bench_lists import fill

SMALL = (200, 120, 100)
LARGE = (much(2_000, 100_000), much(1_200, 5_000), much(1_000, 10_000))
"""Of a ledger: shipments, holds, parties with an account."""
WHOLE = {f"/console/periods/compare?from={PERIOD}&to=now"}
"""Pages that read every entry, once until the ledger changes, since what they compare is all of them."""
ONCE = ("SELECT DISTINCT shipment.ship_to FROM shipment",)
"""What is read whole, and remembered until the ledger changes."""
MORE, MOST = 1.1, 110_000
"""How much longer a page may be, for its figures have more digits; and the most bytes of one whose list a filter fills."""
FILLED = ("?q=", "&account=", "&country=", "&party=")
"""What stands in the address of a page that shows less of a small ledger than a page holds."""
BIG = ("journal", "entry", "mention", "shipment", "fact", "leaf")
"""Tables of which no page reads every row."""

pytestmark = pytest.mark.soak


@contextmanager
def opened(url: str, size: tuple[int, int, int]) -> Iterator[tuple[httpx.Client, Store]]:
    """A browser of an administrator on a ledger of this size, with a closed period, and the server's store."""
    fill(url, *size)
    with inside(url, ()) as running, httpx.Client(base_url=running.url, timeout=PATIENCE) as client:
        running.now = wall_clock()
        store = running.web.store
        close_period(Ledger(store), period(PERIOD), running.now)
        client.post(new_link(store, Role.ADMIN, "a.dmin", "", running.now), headers=SAME)
        yield client, store


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Store]]:
    with opened(f"sqlite:///{tmp_path_factory.mktemp('large') / 'ledger.db'}", LARGE) as found:
        yield found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with opened(f"sqlite:///{tmp_path_factory.mktemp('small') / 'ledger.db'}", SMALL) as (client, _):
        yield client


def page(client: httpx.Client, path: str) -> str:
    """A page; the test is skipped where this program has none at that address."""
    answer = client.get(path)
    if answer.status_code == 404 and "problem+json" in answer.headers["content-type"]:
        pytest.skip(f"there is no page {path}")
    assert answer.status_code == 200, answer.text[:500]
    return str(answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_does_not_grow_with_the_ledger(
    small: httpx.Client, large: tuple[httpx.Client, Store], path: str
) -> None:
    few, many = page(small, path), page(large[0], path)
    most = MOST if any(one in path for one in FILLED) else len(few) * MORE + 200
    assert len(many) <= most, (len(few), len(many))


@pytest.mark.parametrize("path", [path for path in PAGES if path not in WHOLE])
def test_a_page_reads_no_large_table_from_end_to_end(large: tuple[httpx.Client, Store], path: str) -> None:
    client, store = large
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    def rows(self: Store, connection: Connection, statement: str, values: Any) -> Any:
        asked.append((statement, values))
        return straight(self, connection, statement, values)

    event.listen(store.engine, "before_cursor_execute", note)
    straight = Store.rows
    try:
        with patch.object(Store, "rows", rows):
            page(client, path)
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    found = {one for statement, parameters in asked for one in scans(store, statement, parameters)}
    assert asked
    assert found == set()


def scans(store: Store, statement: str, parameters: Any) -> set[str]:
    """The large tables of which a statement reads every row, with the statement's beginning."""
    if not re.match(r"\s*(SELECT|WITH)\b", statement) or re.search(r"\bLIMIT\b", statement):
        return set()
    if " ".join(statement.split()) in ONCE:
        return set()
    with store.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    tables = "|".join(BIG)
    return {
        f"{row[3]}: {' '.join(statement.split())[:200]}"
        for row in plan
        if re.match(rf"SCAN ({tables})\b", row[3]) and "CORRELATED" not in row[3]
    }


def test_a_statement_that_reads_a_whole_table_is_found(large: tuple[httpx.Client, Store]) -> None:
    _, store = large
    assert scans(store, "SELECT count(*) FROM journal WHERE event LIKE '%x%'", ())
    assert not scans(store, "SELECT n FROM journal WHERE n = ?", (1,))
    assert not scans(store, "SELECT n FROM journal ORDER BY n DESC LIMIT 1", ())
