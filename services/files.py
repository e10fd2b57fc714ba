"""Event files in, answers out: JSONL, `.gz` and standard input, in constant memory."""

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from services.engine.message import Message
from services.failure import Failure

BATCH = 2048
_T = TypeVar("_T")


def batches(files: Sequence[str], read: Callable[[int], None]) -> Iterator[list[Message]]:
    """The lines of the files in order, in batches, without the empty ones; `read` is told how many bytes were read."""
    for name in files:
        lines = _standard_input() if name == "-" else _file(name, read)
        batch: list[Message] = []
        number = 0
        for line in lines:
            if line is None:
                if batch:
                    yield batch
                    batch = []
                continue
            number += 1
            text = line.removesuffix(b"\n").removesuffix(b"\r")
            if text:
                batch.append(Message(text, {"file": name, "line": number}))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


def _file(name: str, read: Callable[[int], None]) -> Iterator[bytes | None]:
    try:
        with Path(name).open("rb") as raw:
            lines: Any = gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw
            place = 0
            for line in lines:
                yield line
                if raw.tell() != place:
                    read(raw.tell() - place)
                    place = raw.tell()
    except (OSError, EOFError, zlib.error) as error:
        raise Failure(f"{name} cannot be read: {error}") from error


def _standard_input() -> Iterator[bytes | None]:
    """Lines as they come, and None where no more is there at the moment, so that nobody waits for a batch to fill."""
    rest = b""
    descriptor = sys.stdin.fileno()
    while chunk := os.read(descriptor, 1 << 16):
        lines = (
            (rest + chunk).splitlines(keepends=True)
            if b"\r" not in chunk and b"\r" not in rest
            else _split(rest + chunk)
        )
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield from lines
        yield None
    if rest:
        yield rest


def _split(text: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in text.split(b"\n")]
    last = lines.pop()
    return lines if last == b"\n" else [*lines, last[:-1]]


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The items, each made in another thread while the one before it is worked on and the database has Python wait."""
    with ThreadPoolExecutor(1) as pool:
        end = object()
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def check_readable(files: Sequence[str]) -> None:
    """Fails before anything is decided where a file is not there."""
    for name in files:
        if name != "-" and not Path(name).is_file():
            raise Failure(f"{name} is no file")


@contextmanager
def output(name: str | None) -> Iterator[IO[bytes]]:
    """Where answers go: a file, written from its first line on, or standard output."""
    if name is None or name == "-":
        yield sys.stdout.buffer
        return
    try:
        with Path(name).open("wb") as file:
            yield file
    except OSError as error:
        raise Failure(f"{name} cannot be written: {error}") from error
