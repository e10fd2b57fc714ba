"""Publishes event files to the input topics: each line unchanged, to the topic of its type."""

import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from schemas.event_types import FACTS, INPUTS, SHIPMENTS, incoming_destination
from schemas.wire.strict_json import MAX_BYTES
from services.engine.answers import position_text
from services.engine.message import Message
from services.failure import BrokerError
from services.files import batches, check_readable
from services.kafka.access import address, client_options
from services.kafka.offsets import Place
from services.kafka.producer import STRUCTURED
from services.kafka.topics import MESSAGE_MOST, administration, check_topics
from services.stream.signals import interrupted_by_sigterm
from services.telemetry.traces import ended, tracing
from services.views.wrapping import counted
from services.visible import visible

if TYPE_CHECKING:
    from services.settings import Settings

WAITING_MOST, WAITING_BYTES = 5_000, 32 << 20
PATIENCE_SECONDS = 60.0
"""How long the workers may make no progress while events wait for them."""
LOOK_SECONDS = (0.02, 0.25)
"""The first and the longest pause between two looks at the workers' offsets."""
CLOSE_SECONDS = 1.0
_ERRORS_SHOWN = 10


def destination(line: bytes) -> tuple[str, bytes | None]:
    """The topic and the key of an event (docs/contract/topics.md); an unreadable line goes to tpp.shipments unkeyed.

    >>> destination(b'{"type": "tpp.clock.ticked.v1", "subject": "clock"}')
    ('tpp.facts', b'clock')
    """
    if len(line) > MAX_BYTES:
        return SHIPMENTS, None
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return SHIPMENTS, None
    topic, key = incoming_destination(event)
    return topic, key.encode() if key else None


def run(settings: "Settings", files: Sequence[str], *, facts_first: bool = False, as_it_stands: bool = False) -> int:
    """Publishes the lines of the files in order; returns 0 if the broker acknowledged all of them, otherwise 1.

    Between facts and shipments it waits until the workers have decided what was sent, so that each shipment meets the
    facts before it and no others; it returns 1 if the workers make no progress for PATIENCE_SECONDS. Lines of standard
    input do not wait. `facts_first`: sends the facts of all files first. `as_it_stands`: never waits.

    Raises BrokerError if the broker does not answer or the topics do not exist.
    """
    check_readable(files)
    with ExitStack() as stack:
        stack.enter_context(interrupted_by_sigterm())
        sender = stack.enter_context(_sender(settings))
        workers = None if as_it_stands else stack.enter_context(_workers(settings))
        bar = stack.enter_context(_progress(files, sender, workers))
        lines = (record for batch in batches(files, bar, MESSAGE_MOST) for record in batch)
        try:
            _publish(sender, _facts_first(lines) if facts_first else lines, workers, standard_input_waits=facts_first)
        except _Stop:
            return 1
        return 1 if sender.failed else 0


def _publish(
    sender: "_Sender", lines: Iterable[Message], workers: "_Workers | None", *, standard_input_waits: bool
) -> None:
    undecided: set[str] = set()
    for record in lines:
        topic, key = destination(record.raw)
        if record.whole is None:
            if workers and undecided - {topic} and (standard_input_waits or record.position["file"] != "-"):
                sender.flush()
                workers.await_decided(sender.ends, record)
                undecided.clear()
            undecided.add(topic)
        sender.send(record, topic, key)
    sender.flush()


def _facts_first(lines: Iterable[Message]) -> Iterator[Message]:
    """The lines with the facts before all others, which are kept in a temporary file until then."""
    with tempfile.TemporaryFile() as later:
        for record in lines:
            if record.whole is not None or destination(record.raw)[0] == FACTS:
                yield record
            else:
                later.write(orjson.dumps(record.position) + b"\n" + record.raw + b"\n")
        later.seek(0)
        for position in later:
            yield Message(later.readline()[:-1], orjson.loads(position))


class _Stop(Exception):
    """An event was not accepted, or is not decided: later ones must not overtake it."""


class _Sender:
    """Sends in order and counts acknowledged events; the number of unacknowledged ones is bounded."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._traces = tracing()
        self._waiting: deque[tuple[Any, str, str, int, Any]] = deque()
        self._bytes = 0
        self.sent: Counter[str] = Counter()
        self.ends: dict[Place, int] = {}
        """The offset after the last acknowledged event of each partition."""
        self.failed = 0

    @property
    def acknowledged(self) -> int:
        """How many events the broker has on all in-sync replicas."""
        return sum(self.sent.values())

    def send(self, record: Message, topic: str, key: bytes | None) -> None:
        """Sends one event; waits while too many are unacknowledged."""
        from kafka.errors import KafkaError, MessageSizeTooLargeError

        where = position_text(record.position)
        if record.whole is not None:
            self._too_large(where, record)
            return
        span, headers = self._traces.sending("publish", topic, record.raw) if self._traces else (None, [])
        try:
            future = self._producer.send(topic, record.raw, key=key, headers=[STRUCTURED, *headers])
        except MessageSizeTooLargeError as error:
            ended(span, error)
            self._too_large(where, record)
            return
        except KafkaError as error:
            ended(span, error)
            self._failure(where, error)
            raise _Stop from error
        self._waiting.append((future, topic, where, len(record.raw), span))
        self._bytes += len(record.raw)
        while len(self._waiting) > WAITING_MOST or self._bytes > WAITING_BYTES or self._done():
            self._settle()

    def flush(self) -> None:
        """Waits until every event is acknowledged."""
        while self._waiting:
            self._settle()

    def _done(self) -> bool:
        return bool(self._waiting) and bool(self._waiting[0][0].is_done)

    def _settle(self) -> None:
        from kafka.errors import KafkaError

        future, topic, where, size, span = self._waiting.popleft()
        self._bytes -= size
        try:
            stored = future.get()
            ended(span)
        except KafkaError as error:
            ended(span, error)
            self._failure(where, error)
            raise _Stop from error
        self.sent[topic] += 1
        at = (topic, stored.partition)
        self.ends[at] = max(stored.offset + 1, self.ends.get(at, 0))

    def give_up(self) -> None:
        """Counts the events that were unacknowledged when the producer was closed, by their result."""
        for future, topic, *_ in self._waiting:
            if future.is_done and future.succeeded():
                self.sent[topic] += 1
            else:
                self.failed += 1
        self._waiting.clear()

    def _too_large(self, where: str, record: Message) -> None:
        self._failure(where, f"{record.size:,} bytes exceed the limit of a topic ({MESSAGE_MOST:,})")

    def _failure(self, where: str, why: object) -> None:
        self.failed += 1
        if self.failed <= _ERRORS_SHOWN:
            click.echo(visible(f"{where} was not acknowledged: {why}"), err=True)

    def show(self) -> None:
        """Writes the counts to standard error."""
        total = counted(self.acknowledged, "event")
        into = ", ".join(f"{self.sent[topic]:,} to {topic}" for topic in INPUTS if self.sent[topic])
        click.echo(f"{total} acknowledged{': ' + into if into else ''}", err=True)
        if self.failed:
            click.echo(
                f"{self.failed:,} not acknowledged; if the broker failed, later events were not sent. "
                "Publish the files again: an event that arrives twice counts once",
                err=True,
            )


@contextmanager
def _sender(settings: "Settings") -> Iterator[_Sender]:
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    where = address(settings)
    check_topics(settings, INPUTS)
    try:
        producer = KafkaProducer(
            bootstrap_servers=where.split(","),
            client_id="tpp-publish",
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            linger_ms=5,
            batch_size=1 << 16,
            max_request_size=MESSAGE_MOST,
            **client_options(settings),
        )
    except KafkaError as error:
        raise BrokerError(f"the broker at {where} does not answer: {error}") from error
    sender = _Sender(producer)
    try:
        yield sender
    finally:
        producer.close(timeout=CLOSE_SECONDS)
        sender.give_up()
        sender.show()


class _Workers:
    """The workers' group: waits until it has committed offsets, which it does after the ledger's transaction."""

    def __init__(self, admin: Any, group: str) -> None:
        self._admin = admin
        self._group = group
        self._ended = 0.0
        self._since: float | None = None
        self.times = 0

    @property
    def waiting(self) -> float | None:
        """How long the present wait has lasted, in seconds; None outside a wait."""
        since = self._since
        return None if since is None else time.monotonic() - since

    @property
    def waited(self) -> float:
        """How long all waits have lasted, in seconds."""
        return self._ended + (self.waiting or 0.0)

    def await_decided(self, ends: Mapping[Place, int], following: Message) -> None:
        """Waits until all offsets before `ends` are committed; says that `following` was not sent if they are not."""
        self.times += 1
        self._since = time.monotonic()
        try:
            if not self._decided(ends):
                where = position_text(following.position)
                click.echo(
                    visible(
                        f"no worker of group {self._group} has decided anything for {PATIENCE_SECONDS:.0f} s; {where} "
                        "and later lines were not sent. Start a worker with `tpp up` or `tpp worker` and publish the "
                        "files again: an event that arrives twice counts once"
                    ),
                    err=True,
                )
                raise _Stop
        finally:
            self._ended, self._since = self.waited, None

    def _decided(self, ends: Mapping[Place, int]) -> bool:
        """Whether the offsets are committed, at once or as long as the group makes progress."""
        from kafka.errors import KafkaError

        before: dict[Place, int] | None = None
        moved, pause = time.monotonic(), LOOK_SECONDS[0]
        while True:
            late = time.monotonic() - moved > PATIENCE_SECONDS
            try:
                committed = self._committed()
            except KafkaError as error:
                if not getattr(error, "retriable", False):
                    raise
                if late:
                    raise BrokerError(f"the broker does not say what the workers have decided: {error}") from error
            else:
                if all(committed.get(at, 0) >= end for at, end in ends.items()):
                    return True
                if committed != before:
                    before, moved = committed, time.monotonic()
                elif late:
                    return False
            time.sleep(pause)
            pause = min(2 * pause, LOOK_SECONDS[1])

    def _committed(self) -> dict[Place, int]:
        found = self._admin.list_group_offsets(self._group)[self._group]
        return {(at.topic, at.partition): committed.offset for at, committed in found.items()}

    def show(self) -> None:
        """Writes how long it waited to standard error."""
        if self.times:
            click.echo(f"waited for the workers {counted(self.times, 'time')}, {self.waited:.1f} s in all", err=True)


@contextmanager
def _workers(settings: "Settings") -> Iterator[_Workers]:
    with administration(settings) as admin:
        workers = _Workers(admin, settings.group)
        try:
            yield workers
        finally:
            workers.show()


@contextmanager
def _progress(files: Sequence[str], sender: _Sender, workers: _Workers | None) -> Iterator[Callable[[int], None]]:
    """A progress bar if standard error is a terminal: bytes read, events acknowledged, whether it waits for workers."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class _Acknowledged(ProgressColumn):
        def render(self, task: Task) -> Text:  # noqa: ARG002
            seconds = workers.waiting if workers else None
            waits = "" if seconds is None else f", waiting for the workers ({seconds:.0f} s)"
            return Text(f"{sender.acknowledged:,} acknowledged{waits}")

    whole = all(Path(name).is_file() for name in files)
    total = sum(Path(name).stat().st_size for name in files) if whole else None
    bar: Progress
    with Progress(
        TextColumn("publishing"),
        BarColumn(),
        DownloadColumn(),
        _Acknowledged(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("publishing", total=total)
        yield lambda read: bar.update(task, advance=read)
