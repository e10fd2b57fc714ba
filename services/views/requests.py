"""Events that a command itself sends."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

SOURCE = "//tpp-cli"


def recheck_events(shipments: Sequence[str], account: str | None, everything: bool) -> list[bytes]:
    """The events that ask for a recheck: one for each shipment, or one for an account or for all."""
    if everything:
        return [_event("tpp.recheck.requested.v1", "holds", {"all": True})]
    if account is not None:
        return [_event("tpp.recheck.requested.v1", account, {"account": account})]
    return [_event("tpp.recheck.requested.v1", shipment, {"shipment_id": shipment}) for shipment in shipments]


def _event(kind: str, subject: str, data: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": SOURCE,
            "type": kind,
            "subject": subject,
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
