"""A message before its answer: as received, as read, and as one on which the program failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rulebook import Screening
from schemas.codes import ReasonCode, RejectionCode
from schemas.wire.errors import clean
from schemas.wire.read import Door, Error, Event, Rejection, parse, rejection_id, too_large

FAILURE_MOST = 2_000
"""The most characters that a rejection tells of a failure of the program."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A line that was too long to be kept: its size in bytes, its SHA-256 in hexadecimal, its rejection's id."""

    size: int
    sha256: str
    rejection: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as received: its bytes and its position.

    `position` is `{file, line}`, `{topic, partition, offset}`, `{request}` of a command, or `{request, index}` of a
    request over HTTP. If `raw` was assembled from headers and a value (binary mode), a rejection contains `value`. If
    `raw` is only the beginning of a longer line, `whole` is set; such a message is rejected. `own`: the program made it
    itself, so that its source may be one of the program's own; only the program's clock and its commands say so.
    `recorded`: the journal has it, and it is read as it was taken. `trace`: the W3C `traceparent` that came with it, in
    a header; no decision reads it. `once`: a form of the page sends it, whose id alone decides: under an id that was
    answered it is that event, whatever else it says.
    """

    raw: bytes
    position: Mapping[str, Any]
    value: bytes | None = None
    whole: Whole | None = None
    own: bool = False
    recorded: bool = False
    trace: str | None = None
    once: bool = False

    @property
    def door(self) -> Door:
        """The door that it came by; if nothing says that it stood in a file, that of the stream."""
        if self.recorded:
            return Door.RECORD
        if self.own:
            return Door.OWN
        if self.over_http:
            return Door.HTTP
        return Door.FILE if "file" in self.position else Door.STREAM

    @property
    def over_http(self) -> bool:
        """Whether it came over HTTP, where no name is taken on trust, recorded or not."""
        return "index" in self.position

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

    @property
    def identity(self) -> bytes:
        """The bytes that identify its rejection, together with its position.

        A request over HTTP may come again under the same id with other headers, so those of binary mode count too.
        """
        return self.raw if self.over_http else self.received


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message that was read: an event, or a rejection."""

    message: Message
    event: Event[Any] | Rejection
    rejection: str
    """The id that a rejection of this message has."""
    refusal: "Refusal | None" = None
    """Why the event is refused, if that was found when the program tried it: its amounts exceed the range."""
    barred: Rejection | None = None
    """What answers the event if it is new, because its door does not take it; a repeat gets its first answer."""
    prepared: Screening | None = None
    """How its shipment was screened before the turn; it counts only for a case that is equal."""


class EventFailed(Exception):
    """The program failed on an event, and its batch was rolled back. The cause is the exception that was raised."""

    def __init__(self, read: ReadMessage) -> None:
        super().__init__()
        self.read = read


class EventRejected(Exception):
    """An event that the book of law bars, whatever the ledger holds; raised before any balance changes."""

    def __init__(self, pointer: str, code: RejectionCode, message: str) -> None:
        super().__init__(message)
        self.errors = (Error(pointer, code, message),)


class Refusal(Exception):
    """An event that can be read and cannot be taken as the ledger stands; raised before anything is moved.

    `facts` are figures and names that the message gives in words.
    """

    def __init__(self, code: ReasonCode, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.facts = code, message, facts


def read_message(message: Message) -> ReadMessage:
    """The message as an event, or as a rejection with all its errors; one on which reading fails is rejected.

    Raises MemoryError if there is no memory left.
    """
    if message.whole is not None:
        return ReadMessage(message, too_large(message.raw, message.whole.size), message.whole.rejection)
    event: Event[Any] | Rejection
    try:
        event = parse(message.raw, message.door)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a message does to the reader, it stops nothing
        event = Rejection(message.raw, (failed(error),), None, None, None, None)
    return ReadMessage(message, event, rejection_id(message.position, message.identity))


def failed(error: BaseException | None) -> Error:
    """The error of a message that the program itself failed on."""
    message = clean(f"internal error while processing this event: {type(error).__name__}: {error}")
    return Error("", RejectionCode.INTERNAL_ERROR, message[:FAILURE_MOST])


def rejected(event: Event[Any], errors: tuple[Error, ...]) -> Rejection:
    """The rejection of an event that can be read but not accepted."""
    return Rejection(event.raw, errors, event.source, event.id, event.time, event.subject, event.type)
