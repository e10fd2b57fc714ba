"""Events for the ledger's tests, as bytes; every party, licence and facility that they name."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson

from ledger.database.store import Store
from ledger.journal import Ledger
from rulebook import load
from services.engine.engine import Engine, Record
from services.resources import software, wall_clock

START = datetime(2025, 6, 2, 9, 0, tzinfo=UTC)
DAY = "2025-06-16"
UNIT = 15_832
"""TPP of one unit of the chip that every shipment here holds."""

PARTIES: dict[str, dict[str, Any]] = {
    "EXP-1": {"name": "Example Exports Inc", "country": "US", "headquarters": "US"},
    "CON-20": {"name": "Example Cloud Polska", "country": "PL", "headquarters": "PL"},
    "CON-21": {"name": "Example Hosting Polska", "country": "PL", "headquarters": "PL"},
    "CON-22": {
        "name": "Example Compute Polska",
        "country": "PL",
        "headquarters": "PL",
        "ultimate_parent": {"id": "CON-20", "name": "Example Cloud Polska", "headquarters": "PL"},
    },
    "CON-30": {"name": "Example Cloud Japan", "country": "JP", "headquarters": "JP"},
    "CON-40": {"name": "Example Data Arabia", "country": "SA", "headquarters": "SA"},
    "CON-50": {"name": "Example Compute Emirates", "country": "AE", "headquarters": "AE", "private_sector": True},
}
SUBJECTS = ("shipment_id", "account", "number", "holder", "id", "survivor", "party", "now")
PAPERS = ("lpp_consignee_statement", "aia_consignee_certification")


def party(identifier: str) -> dict[str, Any]:
    """A party as a shipment names it."""
    return {"id": identifier, **PARTIES[identifier]}


def owner(identifier: str) -> str:
    """The ultimate parent of a party."""
    return str(PARTIES[identifier].get("ultimate_parent", {"id": identifier})["id"])


def request(shipment: str, consignee: str, quantity: int, kind: str, day: str = DAY, **more: Any) -> dict[str, Any]:
    """The data of a request for `quantity` units under a claimed authorization; its papers travel with it."""
    to = PARTIES[consignee]["country"]
    data = {
        "shipment_id": shipment,
        "transaction": "export",
        "export_date": day,
        "ship_from": "US",
        "ship_to": to,
        "exporter": party("EXP-1"),
        "ultimate_consignee": party(consignee),
        "end_use": "data_center",
        "items": [
            {"line": 1, "part_number": "H100-SXM5-80GB", "eccn": "3A090.a", "quantity": quantity, "tpp": UNIT,
             "performance_density": 19.45, "datacenter": True}
        ],
        "authorization": {"kind": kind},
        "certifications": [
            {"kind": paper, "party": owner(consignee) if paper == PAPERS[0] else consignee, "date": f"{year}-01-02",
             "reference": f"C-{year}"}
            for paper in PAPERS
            for year in (2025, 2026)
        ],
    }  # fmt: skip
    if kind == "VEU":
        data["facility"] = {"id": "FAC-1", "address": "Abu Dhabi", "country": "AE"}
    return data | more


class Line:
    """Numbers events and dates them, one minute after the other."""

    def __init__(self, source: str = "//wms.example") -> None:
        self.source = source
        self._numbers = count(1)

    def event(self, kind: str, data: Mapping[str, Any], at: datetime | None = None) -> bytes:
        """An event of a type such as `shipment.requested`."""
        number = next(self._numbers)
        subject = next((str(data[name]) for name in SUBJECTS if name in data), "all")
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": f"evt-{number:05d}",
                "source": self.source,
                "type": f"tpp.{kind}.v1",
                "subject": subject,
                "time": (at or START + timedelta(minutes=number)).isoformat(),
                "datacontenttype": "application/json",
                "data": data,
            }
        )

    def requested(self, shipment: str, consignee: str, quantity: int, kind: str, **more: Any) -> bytes:
        """A request."""
        return self.event("shipment.requested", request(shipment, consignee, quantity, kind, **more))

    def adjusted(self, account: str, amount: int) -> bytes:
        """A correction by hand."""
        return self.event(
            "adjustment.made",
            {"account": account, "amount": amount, "reason": "count", "reviewer": "reviewer-1",
             "second_reviewer": "reviewer-2", "reference": "J-1"},
        )  # fmt: skip

    def attested(self, account: str, tpp: int, by: str = "the party") -> bytes:
        """An attestation of use."""
        return self.event(
            "usage.attested", {"account": account, "tpp": tpp, "as_of": "2025-06-01", "by": by, "reference": "U-1"}
        )

    def licensed(self, number: str, tpp: int, country: str = "SA", consignee: str = "CON-40") -> bytes:
        """A licence."""
        return self.event(
            "license.issued",
            {"number": number, "exporter": "EXP-1", "consignee": consignee, "country": country, "tpp": tpp,
             "valid_from": "2025-06-01", "valid_until": "2026-12-31"},
        )  # fmt: skip

    def allotted(self, account: str, limit: int, valid_from: str = "2025-06-01") -> bytes:
        """A limit set by an event."""
        data = {"account": account, "limit": limit, "valid_from": valid_from, "citation": "house policy"}
        return self.event("allocation.set", data)

    def dispatched(self, shipment: str, day: str = DAY) -> bytes:
        """A shipment that has left."""
        return self.event("shipment.dispatched", {"shipment_id": shipment, "export_date": day})

    def cancelled(self, shipment: str) -> bytes:
        """A shipment that will not leave."""
        return self.event("shipment.cancelled", {"shipment_id": shipment, "reason": "order withdrawn"})

    def returned(self, shipment: str, quantity: int) -> bytes:
        """Units that came back."""
        data = {"shipment_id": shipment, "items": [{"line": 1, "quantity": quantity}], "date": "2025-08-04"}
        return self.event("shipment.returned", data)

    def merged(self, survivor: str, absorbed: str) -> bytes:
        """Two identifiers of one party."""
        data = {"survivor": survivor, "absorbed": absorbed, "valid_from": "2025-06-01", "reason": "one company"}
        return self.event("party.merged", data)


def records(raws: Sequence[bytes], start: int = 1, file: str = "in.jsonl") -> list[Record]:
    """Events as records that came from the lines of a file."""
    return [Record(raw, {"file": file, "line": start + index}) for index, raw in enumerate(raws)]


def engine(store: Store, clock: Callable[[], int] | None = None) -> Engine:
    """An engine on a store, as a process that has just begun."""
    ledger = Ledger(store)
    return Engine(ledger, load("ai-diffusion"), clock or wall_clock, software())


def answers(told: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The first thing given out for each record."""
    return [orjson.loads(texts[0]) for texts in told]
