"""A message before its answer: as received, as read, and as one on which the program failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from schemas.codes import RejectionCode
from schemas.wire.read import Error, Event, Rejection, parse, rejection_id, too_large


@dataclass(frozen=True, slots=True)
class Whole:
    """A line that was too long to be kept: its size in bytes, its SHA-256 in hexadecimal, its rejection's id."""

    size: int
    sha256: str
    rejection: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as received: its bytes and its position.

    `position` is `{file, line}`, `{topic, partition, offset}` or `{request}`. If `raw` was assembled from headers and a
    value (binary mode), a rejection contains `value`. If `raw` is only the beginning of a longer line, `whole` is set;
    such a message is rejected.
    """

    raw: bytes
    position: Mapping[str, Any]
    value: bytes | None = None
    whole: Whole | None = None

    @property
    def size(self) -> int:
        """The number of bytes that a rejection reports, kept or not."""
        return len(self.received) if self.whole is None else self.whole.size

    @property
    def digest(self) -> str:
        """The SHA-256 of these bytes, in hexadecimal."""
        return sha256(self.received).hexdigest() if self.whole is None else self.whole.sha256

    @property
    def received(self) -> bytes:
        """The bytes that a rejection contains."""
        return self.raw if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message that was read: an event, or a rejection."""

    message: Message
    event: Event[Any] | Rejection
    rejection: str
    """The id that a rejection of this message has."""


class EventFailed(Exception):
    """The program failed on an event, and its batch was rolled back. The cause is the exception that was raised."""

    def __init__(self, read: ReadMessage) -> None:
        super().__init__()
        self.read = read


class EventRejected(Exception):
    """An event that can be read but not accepted; raised before any balance changes."""

    def __init__(self, pointer: str, code: RejectionCode, message: str) -> None:
        super().__init__(message)
        self.errors = (Error(pointer, code, message),)


def read_message(message: Message) -> ReadMessage:
    """The message as an event, or as a rejection with all its errors."""
    if message.whole is not None:
        return ReadMessage(message, too_large(message.raw, message.whole.size), message.whole.rejection)
    return ReadMessage(message, parse(message.raw), rejection_id(message.position, message.received))


def rejected(event: Event[Any], errors: tuple[Error, ...]) -> Rejection:
    """The rejection of an event that can be read but not accepted."""
    return Rejection(event.raw, errors, event.source, event.id, event.time, event.subject)
