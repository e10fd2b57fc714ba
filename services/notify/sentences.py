"""A published event as a person reads it in a mail or a chat: a title, sentences with figures, and a link."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from schemas.event_types import (
    EVENT_REFUSED,
    EVENT_REJECTED,
    LIST_ALERT,
    OBLIGATION_DUE,
    PARTY_ALERT,
    QUOTA_ALERT,
    SHIPMENT_ALERT,
    SNAPSHOT_CLOSED,
)
from services.views.accounts import quota_sentence
from services.views.event_lines import line
from services.views.trace import under
from services.views.wrapping import counted
from services.visible import visible

MOST = 4_000
"""How long a message may be, in characters; chat services refuse longer ones."""

_KINDS = {
    "threshold": "a threshold was reached",
    "exhausted": "a debit was refused",
    "over_limit": "over its limit",
    "replenished": "room again",
    "forecast": "forecast",
}
_ALERTS = {
    "resembles": "resembles another",
    "screening_hit": "resembles an entry",
    "stale": "out of date",
}


class Message(NamedTuple):
    """What people are sent: a title of one line, and a body of some."""

    title: str
    body: str


def message(text: str, public_url: str | None) -> Message:
    """The message of a published event; with a link to the page under `public_url`, unless that is None."""
    event = orjson.loads(text)
    title, *sentences = _SAID.get(event["type"], _other)(event)
    body = "\n\n".join(visible(one, keep="\n") for one in sentences if one)
    if len(body) > MOST:
        body = f"{body[:MOST]}…"
    if public_url is not None:
        body += f"\n\n{link(event, public_url)}"
    return Message(visible(title), body)


def link(event: Mapping[str, Any], public_url: str) -> str:
    """The address of the page that shows what an event is about.

    >>> link({"type": "tpp.quota.alert.v1", "data": {"account": "lpp/CON 7/2025"}}, "https://tpp.example/")
    'https://tpp.example/console/accounts/lpp/CON%207/2025'
    """
    data = event["data"]
    if event["type"] == QUOTA_ALERT:
        page = f"accounts/{quote(data['account'])}"
    elif event["type"] == OBLIGATION_DUE:
        page = "obligations"
    elif data.get("shipment_id"):
        part = "holds" if data.get("outcome") == "held" else "shipments"
        page = f"{part}/{quote(data['shipment_id'], safe='')}"
    else:
        page = ""
    return f"{public_url.rstrip('/')}/console/{page}".rstrip("/")


def _quota(event: Mapping[str, Any]) -> list[str]:
    data = event["data"]
    account, limit, balance = data["account"], data["limit"], data["balance"]
    left = "" if limit is None else f" {max(0, limit - balance):,} TPP are left."
    return [f"{account}: {_KINDS.get(data['kind'], data['kind'])}", f"{account}: {quota_sentence(data)}{left}"]


def _obligation(event: Mapping[str, Any]) -> list[str]:
    data, contents = event["data"], event["data"]["contents"]
    kind, about = data["kind"].replace("_", " "), data.get("shipment_id") or f"party {data.get('party')}"
    when = f"was due on {data['due']} and is overdue" if data["state"] == "overdue" else f"is due by {data['due']}"
    to, subject = contents.get("to"), contents.get("subject")
    send = [contents.get("what", ""), f"Send it to {to}." if to else "", f"Subject: {subject}." if subject else ""]
    return [
        f"{data['state'].capitalize()}: {kind}, {about}, {data['due']}",
        f"{about}: {kind} ({data['citation']}) {when}.",
        " ".join(filter(None, send)),
    ]


def _alert(event: Mapping[str, Any]) -> list[str]:
    data = event["data"]
    about = data.get("shipment_id") or data.get("party") or f"list {data['list']}"
    kind = data["kind"]
    of = f" of the list {data['list']}" if kind == "screening_hit" else ""
    return [f"{about}: {_ALERTS.get(kind, kind.replace('_', ' '))}{of}", data["message"]]


def _rejected(event: Mapping[str, Any]) -> list[str]:
    errors = event["data"]["errors"]
    told = "\n".join(f"{one['pointer']} {one['message']}".strip() for one in errors)
    return [f"Rejected: {event['subject']}", f"The message at {event['subject']} was rejected.", told]


def _refused(event: Mapping[str, Any]) -> list[str]:
    data = event["data"]
    why = "\n".join(one["message"] for one in data["reasons"])
    about = data.get("shipment_id") or event["subject"]
    return [f"Refused: {about}", f"An event about {about} was refused.", why]


def _closed(event: Mapping[str, Any]) -> list[str]:
    data = event["data"]
    accounts, entries = counted(data["accounts"], "account"), counted(data["entries"], "entry", "entries")
    return [f"Period {data['period']} is closed", f"Period {data['period']} is closed: {accounts}, {entries}."]


def _other(event: Mapping[str, Any]) -> list[str]:
    """A decision, which has an outcome; else what `tpp watch` says of the event."""
    data = event["data"]
    if "outcome" not in data:
        return [f"{event['type'].removeprefix('tpp.').removesuffix('.v1')}: {event['subject']}", line(event)]
    name, outcome = data["shipment_id"], data["outcome"]
    tpp = f", {data['tpp']:,} TPP" if data["tpp"] else ""
    debits = "; ".join(
        f"{one['amount']:,} TPP on {one['account']}, whose balance is {one['balance']:,}"
        + ("" if one["limit"] is None else f" of {one['limit']:,}")
        for one in data["debits"]
    )
    reasons = "\n".join(one["message"] for one in data["reasons"])
    return [
        f"{outcome.capitalize()}: shipment {name}{tpp}",
        f"Shipment {name}{tpp}, is {outcome}{under(data)}." if tpp else f"Shipment {name} is {outcome}{under(data)}.",
        reasons,
        f"Debited or given back: {debits}." if debits else "",
    ]


_SAID: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    QUOTA_ALERT: _quota,
    OBLIGATION_DUE: _obligation,
    SHIPMENT_ALERT: _alert,
    PARTY_ALERT: _alert,
    LIST_ALERT: _alert,
    EVENT_REJECTED: _rejected,
    EVENT_REFUSED: _refused,
    SNAPSHOT_CLOSED: _closed,
}
