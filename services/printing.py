"""Standard output: bytes for programs in UTF-8, text for people in the encoding of their terminal."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from services.failure import Failure
from services.visible import visible


class OutputFailed(Failure):
    """Standard output is closed, full or cannot be written."""


class _Standard(io.RawIOBase):
    """Standard output, whose failures are OutputFailed; on a terminal, text is made visible."""

    def __init__(self, stream: IO[bytes], *, terminal: bool) -> None:
        self._stream = stream
        self._terminal = terminal

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Writes bytes; on a terminal text in UTF-8, whole characters at a time."""
        shown = bytes(data)
        if self._terminal:
            shown = visible(shown.decode(errors="backslashreplace"), keep="\n").encode()
        with _failures():
            self._stream.write(shown)
        return len(data)

    def flush(self) -> None:
        """Flushes the stream."""
        with _failures():
            self._stream.flush()


def open_standard_streams() -> None:
    """Puts streams in the place of closed ones: standard output fails when it is written, errors are dropped.

    Standard output shows what its encoding lacks as escapes.
    """
    if sys.stdout is None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    with suppress(AttributeError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def standard_output() -> IO[bytes]:
    """Standard output for programs: unchanged in a file or a pipe, made visible on a terminal."""
    return cast("IO[bytes]", _Standard(sys.stdout.buffer, terminal=sys.stdout.isatty()))


def print_bytes(data: bytes) -> None:
    """Writes to `standard_output` and flushes it."""
    stream = standard_output()
    stream.write(data)
    stream.flush()


def print_text(text: str) -> None:
    """Writes a text and a line end to standard output; what its encoding lacks becomes an escape."""
    with _failures():
        sys.stdout.buffer.write(f"{text}\n".encode(sys.stdout.encoding, "backslashreplace"))
        sys.stdout.buffer.flush()


def output_failed(error: OSError) -> OutputFailed:
    """What to say of an error of standard output, to which nothing is written from now on."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return OutputFailed("the output was closed")
    if error.errno == errno.EBADF:
        return OutputFailed("standard output is closed")
    return OutputFailed(f"cannot write standard output: {error.strerror}")


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise output_failed(error) from error


@contextmanager
def done(sentence: str) -> Iterator[None]:
    """Prefixes a failure to print with what the command has done."""
    try:
        yield
    except OutputFailed as error:
        raise OutputFailed(f"{sentence}, but {error}") from error
