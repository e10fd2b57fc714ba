"""Event files in, answers out: JSONL, `.gz` and standard input, in constant memory."""

import gzip
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from services.engine.engine import Record
from services.resources import Failure

if TYPE_CHECKING:
    from rich.progress import TaskID

BATCH = 2048
_T = TypeVar("_T")
_TYPE = '"type":"'
_REASON = re.compile(r'"code":"([a-z_.]+)","citation":').findall


def batches(files: Sequence[str], read: Callable[[int], None]) -> Iterator[list[Record]]:
    """The lines of the files in order, in batches, without the empty ones; `read` is told how many bytes were read."""
    for name in files:
        lines = _standard_input() if name == "-" else _file(name, read)
        batch: list[Record] = []
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
                batch.append(Record(text, {"file": name, "line": number}))
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
        yield click.get_binary_stream("stdout")
        return
    try:
        with Path(name).open("wb") as file:
            yield file
    except OSError as error:
        raise Failure(f"{name} cannot be written: {error}") from error


class Summary:
    """How many answers of each kind were given, and why shipments were held."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.held: Counter[str] = Counter()

    def add(self, texts: Sequence[str]) -> None:
        """Counts what was given out for one event."""
        for index, text in enumerate(texts):
            start = text.index(_TYPE) + len(_TYPE)
            kind = text[start : text.index('"', start)].removeprefix("tpp.").removesuffix(".v1")
            (self.others if index else self.answers)[kind.removeprefix("shipment.").removeprefix("event.")] += 1
            if kind == "shipment.held":
                self.held.update(set(_REASON(text)))

    @property
    def rejected(self) -> int:
        """How many lines could not be taken."""
        return self.answers["rejected"]

    def show(self) -> None:
        """Writes the summary to standard error."""
        total = sum(self.answers.values())
        kinds = ("approved", "released", "denied", "held", "recorded", "rejected")
        counts = ", ".join(
            f"{self.answers[kind]:,} {kind}"
            for kind in kinds
            if self.answers[kind] or kind in ("approved", "held", "rejected")
        )
        click.echo(f"{total:,} event{'' if total == 1 else 's'}: {counts or 'nothing to do'}", err=True)
        for code, count in self.held.most_common():
            click.echo(f"  held with {code}: {count:,}", err=True)
        if self.others:
            follow = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.others.items()))
            click.echo(f"  and followed by: {follow}", err=True)


@contextmanager
def progress(files: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """A progress bar over the files' bytes where standard error is a terminal; a function to be told of bytes read."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    total = None if "-" in files else sum(Path(name).stat().st_size for name in files)
    columns = (TextColumn("screening"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar: Progress
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task: TaskID = bar.add_task("screening", total=total)
        yield lambda read: bar.advance(task, read)
