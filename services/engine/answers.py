"""What is given out for one event: CloudEvents as JSON texts, with ids that derive from the cause."""

import base64
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from ledger.registers.transaction import Transaction
from schemas.wire.read import Error, Event, Rejection

SOURCE = "//tpp-ledger"
REJECTED = "tpp.event.rejected.v1"
RECORDED = "tpp.event.recorded.v1"
ALERT = "tpp.quota.alert.v1"
OBLIGATION_DUE = "tpp.obligation.due.v1"
ORIGINAL_MOST = 256 * 1024
_TRACE = ("traceparent", "tracestate")


def answer_id(source: str, identifier: str) -> str:
    """The id of the answer to an event: 40 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(f"{source}\n{identifier}".encode()).hexdigest()[:40]


def dumps(value: Any) -> str:
    """A value as one line of JSON."""
    return orjson.dumps(value).decode()


class Out:
    """The events that follow from one cause, in the order of publication; the first is its answer."""

    def __init__(self, transaction: Transaction, event: Event) -> None:
        self._transaction = transaction
        self._time = event.time
        self._trace = {name: event.extensions[name] for name in _TRACE if name in event.extensions}
        self.causation = {"source": event.source, "id": event.id}
        self.base = answer_id(event.source, event.id)
        self.texts: list[str] = []

    @property
    def next_id(self) -> str:
        """The id that the next event will have."""
        return f"{self.base}-{len(self.texts)}" if self.texts else self.base

    def add(self, kind: str, subject: str, data: Mapping[str, Any]) -> str:
        """Gives out an event, and returns its id."""
        identifier = self.next_id
        sequence = self._transaction.next_sequence()
        text = outgoing(kind, identifier, subject, self._time, sequence, data, self._trace)
        self.texts.append(text)
        return identifier


def outgoing(
    kind: str, identifier: str, subject: str, time: str, sequence: int, data: Mapping[str, Any],
    trace: Mapping[str, str | int] = MappingProxyType({}),
) -> str:  # fmt: skip
    """An event that goes out, as one line of JSON."""
    return dumps(
        {
            "specversion": "1.0",
            "id": identifier,
            "source": SOURCE,
            "type": kind,
            "subject": subject,
            "time": time,
            "datacontenttype": "application/json",
            "sequence": f"{sequence:020d}",
            **trace,
            "data": data,
        }
    )


def rejection_text(
    identifier: str, rejection: Rejection, position: Mapping[str, Any], sequence: int, raw: bytes
) -> str:
    """The rejection of a message that could not be taken; `raw` are its original bytes."""
    data: dict[str, Any] = {
        "original": base64.b64encode(raw[:ORIGINAL_MOST]).decode(),
        "size": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "position": position,
        "errors": [{"pointer": e.pointer, "code": e.code, "message": e.message} for e in rejection.errors],
    }
    if rejection.source is not None and rejection.id is not None:
        data["causation"] = {"source": rejection.source, "id": rejection.id}
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": identifier,
        "source": SOURCE,
        "type": REJECTED,
        "subject": place(position),
    }
    if rejection.time is not None:
        envelope["time"] = rejection.time
    return dumps(envelope | {"datacontenttype": "application/json", "sequence": f"{sequence:020d}", "data": data})


def place(position: Mapping[str, Any]) -> str:
    """A source position as one text: `topic/partition/offset`, `file:line`, or the request.

    >>> place({"topic": "tpp.shipments", "partition": 3, "offset": 17})
    'tpp.shipments/3/17'
    """
    if "topic" in position:
        return f"{position['topic']}/{position['partition']}/{position['offset']}"
    if "file" in position:
        return f"{position['file']}:{position['line']}"
    return str(position["request"])


def refused(event: Event, errors: tuple[Error, ...]) -> Rejection:
    """The rejection of an event that reads well and cannot be taken."""
    return Rejection(event.raw, errors, event.source, event.id, event.time, event.subject)
