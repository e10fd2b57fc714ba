"""Events that commands themselves create."""

import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from schemas.event_types import CLI_SOURCE, POLICY_SET, RECHECK_REQUESTED
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


def policy_event(name: str, value: bool, by: str, reason: str, now: int) -> bytes:
    """The event that turns a policy on or off; `now` as of `recheck_events`."""
    return _event(POLICY_SET, name, {"name": name, "value": value, "by": by, "reason": reason}, now)


def _recheck(subject: str, data: dict[str, Any], now: int) -> bytes:
    return _event(RECHECK_REQUESTED, subject, data, now)


def _event(type: str, subject: str, data: dict[str, Any], now: int) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": CLI_SOURCE,
            "type": type,
            "subject": subject,
            "time": instant_text(now),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
