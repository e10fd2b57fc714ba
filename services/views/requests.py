"""Events that commands themselves create."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import orjson

from ledger.database.store import Connection
from ledger.queries import occasions
from ledger.queries.records import state
from schemas.event_types import (
    CLI_SOURCE,
    OBLIGATION_MET,
    POLICY_SET,
    RECHECK_REQUESTED,
    REVIEW_DECIDED,
    REVIEW_PROPOSED,
)
from schemas.times import instant_text
from schemas.wire.read import Event, read_record

_ID_DIGITS = 40


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


def review_event(connection: Connection, data: Mapping[str, Any], now: int, *, proposes: bool) -> bytes:
    """The event of a review, or of what one `proposes`; `now` as of `recheck_events`.

    Given twice on one hold it is one event: its id derives from its data and from what the ledger has when it is given,
    and of a shipment that it has let go or denied it is the event that did so.
    """
    type, shipment = REVIEW_PROPOSED if proposes else REVIEW_DECIDED, data["shipment_id"]
    stands = occasions.of_shipment(connection, shipment)
    if stands.event is not None and _asks(stands.event, type, data):
        return stands.event
    if proposes:
        since = occasions.proposed_on(connection, shipment, stands.record, data)
    else:
        since = occasions.decided_on(connection, shipment, stands.record)
    return _event(type, shipment, data, now, _derived(type, data, since))


def met_event(connection: Connection, about: str, data: Mapping[str, Any], due: date, now: int) -> bytes:
    """The event that an obligation of a shipment or a party was met; `now` as of `recheck_events`.

    `about` is the party if it owes such an obligation, or if no shipment does and none is known by that name. The id
    derives from the data and from the record that brought the obligation.
    """
    by_shipment, by_party = (
        occasions.owed(connection, f"{whose}/{about}", data["kind"], due) for whose in ("shipment", "party")
    )
    of_shipment = by_shipment is not None or (by_party is None and state(connection, about) is not None)
    since = by_shipment if of_shipment else by_party
    named = {**data, ("shipment_id" if of_shipment else "party"): about}
    record = occasions.last_merge(connection) if since is None else since
    return _event(OBLIGATION_MET, about, named, now, _derived(OBLIGATION_MET, named, record))


def _asks(raw: bytes, type: str, data: Mapping[str, Any]) -> bool:
    """Whether an event was made by a command that asked for the same."""
    event = read_record(raw)
    if not isinstance(event, Event) or (event.source, event.type) != (CLI_SOURCE, type):
        return False
    return bool(event.data.model_dump(mode="json", exclude_none=True) == data)


def _derived(type: str, data: Mapping[str, Any], record: int) -> str:
    """The id of an event that asks for the same as long as the ledger stands as it did after a record."""
    return sha256(orjson.dumps([type, record, data], option=orjson.OPT_SORT_KEYS)).hexdigest()[:_ID_DIGITS]


def _recheck(subject: str, data: dict[str, Any], now: int) -> bytes:
    return _event(RECHECK_REQUESTED, subject, data, now)


def _event(type: str, subject: str, data: Mapping[str, Any], now: int, id: str | None = None) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": id or str(uuid.uuid4()),
            "source": CLI_SOURCE,
            "type": type,
            "subject": subject,
            "time": instant_text(now),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
