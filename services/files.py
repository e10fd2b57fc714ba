"""Event files in, answers out: JSONL, `.gz` and standard input, in constant memory and linear time."""

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from schemas.wire.read import rejection_hash
from schemas.wire.strict_json import MAX_BYTES
from services.engine.answers import ORIGINAL_MOST
from services.engine.message import Message, Whole
from services.failure import Failure

BATCH, BATCH_BYTES = 2048, 4 << 20
"""The messages, and their bytes, after which a batch ends, whichever comes first."""

_CHUNK = 1 << 16
_T = TypeVar("_T")


def batches(files: Sequence[str], read: Callable[[int], None], longest: int = MAX_BYTES) -> Iterator[list[Message]]:
    """The lines of the files in order, in batches, without empty ones; calls `read` with the number of bytes read.

    Of a line of more than `longest` bytes only the beginning is kept (`Message.whole`).
    """
    for name in files:
        batch: list[Message] = []
        size = 0
        for message in _messages(name, read, longest):
            if message is not None:
                batch.append(message)
                size += len(message.raw)
            if batch and (message is None or len(batch) == BATCH or size >= BATCH_BYTES):
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _messages(name: str, read: Callable[[int], None], longest: int) -> Iterator[Message | None]:
    """The lines of a file as messages; None when standard input has no more yet, so that no line waits."""
    lines = _Lines(name, longest)
    waits = name == "-"
    for chunk in _standard_input() if waits else _file(name, read):
        yield from lines.of(chunk)
        if waits:
            yield None
    yield from lines.end()


def _file(name: str, read: Callable[[int], None]) -> Iterator[bytes]:
    try:
        with Path(name).open("rb") as raw:
            content: Any = gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw
            place = 0
            while chunk := content.read1(_CHUNK):
                yield chunk
                if raw.tell() != place:
                    read(raw.tell() - place)
                    place = raw.tell()
    except (OSError, EOFError, zlib.error) as error:
        raise Failure(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error


def _standard_input() -> Iterator[bytes]:
    if sys.stdin is None:
        raise Failure("standard input is closed")
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        yield chunk


class _Lines:
    """The lines of one file as messages, without their ends and without the empty ones, which count as lines.

    `longest`: the most bytes of a line that is kept completely; a longer one is skipped.
    """

    def __init__(self, name: str, longest: int) -> None:
        self._name = name
        self._longest = longest
        self._number = 1
        """The number of the current line."""
        self._rest = bytearray()
        """What was read of the current line; at most `longest` bytes and a carriage return."""
        self._long: _LongLine | None = None

    def of(self, chunk: bytes) -> Iterator[Message]:
        """The messages that end in this chunk."""
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            if self._rest or self._long or len(piece) > self._longest:
                self._add(piece)
                yield from self.end()
                continue
            if text := piece.removesuffix(b"\r"):
                yield Message(text, self._position)
            self._number += 1
        self._add(rest)

    def end(self) -> Iterator[Message]:
        """The message of what was read since the last one."""
        rest, long = bytes(self._rest.removesuffix(b"\r")), self._long
        if long is None and len(rest) > self._longest:
            long = _LongLine(self._position, rest)
        if long is not None:
            yield long.message()
        elif rest:
            yield Message(rest, self._position)
        self._rest.clear()
        self._long = None
        self._number += 1

    def _add(self, piece: bytes) -> None:
        if self._long is not None:
            self._long.add(piece)
            return
        self._rest += piece
        if len(self._rest) > self._longest + 1:
            self._long = _LongLine(self._position, bytes(self._rest))
            self._rest.clear()

    @property
    def _position(self) -> dict[str, Any]:
        return {"file": self._name, "line": self._number}


class _LongLine:
    """A line that is too long: its beginning, and the size and digests of all of it."""

    def __init__(self, position: dict[str, Any], text: bytes) -> None:
        self._position = position
        self._beginning = text[:ORIGINAL_MOST]
        self._size = 0
        self._digest, self._id = sha256(), rejection_hash(position)
        self._return = b""
        """A carriage return, which belongs to the line unless the line ends after it."""
        self.add(text)

    def add(self, piece: bytes) -> None:
        """Adds the next bytes of the line."""
        text = (self._return + piece).removesuffix(b"\r")
        self._return = b"\r" if len(text) < len(self._return) + len(piece) else b""
        self._size += len(text)
        self._digest.update(text)
        self._id.update(text)

    def message(self) -> Message:
        """The message of the line, which is complete."""
        return Message(
            self._beginning, self._position, whole=Whole(self._size, self._digest.hexdigest(), self._id.hexdigest())
        )


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The items; another thread produces the next one while the caller works on the present one."""
    with ThreadPoolExecutor(1) as pool:
        end = object()
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def length(files: Sequence[str]) -> int | None:
    """The number of messages of the files; None if one of them cannot be read a second time."""
    if not all(Path(name).is_file() for name in files):
        return None
    try:
        return sum(map(len, batches(files, lambda _: None)))
    except Failure:
        return None


def check_readable(files: Sequence[str]) -> None:
    """Raises Failure, before anything is decided, if a file cannot be read."""
    for name in files:
        path = Path(name)
        if name == "-":
            continue
        if not path.exists():
            raise Failure(f"{name} does not exist")
        if not path.is_file():
            raise Failure(f"{name} is {'a directory' if path.is_dir() else 'not a file'}")
        if not os.access(path, os.R_OK):
            raise Failure(f"cannot read {name}: permission denied")
