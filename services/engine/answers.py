"""The answers to one event: CloudEvents as JSON texts, with ids that derive from the event."""

import base64
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from ledger.registers.transaction import Transaction
from schemas.event_types import EVENT_REJECTED, LEDGER_SOURCE
from schemas.wire.read import Event, Rejection
from services.engine.message import Message

ORIGINAL_MOST = 256 * 1024
"""The maximum number of bytes of a message that its rejection contains."""

_TRACE = ("traceparent", "tracestate")
_UNTRACED: Mapping[str, Any] = MappingProxyType({})


def answer_id(source: str, identifier: str) -> str:
    """The id of the answer to an event: 40 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(f"{source}\n{identifier}".encode()).hexdigest()[:40]


def to_text(value: Any) -> str:
    """A value as one line of JSON."""
    return orjson.dumps(value).decode()


class Answers:
    """The events that follow from one event, in the order of publication; the first is its answer."""

    def __init__(self, transaction: Transaction, event: Event[Any]) -> None:
        self._transaction = transaction
        self._time = event.time
        extensions = event.extensions
        self._trace = {name: extensions[name] for name in _TRACE if name in extensions} if extensions else _UNTRACED
        self.causation = {"source": event.source, "id": event.id}
        self.id = answer_id(event.source, event.id)
        self.texts: list[str] = []

    @property
    def next_id(self) -> str:
        """The id that the next event will have."""
        return f"{self.id}-{len(self.texts)}" if self.texts else self.id

    def add(self, type: str, subject: str, data: Mapping[str, Any]) -> str:
        """Adds an event, and returns its id."""
        identifier = self.next_id
        sequence = self._transaction.next_sequence()
        self.texts.append(event_text(type, identifier, subject, self._time, sequence, data, self._trace))
        return identifier


def event_text(
    type: str, identifier: str, subject: str, time: str, sequence: int, data: Mapping[str, Any],
    trace: Mapping[str, str | int] = _UNTRACED,
) -> str:  # fmt: skip
    """An event of the ledger, as one line of JSON."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": identifier,
            "source": LEDGER_SOURCE,
            "type": type,
            "subject": subject,
            "time": time,
            "datacontenttype": "application/json",
            "sequence": f"{sequence:020d}",
            **trace,
            "data": data,
        }
    ).decode()


def rejection_text(identifier: str, rejection: Rejection, message: Message, sequence: int) -> str:
    """The rejection of a message, as one line of JSON."""
    data: dict[str, Any] = {
        "original": base64.b64encode(message.received[:ORIGINAL_MOST]).decode(),
        "size": message.size,
        "sha256": message.digest,
        "position": message.position,
        "errors": [{"pointer": e.pointer, "code": e.code, "message": e.message} for e in rejection.errors],
    }
    if rejection.source is not None and rejection.id is not None:
        data["causation"] = {"source": rejection.source, "id": rejection.id}
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": identifier,
        "source": LEDGER_SOURCE,
        "type": EVENT_REJECTED,
        "subject": position_text(message.position),
    }
    if rejection.time is not None:
        envelope["time"] = rejection.time
    return to_text(envelope | {"datacontenttype": "application/json", "sequence": f"{sequence:020d}", "data": data})


def position_text(position: Mapping[str, Any]) -> str:
    """A source position as one text: `topic/partition/offset`, `file:line`, `request/index`, or the command.

    >>> position_text({"topic": "tpp.shipments", "partition": 3, "offset": 17})
    'tpp.shipments/3/17'
    """
    if "topic" in position:
        return f"{position['topic']}/{position['partition']}/{position['offset']}"
    if "file" in position:
        return f"{position['file']}:{position['line']}"
    if "index" in position:
        return f"{position['request']}/{position['index']}"
    return str(position["request"])
