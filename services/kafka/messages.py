"""Kafka messages as the engine reads them."""

from typing import Any

from schemas.wire.binary import is_binary, structured
from services.engine.message import Message


def record(message: Any) -> Message:
    """A Kafka message, of either client, as a record with its topic, partition and offset."""
    headers, value = message.headers or (), message.value
    if isinstance(headers, dict):
        headers = headers.items()
    headers = list(headers)
    position = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    return Message(structured(headers, value), position, (value or b"") if is_binary(headers) else None)
