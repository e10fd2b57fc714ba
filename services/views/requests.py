"""Events that commands themselves create."""

import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from schemas.event_types import CLI_SOURCE, RECHECK_REQUESTED
from schemas.times import instant_text


def recheck_events(shipments: Sequence[str], account: str | None, everything: bool, now: int) -> list[bytes]:
    """The events that request a recheck: one per shipment, or one for an account or for all holds.

    `now` is their time, in microseconds since 1970 (UTC).
    """
    if everything:
        return [_recheck("holds", {"all": True}, now)]
    if account is not None:
        return [_recheck(account, {"account": account}, now)]
    return [_recheck(shipment, {"shipment_id": shipment}, now) for shipment in shipments]


def _recheck(subject: str, data: dict[str, Any], now: int) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": CLI_SOURCE,
            "type": RECHECK_REQUESTED,
            "subject": subject,
            "time": instant_text(now),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
