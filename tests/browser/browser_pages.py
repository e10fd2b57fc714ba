"""Every page in its states, and a ledger in which each of them has something to show."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import events
from databases import Databases
from reading_run import event, something_of_everything
from reading_run import request as shipment
from web_inside import Inside, inside

from services.engine.message import Message

NOW = 1_751_374_721_000_000
"""2025-07-01T12:58:41Z, in microseconds: when somebody looks."""


class Shown(NamedTuple):
    """A page in a state: the name of the state, its address, and the role of who looks."""

    name: str
    path: str
    role: str = "reviewer"


PAGES = (
    Shown("quotas", "/console/quotas"),
    Shown("quotas-filtered", "/console/quotas?q=CON-1"),
    Shown("quotas-none", "/console/quotas?q=nobody-of-that-name"),
    Shown("account", "/console/accounts/lpp/CON-1/2025"),
    Shown("holds", "/console/holds"),
    Shown("hold", "/console/holds/SHP-3"),
    Shown("hold-flag", "/console/holds/SHP-4"),
    Shown("hold-review", "/console/holds/SHP-10-02"),
    Shown("hold-monitor", "/console/holds/SHP-3", "monitor"),
    Shown("shipment", "/console/shipments/SHP-1"),
    Shown("shipment-left", "/console/shipments/SHP-5", "monitor"),
    Shown("obligations", "/console/obligations"),
    Shown("obligations-met", "/console/obligations?state=met"),
    Shown("ask", "/console/ask"),
    Shown("search", "/console/search?q=CON"),
    Shown("search-none", "/console/search?q=nobody-of-that-name"),
    Shown("party", "/console/parties/CON-1"),
    Shown("periods", "/console/periods", "finance"),
    Shown("law", "/console/law"),
    Shown("tokens", "/console/tokens", "admin"),
    Shown("missing", "/console/shipments/SHP-NONE"),
    Shown("refused", "/console/tokens"),
)


def written(running: Inside, lines: list[bytes]) -> None:
    """Decides events at the time that the server has."""
    assert running.web.engine.run([Message(line, {"file": "-", "line": n}) for n, line in enumerate(lines, 1)])


def proposal(name: str, of: str) -> bytes:
    """A first reviewer proposes to release a hold."""
    data = {"shipment_id": of, "action": "release", "reviewer": name, "reason": "The address was checked by phone."}
    return event(f"propose-{of}", "review.proposed", data, "2025-06-30T15:00:00Z", f"//tpp-http/{name}")


def everything() -> list[bytes]:
    """Something for each page, and a hold of which somebody has proposed the release."""
    asked = shipment("SHP-10-02", 7, "2025-06-20T08:00:00Z", to="IN", flags=[2])
    return [*something_of_everything()[:-1], asked, proposal("m.lindqvist", "SHP-10-02"), something_of_everything()[-1]]


@contextmanager
def shown(folder: Path, lines: list[bytes]) -> Iterator[Inside]:
    """A server on a ledger in which these events were decided, at a time that stands still."""
    with inside(Databases("sqlite", folder).ledger(), ()) as running:
        running.now = NOW
        written(running, lines)
        yield running


HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</textarea></title></template><script>alert(2)</script>",
    "{{7*7}}{% raw %}${7*7}",
    "javascript:alert(3)",
    "\u202eevil\u202c \u200fRTL\u200e \u2066isolated",
    "W" * 512,
)
"""Texts that a page must show and not obey."""


def hostile() -> list[bytes]:
    """Shipments of which every text is hostile, held and approved, and what is owed for them."""
    found = []
    for n, text in enumerate(HOSTILE):
        words = {
            "consignee": events.party(f"CON-H{n}", "PL") | {"name": text, "address": text},
            "exporter": events.party("EXP-1") | {"name": text},
        }
        found += [shipment(f"SHP-H{n}", 5, **words), shipment(f"SHP-K{n}", 5, **words | {"papers": []})]
    return found
