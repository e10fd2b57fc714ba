"""Published events as people follow them: a line for each."""

from collections.abc import Callable, Mapping
from typing import Any

from schemas.accounts import matches
from schemas.event_types import (
    CLOCK_SOURCE,
    CLOCK_TICKED,
    EVENT_RECORDED,
    EVENT_REJECTED,
    LIST_ALERT,
    OBLIGATION_DUE,
    PARTY_ALERT,
    QUOTA_ALERT,
    SHIPMENT_ALERT,
)
from services.visible import visible


def accounts_of(event: Mapping[str, Any]) -> set[str]:
    """The paths of the accounts that an event is about: debited, changed, short or alerted."""
    data = _mapping(event.get("data"))
    found = [data.get("account")]
    for name in ("debits", "entries"):
        found += [_mapping(one).get("account") for one in _list(data.get(name))]
    found += [_mapping(_mapping(one).get("facts")).get("account") for one in _list(data.get("reasons"))]
    return {one for one in found if isinstance(one, str)}


def about(event: Mapping[str, Any], pattern: str) -> bool:
    """Whether an event debits, moves, is short of or alerts an account that matches a pattern.

    >>> about({"data": {"account": "lpp/CON-1/2025"}}, "lpp/*")
    True
    """
    return any(matches(pattern, account) for account in accounts_of(event))


def is_tick(event: Mapping[str, Any]) -> bool:
    """Whether an event is a tick of the program's clock, or only the record of one; what a tick brings about is not."""
    if event.get("type") == CLOCK_TICKED:
        return event.get("source") == CLOCK_SOURCE
    cause = _mapping(_mapping(event.get("data")).get("causation"))
    return event.get("type") == EVENT_RECORDED and cause.get("source") == CLOCK_SOURCE


def _uncoloured(text: str, _: str) -> str:
    return text


def line(event: Mapping[str, Any], coloured: Callable[[str, str], str] = _uncoloured) -> str:
    """One event on one line: when, what came out, the shipment, under what, how many TPP, why.

    `coloured` gives the text of what came out, such as `held`, a colour by that word.

    >>> line({"type": "tpp.event.recorded.v1", "time": "2025-06-02T09:30:00Z", "subject": "CON-1", "data": {}})
    '2025-06-02T09:30:00Z  recorded  CON-1'
    """
    kind = str(event.get("type", ""))
    data = _mapping(event.get("data"))
    about = str(data.get("shipment_id") or event.get("subject") or "")
    if kind == QUOTA_ALERT:
        word, parts = "alert", [str(data.get("account")), *_alert(data)]
    elif kind == OBLIGATION_DUE:
        word = str(data.get("state", "due"))
        parts = [about, str(data.get("kind")), f"by {data.get('due')}", str(data.get("citation", ""))]
    elif kind in (SHIPMENT_ALERT, PARTY_ALERT, LIST_ALERT):
        word, parts = "alert", [about, str(data.get("kind")), str(data.get("message", ""))]
    elif kind == EVENT_REJECTED:
        word, parts = "rejected", [str(event.get("subject")), "; ".join(map(_error, _list(data.get("errors"))))]
    elif kind == EVENT_RECORDED:
        word, parts = "recorded", [about, str(data.get("state") or ""), *map(_entry, _list(data.get("entries")))]
    elif "outcome" in data:
        word, parts = str(data["outcome"]), [about, *_decision(data)]
    else:
        word, parts = kind.removeprefix("tpp.").removesuffix(".v1") or "unreadable", [about]
    when, what, *rest = map(visible, [str(event.get("time") or "-"), f"{word:<8}", *parts])
    return "  ".join(filter(None, [when, coloured(what, word), *rest])).rstrip()


def _decision(data: Mapping[str, Any]) -> list[str]:
    under = _mapping(data.get("authorization"))
    kind = " ".join(str(under[name]) for name in ("kind", "reference") if under.get(name))
    tpp = data.get("tpp")
    reasons = map(_mapping, _list(data.get("reasons")))
    why = "; ".join(f"{one.get('code')}: {str(one.get('message')).removesuffix('.')}" for one in reasons)
    return [kind, f"{_amount(tpp)} TPP" if tpp is not None else "", why]


def _alert(data: Mapping[str, Any]) -> list[str]:
    balance, room = data.get("balance"), data.get("limit")
    if data.get("kind") == "exhausted" and isinstance(balance, int) and isinstance(room, int):
        return [f"debit refused: {max(0, room - balance):,} of {room:,} TPP available"]
    reached = f" {data['threshold']}" if data.get("threshold") is not None else ""
    limit = f" of {_amount(room)}" if room is not None else ""
    more = f"projected to be full on {data['projected_exhaustion']}" if data.get("projected_exhaustion") else ""
    more = "no longer projected to be full" if data.get("kind") == "forecast" and not more else more
    holds = data.get("holds_waiting")
    waiting = f"{_amount(holds)} hold{'' if holds == 1 else 's'} waiting" if holds else ""
    return [f"{data.get('kind')}{reached}", f"{_amount(balance)}{limit} TPP", more, waiting]


def _entry(entry: Any) -> str:
    found = _mapping(entry)
    return f"{found.get('account')} {found.get('state')} {_amount(found.get('amount'))}"


def _error(error: Any) -> str:
    found = _mapping(error)
    return " ".join(str(found[name]) for name in ("pointer", "code", "message") if found.get(name))


def _amount(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
