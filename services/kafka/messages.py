"""Kafka messages as the engine reads them."""

from typing import Any

from schemas.wire.binary import is_binary, structured
from services.engine.message import Message


def record(message: Any) -> Message:
    """A Kafka message, from either client, with its topic, partition and offset as position."""
    headers, value = message.headers or (), message.value
    if isinstance(headers, dict):
        headers = headers.items()
    headers = list(headers)
    binary = is_binary(headers)
    position = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    trace = next((text for name, text in headers if name == "traceparent" and text is not None), None)
    return Message(
        structured(headers, value) if binary else value or b"",
        position,
        (value or b"") if binary else None,
        trace=None if trace is None else trace.decode("ascii", "replace"),
    )
