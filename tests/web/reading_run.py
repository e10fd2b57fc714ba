"""A ledger with something of everything that is read over HTTP, and lists read page by page."""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import events
import httpx
import orjson
from click.testing import CliRunner
from web_run import TPP, Served, served

from services.cli.commands import main
from services.engine.message import Message
from services.resources import engine

TIME = "2025-06-02T09:30:00Z"
WMS, CARRIER = "//wms.example/east", "//carrier.example"


def event(identifier: str, kind: str, data: dict[str, Any], time: str = TIME, source: str = WMS) -> bytes:
    """One line of an event file."""
    return events.event(kind, data, id=identifier, time=time, source=source)


def request(shipment: str, quantity: int = 8, time: str = TIME, source: str = WMS, **words: Any) -> bytes:
    """A request for H100 under LPP, with its statement."""
    lpp = {"id": shipment, "quantity": quantity, "claim": "LPP", "papers": ["lpp 2025-02-01"]}
    return event(f"ask-{shipment}", "shipment.requested", events.shipment({**lpp, **words}), time, source)


def dispatch(shipment: str, day: str = "2025-06-05", time: str = "2025-06-05T17:00:00Z") -> bytes:
    """A shipment has left, as its carrier says."""
    data = {"shipment_id": shipment, "export_date": day}
    return event(f"left-{shipment}", "shipment.dispatched", data, time, CARRIER)


def tick(day: str) -> bytes:
    """Time has passed."""
    now = f"{day}T00:00:00Z"
    return event(f"tick-{day}", "clock.ticked", {"now": now}, now)


def something_of_everything() -> list[bytes]:
    """Approvals, holds of three kinds, what left unapproved, obligations met and open, thresholds, alerts, a rejection."""
    met = {"kind": "lpp_certification_copy", "shipment_id": "SHP-1", "due": "2025-07-05", "date": "2025-06-20"}
    return [
        event("t-1", "threshold.set", {"account": "lpp/*", "thresholds": ["0.5"]}),
        event("t-2", "threshold.set", {"account": "lpp/CON-1/2025", "thresholds": ["0.9", 1_000_000]}),
        request("SHP-1", 1_000),
        dispatch("SHP-1"),
        request("SHP-2", 1_700, "2025-06-03T08:00:00Z", date="2025-06-30"),
        request("SHP-3", 5, "2025-06-10T08:00:00Z", CARRIER, papers=[], date="2025-06-25"),
        request("SHP-4", 7, "2025-06-20T08:00:00Z", to="IN", flags=[2]),
        request("SHP-5", 9, "2025-06-20T09:00:00Z", papers=[]),
        dispatch("SHP-5", "2025-06-21", "2025-06-21T08:00:00Z"),
        dispatch("SHP-UNKNOWN", "2025-06-22", "2025-06-22T08:00:00Z"),
        b"{}",
        *(request(f"SHP-{n}", 3, "2025-06-23T09:00:00Z", consignee=f"CON-{n}") for n in range(10, 14)),
        event("met-1", "obligation.met", met),
        event(
            "limit", "allocation.set", {"account": "lpp/CON-1/2025", "limit": 20_000_000, "valid_from": "2025-06-01"}
        ),
        event("l-1", "license.issued", {"number": "entries", "country": "PL", "tpp": 500_000}),
        event("late", "adjustment.made", {"account": "lpp/CON-1/2025", "amount": -5}, "2025-06-01T08:00:00Z"),
        tick("2025-07-01"),
    ]


def screen(ledger: str, lines: Iterable[bytes]) -> None:
    """Decides events as `tpp screen` does; one that is rejected makes it exit with 1."""
    done = subprocess.run(
        [TPP, "screen", "-", "--ledger", ledger], input=b"\n".join(lines), capture_output=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr.decode()


@contextmanager
def writer(ledger: str) -> Iterator[Callable[[Iterable[bytes]], None]]:
    """Decides events in this process, beside a server."""
    with engine(ledger, None) as running:

        def write(lines: Iterable[bytes]) -> None:
            running.run([Message(line, {"file": "-", "line": n}) for n, line in enumerate(lines, 1)])

        yield write


def listed(ledger: str, *words: str) -> Any:
    """What `tpp` prints as JSON."""
    done = CliRunner().invoke(main, [*words, "--ledger", ledger, "--format", "json"])
    assert done.exit_code == 0, done.output
    return orjson.loads(done.stdout_bytes)


@contextmanager
def reading(ledger: str, folder: Path, *words: str) -> Iterator[Served]:
    """A server on a ledger with something of everything, and a closed period."""
    screen(ledger, something_of_everything())
    subprocess.run(
        [TPP, "snapshot", "close", "2025-06", "--ledger", ledger], cwd=folder, check=True, capture_output=True
    )
    with served(ledger, *words) as running:
        yield running


def pages(
    client: httpx.Client, path: str, limit: int = 2, between: Callable[[], object] = lambda: None, **query: Any
) -> list[Any]:
    """Every item of a list, read in pages of so many; `between` is called after each page."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(path, params={"limit": limit, **query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert set(page) == {"items", "next"} and len(page["items"]) <= limit
        assert page["next"] is None or len(page["items"]) == limit
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}
        between()
