"""The ledger of the demonstration, with a tick, limits of the house, and names that nobody would send in good faith."""

import gzip
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import events
import pytest
from databases import Databases
from reading_run import event, request, screen
from web_run import TPP, Served, served

CLUSTERS = Path(__file__).parents[3] / "examples/gpu-clusters.jsonl.gz"
TODAY = "2026-11-24"
HOSTILE = "<script>alert(1)</script>\u202e\" onload='x' &amp; "
ODD = "A.b_C:d-9"
LONG = "N" * 512
NOVEMBER = {"papers": ["lpp 2026-11-01"], "date": "2026-11-30"}


def lines() -> list[bytes]:
    """The events of the demonstration and ours."""
    then = "2026-11-20T08:00:00Z"
    more = [
        event("before", "allocation.set", {"account": "nveu/CON-HUMAIN/SA", "limit": 1_500_000_000,
              "valid_from": "2026-06-01", "citation": "an earlier policy"}, then),
        event("limit", "allocation.set", {"account": "nveu/CON-HUMAIN/SA", "limit": 1_200_000_000,
              "valid_from": "2026-08-01", "citation": "policy <b>of</b> the house"}, then),
        event("steps", "threshold.set", {"account": "lpp/CON-*", "thresholds": ["0.25", "0.955", 1_000_000]}, then),
        event("reg-1", "party.registered", {**events.party("CON-EVIL", "PL"), "name": HOSTILE,
              "valid_from": "2026-01-01"}, then),
        event("reg-2", "party.registered", {**events.party("CON-LONG", "PL"), "name": LONG,
              "valid_from": "2026-01-01"}, then),
        request("SHP-EVIL", 8, then, consignee="CON-EVIL", **NOVEMBER),
        request("SHP-LONG", 1_700, then, consignee="CON-LONG", **NOVEMBER),
        request("SHP-FULL", 3, then, consignee="CON-FULL", **NOVEMBER),
        event("licence", "license.issued", {"number": ODD, "country": "PL", "tpp": 500_000}, then),
        event("attest", "usage.attested", {"account": "lpp/CON-EVIL/2026", "tpp": 4_000}, then),
        event("full", "allocation.set", {"account": "lpp/CON-FULL/2026", "limit": 0, "valid_from": "2026-01-01"}, then),
        event("tick", "clock.ticked", {"now": f"{TODAY}T00:00:00Z"}, f"{TODAY}T00:00:00Z"),
    ]  # fmt: skip
    return [*gzip.decompress(CLUSTERS.read_bytes()).splitlines(), *more]


@contextmanager
def quotas_web(kind: str, request: pytest.FixtureRequest, folder: Path, given: list[bytes]) -> Iterator[Served]:
    """A server on a ledger of a kind of database in which these events were decided."""
    server = request.getfixturevalue("postgres") if kind == "postgresql" else None
    databases = Databases(kind, folder, server)
    url = databases.ledger()
    screen(url, given)
    with served(url) as web:
        yield web
    databases.drop(url)


def close(ledger: str, period: str, folder: Path) -> None:
    """Closes a period."""
    subprocess.run([TPP, "snapshot", "close", period, "--ledger", ledger], cwd=folder, check=True, capture_output=True)
