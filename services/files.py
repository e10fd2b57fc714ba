"""Event files in, answers out: JSONL, `.gz` and standard input, in constant memory and linear time."""

import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import chain, islice
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
_BLANK = b" \t"
_GZIP = b"\x1f\x8b"
_GZIP_BITS = 31
_JSONL = "an event file is JSONL, plain or compressed with gzip"
_OTHERS = {
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"PK\x03\x04": "a zip archive or an XLSX workbook",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
}
"""How files begin that are not JSONL, and what they are."""

_T = TypeVar("_T")


def batches(files: Sequence[str], read: Callable[[int], None], longest: int = MAX_BYTES) -> Iterator[list[Message]]:
    """The lines of the files in order, in batches, without blank ones; calls `read` with the number of bytes read.

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
    """The lines of a file as messages; None when a pipe has no more yet, so that no line waits."""
    lines = _Lines(shown_name(name), longest)
    waits = name == "-" or not Path(name).is_file()
    try:
        for chunk in _content(name, _standard_input() if name == "-" else _file(name, read)):
            yield from lines.of(chunk)
            if waits:
                yield None
    except (OSError, EOFError, zlib.error) as error:
        raise Failure(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
    yield from lines.end()


def _file(name: str, read: Callable[[int], None]) -> Iterator[bytes]:
    with Path(name).open("rb", buffering=0) as raw:
        while chunk := raw.read(_CHUNK):
            yield chunk
            read(len(chunk))


def _standard_input() -> Iterator[bytes]:
    if sys.stdin is None:
        raise Failure("standard input is closed")
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        yield chunk


def _content(name: str, chunks: Iterator[bytes], wanted: str = _JSONL) -> Iterator[bytes]:
    """The bytes of a file, unpacked if they are gzip; raises Failure for another form, with what is wanted."""
    first = b""
    while any(magic.startswith(first) for magic in (_GZIP, *_OTHERS)) and (chunk := next(chunks, b"")):
        first += chunk
    for magic, what in _OTHERS.items():
        if first.startswith(magic):
            raise Failure(f"{name} is {what}; {wanted}")
    packed = first.startswith(_GZIP)
    if name.endswith(".gz") and not packed:
        raise Failure(f"cannot read {name}: it is {'not gzip' if first else 'empty'}")
    content = chain([first], chunks) if first else chunks
    yield from _unpacked(content) if packed else content


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The content of gzip, of one member or several, in pieces; raises EOFError if it is cut off."""
    member = zlib.decompressobj(_GZIP_BITS)
    for chunk in chunks:
        rest = chunk
        while rest:
            if member.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                member = zlib.decompressobj(_GZIP_BITS)
            yield member.decompress(rest, _CHUNK)
            rest = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof and (more := member.decompress(b"", _CHUNK)):
        yield more
    if not member.eof:
        raise EOFError("the gzip data is cut off")


def read_whole(name: str, most: int) -> bytes:
    """The bytes of a file as they stand, `-` being standard input; raises Failure for more than `most` bytes."""
    pieces: list[bytes] = []
    left = most
    try:
        for piece in _standard_input() if name == "-" else _file(name, lambda _: None):
            left -= len(piece)
            if left < 0:
                raise Failure(f"{name} has more than {most:,} bytes")
            pieces.append(piece)
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror or error}") from error
    return b"".join(pieces)


def unpacked(name: str, content: bytes, most: int, wanted: str = _JSONL) -> bytes:
    """The content of a file that is given as bytes, unpacked if it is gzip.

    Raises Failure for another form, with what is `wanted`, for gzip that is cut off or broken, and for more than
    `most` bytes, which are not unpacked.
    """
    pieces: list[bytes] = []
    left = most
    try:
        for piece in _content(name, iter([content] if content else []), wanted):
            left -= len(piece)
            if left < 0:
                raise Failure(f"{name} has more than {most:,} bytes when it is unpacked")
            pieces.append(piece)
    except (EOFError, zlib.error) as error:
        raise Failure(f"cannot read {name}: {error}") from error
    return b"".join(pieces)


def shown_name(name: str) -> str:
    r"""The name of a file in the positions of its lines: of a name that is not UTF-8, with such bytes as `%FF`.

    >>> shown_name("100%.jsonl"), shown_name("n\udcff%.jsonl")
    ('100%.jsonl', 'n%FF%25.jsonl')
    """
    if name.isascii() or not re.search("[\udc80-\udcff]", name):
        return name
    return re.sub("[\udc80-\udcff%]", lambda found: f"%{ord(found[0]) & 0xFF:02X}", name)


class _Lines:
    """The lines of one file as messages, without their ends and without the blank ones, which count as lines.

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
            if (text := piece.removesuffix(b"\r")).strip(_BLANK):
                yield Message(text, self._position)
            self._number += 1
        self._add(rest)

    def end(self) -> Iterator[Message]:
        """The message of what was read since the last one."""
        rest, long = bytes(self._rest.removesuffix(b"\r")), self._long
        if long is None and len(rest) > self._longest:
            long = _LongLine(self._position, rest)
        if long is not None:
            if not long.blank:
                yield long.message()
        elif rest.strip(_BLANK):
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
        self.blank = True
        """Whether the line has only blanks and tabs so far."""
        self._digest, self._id = sha256(), rejection_hash(position)
        self._return = b""
        """A carriage return, which belongs to the line unless the line ends after it."""
        self.add(text)

    def add(self, piece: bytes) -> None:
        """Adds the next bytes of the line."""
        text = (self._return + piece).removesuffix(b"\r")
        self._return = b"\r" if len(text) < len(self._return) + len(piece) else b""
        self._size += len(text)
        self.blank = self.blank and not text.strip(_BLANK)
        self._digest.update(text)
        self._id.update(text)

    def message(self) -> Message:
        """The message of the line, which is complete."""
        return Message(
            self._beginning, self._position, whole=Whole(self._size, self._digest.hexdigest(), self._id.hexdigest())
        )


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The items; another thread produces the next one while the caller works on the present one."""

    def one() -> list[_T]:
        return list(islice(items, 1))

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(one)
        while found := coming.result():
            coming = pool.submit(one)
            yield from found


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
        if path.is_dir():
            raise Failure(f"{name} is a directory")
        if not os.access(path, os.R_OK):
            raise Failure(f"cannot read {name}: permission denied")
