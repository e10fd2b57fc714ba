"""Lists that are read in pages while others write, at every place: what stays in a list comes exactly once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import count, islice
from typing import Any

import httpx
from reading_run import dispatch, event, pages, request, something_of_everything, tick, writer
from web_run import Served

from ledger.database.store import Store
from ledger.journal import Ledger
from schemas.periods import period
from services.engine.commands.period_close import close_period
from services.resources import wall_clock

Write = Callable[[Iterable[bytes]], None]
MOST_WRITES = 4
LPP = "/v1/accounts/lpp/CON-1/2025/entries"


def everywhere(number: int) -> list[bytes]:
    """Approvals, holds and departures of consignees before, between and after all others, and a day that passes."""
    names = [f"{first}-{number}" for first in ("A", "CON-1", "CON-10", "CON-5", "Z")]
    asked = [request(f"{name}-S", 2, f"2025-06-2{number % 10}T10:00:00Z", consignee=name) for name in names]
    held = [request(f"H-{number}-{n}", 3, papers=[], consignee=name) for n, name in enumerate(names)]
    more = [request(f"M-{number}", 1), request(f"X-{number}", 4, papers=[]), dispatch(f"X-{number}")]
    return [*asked, *held, *more, tick((date(2025, 7, 2) + timedelta(days=number)).isoformat())]


def identity(item: dict[str, Any]) -> str:
    """What makes an item the same one, whatever else of it changes."""
    names = ("account", "entry", "shipment_id", "party", "kind", "due", "snapshot_id")
    return " ".join(str(item[name]) for name in names if name in item)


def seen_while_written(
    client: httpx.Client, path: str, query: dict[str, str], write: Write, numbers: Iterator[int]
) -> None:
    before = pages(client, path, 1_000, **query)
    writes = iter(range(MOST_WRITES))

    def between() -> None:
        for _ in islice(writes, 1):
            write(everywhere(next(numbers)))

    found = Counter(map(identity, pages(client, path, 5, between, **query)))
    after = set(map(identity, pages(client, path, 1_000, **query)))
    stayed = [one for one in map(identity, before) if one in after]
    assert len(stayed) > 5 and len(list(writes)) < MOST_WRITES - 1, path
    assert [one for one in stayed if found[one] != 1] == [], path
    assert {one: times for one, times in found.items() if times != 1} == {}, path


def test_what_stays_comes_once(web: Served) -> None:
    numbers = count(1)
    with writer(web.ledger) as write, web.client(web.token("admin")) as client:
        write(something_of_everything())
        write([one for n in range(30, 40) for one in (request(f"S-{n}", 1), request(f"T-{n}", 2, papers=[]))])
        write([request(f"U-{n}", n, consignee=f"CON-{n}") for n in range(40, 50)])
        for path, query in (
            ("/v1/accounts", {}),
            ("/v1/accounts", {"as_of": "2025-06-30"}),
            ("/v1/holds", {}),
            ("/v1/obligations", {}),
            ("/v1/obligations", {"state": "all"}),
            (LPP, {}),
        ):
            seen_while_written(client, path, query, write, numbers)


def test_accounts_by_use_come_once_unless_their_use_changes(web: Served) -> None:
    with writer(web.ledger) as write, web.client(web.token("monitor")) as client:
        write([request(f"U-{n}", n, consignee=f"CON-{n}") for n in range(1, 20)])
        write([event("limit", "allocation.set", {"account": "lpp/CON-3/2025", "limit": 0, "valid_from": "2025-06-01"})])
        before = pages(client, "/v1/accounts", 1_000, sort="used")
        assert [one["used"] for one in before if one["used"] is not None] == sorted(
            (one["used"] for one in before if one["used"] is not None), reverse=True
        )
        numbers = count(1)

        def between() -> None:
            number = next(numbers)
            write([request(f"N-{number}-{n}", number * n, consignee=f"B-{number}-{n}") for n in (1, 3, 9)])

        found = Counter(one["account"] for one in pages(client, "/v1/accounts", 2, between, sort="used"))
        assert [one["account"] for one in before if found[one["account"]] != 1] == []


def test_snapshots_come_once(web: Served) -> None:
    store = Store(web.ledger)
    ledger, months = Ledger(store), iter(range(1, 9))

    def close() -> None:
        for month in islice(months, 1):
            close_period(ledger, period(f"2025-{month:02}"), wall_clock())

    with writer(web.ledger) as write, web.client(web.token("finance")) as client:
        write([request("SHP-1")])
        for _ in range(4):
            close()
        found = pages(client, "/v1/snapshots", 1, close)
        assert [one["snapshot_id"] for one in found] == [f"2025-0{month}" for month in range(1, 9)]
    store.close()
