"""Event files for `tpp`, and its output read back."""

from typing import Any

import events
import orjson

TIME = "2025-06-02T09:30:00Z"


def event(identifier: str, kind: str, data: dict[str, Any], time: str = TIME) -> bytes:
    """One line of an event file."""
    return events.event(kind, data, id=identifier, time=time)


def request(shipment: str, quantity: int = 8, time: str = TIME, **words: Any) -> bytes:
    """A request for H100 to Poland under LPP, with its statement."""
    lpp = {"id": shipment, "quantity": quantity, "claim": "LPP", "papers": ["lpp 2025-02-01"]}
    return event(f"ask-{shipment}", "shipment.requested", events.shipment({**lpp, **words}), time)


def dispatch(shipment: str, day: str = "2025-06-05", time: str = "2025-06-05T17:00:00Z") -> bytes:
    """A shipment has left."""
    data = {"shipment_id": shipment, "export_date": day}
    return event(f"left-{shipment}", "shipment.dispatched", data, time)


def lines(*events: bytes) -> bytes:
    """A JSONL file of these events."""
    return b"".join(one + b"\n" for one in events)


def answers(output: bytes) -> list[dict[str, Any]]:
    """The events of a JSONL output."""
    return [orjson.loads(line) for line in output.splitlines()]


def kinds(output: bytes) -> list[str]:
    """The types of the events of an output, by their last word."""
    return [one["type"].split(".")[-2] for one in answers(output)]
