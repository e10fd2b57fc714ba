"""Which events a receiver gets."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ledger.database.store import Connection
from ledger.queries.account_list import account_list
from ledger.queries.records import records
from schemas import accounts
from services.notify.receivers import Receiver
from services.views.event_lines import about, accounts_of

_TYPE = re.compile(r'"type":"([a-z._0-9]+)"')
_SEQUENCE = re.compile(r'"sequence":"(\d{20})"')


def sequence_of(text: str) -> int:
    """The sequence number of a published event, read without the rest of it."""
    found = _SEQUENCE.search(text)
    return int(orjson.loads(text)["sequence"] if found is None else found[1])


def is_wanted(connection: Connection, receiver: Receiver, text: str) -> bool:
    """Whether a receiver gets a published event: one of its types, about one of its accounts.

    An event that names no account, such as an obligation, is about those of its shipment or party.
    """
    if receiver.types is not None:
        found = _TYPE.search(text)
        if (orjson.loads(text)["type"] if found is None else found[1]) not in receiver.types:
            return False
    if receiver.account is None:
        return True
    event = orjson.loads(text)
    return about(event, receiver.account) or (
        not accounts_of(event) and _concerns(connection, event["data"], receiver.account)
    )


def _concerns(connection: Connection, data: Mapping[str, Any], pattern: str) -> bool:
    """Whether the shipment or the party of an event has to do with an account that matches."""
    shipment, party = data.get("shipment_id"), data.get("party")
    if shipment is not None:
        return any(about(answer, pattern) for one in records(connection, shipment) for answer in one.answers)
    if party is None:
        return False
    paths = (one.balance.account for one in account_list(connection, [f"*/{party}*"]))
    return any(accounts.party(path) == party and accounts.matches(pattern, path) for path in paths)
