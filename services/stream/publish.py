"""Publishes event files to the input topics: each line unchanged, to the topic of its type."""

import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
from services.kafka.producer import STRUCTURED
from services.kafka.topics import MESSAGE_MOST, administration, check_topics
from services.views.wrapping import counted
from services.visible import visible

if TYPE_CHECKING:
    from services.settings import Settings

WAITING_MOST, WAITING_BYTES = 5_000, 32 << 20
TAKEN_SECONDS = 60.0
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


def run(settings: "Settings", files: Sequence[str], *, facts_first: bool = False) -> int:
    """Publishes the lines of the files in order; returns 0 if the broker acknowledged all of them, otherwise 1.

    `facts_first`: sends the facts of all files first, and shipments only after the workers have processed them. Raises
    BrokerError if the broker does not answer or the topics do not exist.
    """
    check_readable(files)
    with ExitStack() as stack:
        sender = stack.enter_context(_sender(settings))
        bar = stack.enter_context(_progress(files, sender))
        lines = (record for batch in batches(files, bar, MESSAGE_MOST) for record in batch)
        with suppress(_Stop):
            if facts_first:
                _facts_first(settings, sender, lines)
            else:
                _publish(sender, lines)
    return 1 if sender.failed else 0


def _publish(sender: "_Sender", lines: Iterable[Message]) -> None:
    for record in lines:
        sender.send(record, *destination(record.raw))
    sender.flush()


def _facts_first(settings: "Settings", sender: "_Sender", lines: Iterable[Message]) -> None:
    with tempfile.TemporaryFile() as later:
        for record in lines:
            topic, key = destination(record.raw)
            if topic == FACTS or record.whole is not None:
                sender.send(record, topic, key)
            else:
                later.write(orjson.dumps(record.position) + b"\n" + record.raw + b"\n")
        sender.flush()
        _await_taken(settings, sender.ends)
        later.seek(0)
        _publish(sender, (Message(later.readline()[:-1], orjson.loads(position)) for position in later))


class _Stop(Exception):
    """The broker did not accept an event: later ones must not overtake it."""


class _Sender:
    """Sends in order and counts acknowledged events; the number of unacknowledged ones is bounded."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._waiting: deque[tuple[Any, str, str, int]] = deque()
        self._bytes = 0
        self.sent: Counter[str] = Counter()
        self.ends: dict[tuple[str, int], int] = {}
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
        try:
            future = self._producer.send(topic, record.raw, key=key, headers=[STRUCTURED])
        except MessageSizeTooLargeError:
            self._too_large(where, record)
            return
        except KafkaError as error:
            self._failure(where, error)
            raise _Stop from error
        self._waiting.append((future, topic, where, len(record.raw)))
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

        future, topic, where, size = self._waiting.popleft()
        self._bytes -= size
        try:
            stored = future.get()
        except KafkaError as error:
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


def _await_taken(settings: "Settings", ends: dict[tuple[str, int], int]) -> None:
    """Waits until the workers' group has committed these offsets; warns if it makes no progress."""
    from kafka.errors import KafkaError

    end, before = time.monotonic() + TAKEN_SECONDS, None
    with administration(settings) as admin:
        while time.monotonic() < end:
            try:
                taken = _committed(admin, settings.group)
                if all(taken.get(at, 0) >= next_one for at, next_one in ends.items()):
                    return
                if taken != before:
                    before, end = taken, time.monotonic() + TAKEN_SECONDS
                if not _members(admin, settings.group):
                    break
            except KafkaError as error:
                if not getattr(error, "retriable", False):
                    raise
            time.sleep(0.1)
    click.echo(
        f"the facts were sent, but no worker of group {settings.group} has processed all of them; "
        "later shipments may be decided without them",
        err=True,
    )


def _committed(admin: Any, group: str) -> dict[tuple[str, int], int]:
    found = admin.list_group_offsets(group)[group]
    return {(at.topic, at.partition): committed.offset for at, committed in found.items()}


def _members(admin: Any, group: str) -> int:
    return len(admin.describe_groups([group])[group].get("members", ()))


@contextmanager
def _progress(files: Sequence[str], sender: _Sender) -> Iterator[Callable[[int], None]]:
    """A progress bar over the bytes read, with the number of acknowledged events, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class _Acknowledged(ProgressColumn):
        def render(self, task: Task) -> Text:  # noqa: ARG002
            return Text(f"{sender.acknowledged:,} acknowledged")

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
