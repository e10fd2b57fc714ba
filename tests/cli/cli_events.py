"""Event files for `tpp`, and its output read back."""

from typing import Any

import orjson


def event(identifier: str, kind: str, data: dict[str, Any], time: str = "2025-06-02T09:30:00Z") -> bytes:
    """One line of an event file."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": identifier,
            "source": "//wms.example",
            "type": kind,
            "subject": data.get("shipment_id", "it"),
            "time": time,
            "data": data,
        }
    )


def request(shipment: str, quantity: int = 8, **more: Any) -> bytes:
    """A request for H100 to Poland under LPP, with its statement; `time` of the event, members of the data."""
    pole = {"id": "CON-1", "name": "Example Compute", "country": "PL", "headquarters": "PL"}
    time = more.pop("time", "2025-06-02T09:30:00Z")
    line = {
        "line": 1, "part_number": "H100-SXM5-80GB", "eccn": "3A090.a", "quantity": quantity, "tpp": 15_832,
        "performance_density": 19.45, "datacenter": True,
    }  # fmt: skip
    data = {
        "shipment_id": shipment,
        "transaction": "export",
        "export_date": "2025-06-05",
        "ship_from": "US",
        "ship_to": "PL",
        "exporter": {"id": "EXP-1", "name": "Example Exports", "country": "US", "headquarters": "US"},
        "ultimate_consignee": pole,
        "end_use": "data_center",
        "items": [line],
        "authorization": {"kind": "LPP"},
        "certifications": [
            {"kind": "lpp_consignee_statement", "party": "CON-1", "date": "2025-02-01", "reference": "C-1"}
        ],
    }
    return event(f"ask-{shipment}", "tpp.shipment.requested.v1", data | more, time)


def dispatch(shipment: str, day: str = "2025-06-05", time: str = "2025-06-05T17:00:00Z") -> bytes:
    """A shipment has left."""
    data = {"shipment_id": shipment, "export_date": day}
    return event(f"left-{shipment}", "tpp.shipment.dispatched.v1", data, time)


def lines(*events: bytes) -> bytes:
    """A JSONL file of these events."""
    return b"".join(one + b"\n" for one in events)


def answers(output: bytes) -> list[dict[str, Any]]:
    """The events of a JSONL output."""
    return [orjson.loads(line) for line in output.splitlines()]


def kinds(output: bytes) -> list[str]:
    """The types of the events of an output, by their last word."""
    return [one["type"].split(".")[-2] for one in answers(output)]
