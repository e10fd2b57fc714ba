"""Events for the ledger's tests, about parties, licences and facilities that they share, and an engine to take them."""

from collections.abc import Callable, Sequence
from typing import Any

import events
import orjson
from events import certification, party

from ledger.database.store import Store
from ledger.journal import Ledger
from rulebook import load
from services.engine.engine import Engine
from services.engine.message import Message
from services.resources import software, wall_clock

DAY = "2025-06-16"
PARTIES = {
    one["id"]: one
    for one in (
        party("CON-20", "PL"),
        party("CON-21", "PL"),
        party("CON-22", "PL", parent="CON-20"),
        party("CON-30", "JP"),
        party("CON-40", "SA"),
        party("CON-50", "AE", private_sector=True),
    )
}


def owner(identifier: str) -> str:
    """The ultimate parent of a party."""
    one = PARTIES[identifier]
    return str(one.get("ultimate_parent", one)["id"])


def request(shipment: str, consignee: str, quantity: int, kind: str, day: str = DAY, **more: Any) -> dict[str, Any]:
    """The data of a request for `quantity` units under a claimed authorization; its papers travel with it."""
    papers = [
        certification(paper, party, f"{year}-01-02")
        for paper, party in (("lpp", owner(consignee)), ("aia", consignee))
        for year in (2025, 2026)
    ]
    words: dict[str, Any] = {
        "id": shipment, "to": PARTIES[consignee]["country"], "consignee": PARTIES[consignee], "date": day,
        "quantity": quantity, "claim": kind, "papers": papers,
    }  # fmt: skip
    if kind == "VEU":
        words["facility"] = "FAC-1"
    return events.shipment(words, **more)


class Line(events.Line):
    """Numbers events and dates them, one minute after the other."""

    def requested(self, shipment: str, consignee: str, quantity: int, kind: str, **more: Any) -> bytes:
        """A request."""
        return self.event("shipment.requested", request(shipment, consignee, quantity, kind, **more))

    def dispatched(self, shipment: str, day: str = DAY) -> bytes:
        """A shipment that has left."""
        return super().dispatched(shipment, day)

    def licensed(self, number: str, tpp: int, country: str = "SA", consignee: str = "CON-40") -> bytes:
        """A licence."""
        return self.event("license.issued", licence(number, tpp, country, consignee))


def licence(number: str, tpp: int, country: str = "SA", consignee: str = "CON-40", **more: Any) -> dict[str, Any]:
    """The data of a licence."""
    plain = {"valid_from": "2025-06-01", "valid_until": "2026-12-31"}
    return {"number": number, "tpp": tpp, "country": country, "consignee": consignee, **plain, **more}


def records(raws: Sequence[bytes], start: int = 1, file: str = "in.jsonl") -> list[Message]:
    """Events as records that came from the lines of a file."""
    return [Message(raw, {"file": file, "line": start + index}) for index, raw in enumerate(raws)]


def engine(store: Store, clock: Callable[[], int] | None = None) -> Engine:
    """An engine on a store, as a process that has just begun."""
    ledger = Ledger(store)
    return Engine(ledger, load("ai-diffusion"), clock or wall_clock, software())


def answers(told: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The first thing given out for each record."""
    return [orjson.loads(texts[0]) for texts in told]
