"""Follows the topics: a readable line for each event, or the events as they were published."""

import heapq
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import orjson
from kafka import ConsumerRebalanceListener

from schemas.accounts import FAMILIES, matches
from schemas.event_types import ALERTS, DECISIONS, REJECTED
from services.failure import BrokerError, Failure, did_you_mean
from services.kafka.access import address, client_options
from services.kafka.kafka_python import accept_any_header_name
from services.kafka.topics import check_topics
from services.printing import print_bytes, print_text
from services.stream.signals import Ended, until_signal
from services.views.event_lines import accounts_of, is_tick, line
from services.visible import visible

if TYPE_CHECKING:
    from kafka import KafkaConsumer

    from services.settings import Settings

DEFAULT_TOPICS = (DECISIONS, ALERTS, REJECTED)
POLL_SECONDS = 0.5
POLL_MOST = 500
_COLOURS = {
    "approved": "green",
    "released": "green",
    "held": "yellow",
    "denied": "red",
    "refused": "red",
    "rejected": "red",
    "alert": "magenta",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to follow and when to stop.

    `account`: only events about accounts that match this pattern. `group`: the broker keeps the position under this
    name. `most`: stop after this many events. `idle`: stop after this many seconds without an event. `ticks`: whether
    readable lines include ticks; otherwise a tick is not an event either, once the watcher has caught up.
    """

    topics: Sequence[str] = DEFAULT_TOPICS
    account: str | None = None
    from_start: bool = False
    form: str = "line"
    group: str | None = None
    most: int | None = None
    idle: float | None = None
    ticks: bool = False


def run(settings: "Settings", wanted: Wanted) -> int:
    """Writes events to standard output until Ctrl-C, SIGTERM, `most` or `idle`; returns 0.

    Raises BrokerError if the broker does not answer, a topic does not exist or the group is that of the workers, and
    Failure if no account can match the pattern.
    """
    _check_account(wanted.account)
    if wanted.group is not None and wanted.group == settings.group:
        raise BrokerError(f"{wanted.group} is the group of the workers (TPP_GROUP); use another group name")
    check_topics(settings, wanted.topics)
    with until_signal() as ended, _consumer(settings, wanted) as consumer:
        click.echo(f"watching {' '.join(wanted.topics)}; press Ctrl-C to stop", err=True)
        _follow(consumer, wanted, ended)
    return 0


def _check_account(pattern: str | None) -> None:
    """Raises Failure if a pattern names a family of accounts that does not exist."""
    if pattern is None:
        return
    family, slash, _ = pattern.partition("/")
    known = [f"{name}/*" for name in (*FAMILIES, "flow")]
    if "*" not in family and f"{family}{slash}*" not in known:
        meant = did_you_mean(f"{family}/*", known) or f"; patterns of accounts are {', '.join(known)}"
        raise Failure(f"no account matches {pattern!r}{meant}")


class _Resembling:
    """Says once which account may have been meant, as long as no event is about one that matches."""

    def __init__(self, pattern: str | None) -> None:
        self._pattern = pattern

    def look(self, event: Mapping[str, Any], matched: bool) -> None:
        """Looks at an event that matched or not."""
        if matched:
            self._pattern = None
        if self._pattern is not None and (meant := did_you_mean(self._pattern, accounts_of(event))):
            click.echo(visible(f"no event yet about {self._pattern}{meant}"), err=True)
            self._pattern = None


def _follow(consumer: "KafkaConsumer", wanted: Wanted, ended: Ended) -> None:
    written, resembling = 0, _Resembling(wanted.account)
    last = time.monotonic()
    assigned = _Assigned()
    if wanted.group is not None:
        consumer.subscribe(topics=list(wanted.topics), listener=assigned)
    while not ended.is_set():
        found = consumer.poll(timeout_ms=int(POLL_SECONDS * 1000), max_records=POLL_MOST)
        if _counts(consumer, found, wanted) or not (wanted.group is None or assigned.joined):
            last = time.monotonic()
        elif wanted.idle is not None and time.monotonic() - last >= wanted.idle:
            return
        places = assigned.begins(consumer, found)
        for record in in_order(found.values()):
            text = shown(record.value, wanted)
            resembling.look(_read(record.value), text is not None)
            if text is not None:
                _write(text)
                written += 1
            places[(record.topic, record.partition)] = record.offset + 1
            if written == wanted.most:
                break
        sys.stdout.flush()
        if wanted.group is not None and places:
            _keep(consumer, places)
        if written == wanted.most:
            return


def _counts(consumer: "KafkaConsumer", found: Mapping[Any, Sequence[Any]], wanted: Wanted) -> bool:
    """Whether there are events in what was found: more than a hidden tick at the end of its partition."""
    if wanted.ticks or wanted.form == "jsonl":
        return bool(found)
    return any(
        consumer.position(at) < (consumer.highwater(at) or 0) or not all(is_tick(_read(one.value)) for one in records)
        for at, records in found.items()
    )


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]
    """The partitions that are assigned to a watcher of a group."""

    def __init__(self) -> None:
        self.joined = False
        self._new: set[Any] = set()

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Forgets partitions that are assigned to another watcher."""
        self._new.difference_update(revoked)

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Notes new partitions."""
        self.joined = True
        self._new.update(assigned)

    def begins(self, consumer: "KafkaConsumer", found: Mapping[Any, Any]) -> dict[tuple[str, int], int]:
        """The positions of new partitions without an event and without a committed offset: they are to be committed.

        Otherwise the next watcher of the group would start at their ends, and miss what arrived in between.
        """
        new, self._new = self._new - set(found), set()
        return {(at.topic, at.partition): consumer.position(at) for at in new if consumer.committed(at) is None}


def in_order(partitions: Any) -> Iterator[Any]:
    """The records of several partitions in the order of publication; those of one partition keep their order."""
    return heapq.merge(*partitions, key=lambda record: str(_read(record.value).get("sequence") or ""))


def shown(value: bytes | None, wanted: Wanted) -> bytes | str | None:
    """The text of a message; None if it is an unwanted tick, is not about the wanted accounts, or has no value."""
    if not value:
        return None
    event = _read(value)
    if wanted.account is not None and not any(matches(wanted.account, account) for account in accounts_of(event)):
        return None
    if wanted.form == "line" and not wanted.ticks and is_tick(event):
        return None
    return value.replace(b"\r", b" ").replace(b"\n", b" ") if wanted.form == "jsonl" else line(event, _coloured)


def _write(text: bytes | str) -> None:
    if isinstance(text, str):
        print_text(text if _colours() else click.unstyle(text))
    else:
        print_bytes(text + b"\n")


def _colours() -> bool:
    """Whether lines are coloured: on a terminal that has colours, unless NO_COLOR is set (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _coloured(text: str, word: str) -> str:
    return click.style(text, fg=_COLOURS[word]) if word in _COLOURS else text


def _read(value: bytes | None) -> Mapping[str, Any]:
    try:
        found = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _keep(consumer: "KafkaConsumer", places: Mapping[tuple[str, int], int]) -> None:
    """Commits the offsets, except of partitions that have moved to another member."""
    from kafka.errors import CommitFailedError, RebalanceInProgressError
    from kafka.structs import OffsetAndMetadata, TopicPartition

    mine = consumer.assignment()
    offsets = {TopicPartition(*at): OffsetAndMetadata(place, "", -1) for at, place in places.items()}
    try:
        consumer.commit({at: place for at, place in offsets.items() if at in mine})
    except (CommitFailedError, RebalanceInProgressError):
        click.echo("the group was rebalanced; some events will be shown again", err=True)


@contextmanager
def _consumer(settings: "Settings", wanted: Wanted) -> Iterator["KafkaConsumer"]:
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError
    from kafka.structs import TopicPartition

    accept_any_header_name()
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=address(settings).split(","),
            client_id="tpp-watch",
            fetch_max_wait_ms=100,
            group_id=wanted.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest" if wanted.from_start else "latest",
            allow_auto_create_topics=False,
            **client_options(settings),
        )
    except (KafkaError, OSError) as error:
        raise BrokerError(f"the broker at {settings.broker} does not answer: {error}") from error
    try:
        if wanted.group is None:
            of = [
                TopicPartition(topic, at)
                for topic in wanted.topics
                for at in consumer.partitions_for_topic(topic) or ()
            ]
            consumer.assign(of)
            for at in of:
                consumer.position(at)
        yield consumer
    except KafkaError as error:
        raise BrokerError(f"the broker at {settings.broker} failed: {error}") from error
    finally:
        consumer.close()
