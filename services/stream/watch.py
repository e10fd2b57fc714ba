"""Follows the topics: a readable line for each event, or the events as they were published."""

import heapq
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import orjson
from kafka import ConsumerRebalanceListener

from schemas.accounts import matches
from schemas.event_types import ALERTS, DECISIONS, EVENT_RECORDED, EVENT_REJECTED, OBLIGATION_DUE, QUOTA_ALERT
from services.failure import BrokerError
from services.kafka.access import address, client_options
from services.kafka.kafka_python import accept_any_header_name
from services.kafka.topics import check_topics
from services.stream.signals import Ended, until_signal

if TYPE_CHECKING:
    from kafka import KafkaConsumer

    from services.settings import Settings

DEFAULT_TOPICS = (DECISIONS, ALERTS)
POLL_SECONDS = 0.5
POLL_MOST = 500
_COLOURS = {
    "approved": "green",
    "released": "green",
    "held": "yellow",
    "denied": "red",
    "rejected": "red",
    "alert": "magenta",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to follow and when to end.

    `account`: only events about an account that fits this pattern. `group`: where to go on from is kept at the broker
    under this name. `most`: end after so many events were written. `idle`: end when none came for so many seconds.
    """

    topics: Sequence[str] = DEFAULT_TOPICS
    account: str | None = None
    from_start: bool = False
    form: str = "line"
    group: str | None = None
    most: int | None = None
    idle: float | None = None


def run(settings: "Settings", wanted: Wanted) -> int:
    """Writes what comes out to standard output until Ctrl-C, SIGTERM, `most` or `idle`; returns 0.

    Raises BrokerError where the broker does not answer, a topic is not there or the group is that of the workers.
    """
    if wanted.group is not None and wanted.group == settings.group:
        raise BrokerError(
            f"{wanted.group} is the group of the workers (TPP_GROUP): take a name of its own to resume from"
        )
    check_topics(settings, wanted.topics)
    with until_signal() as ended, _consumer(settings, wanted) as consumer:
        click.echo(f"watching {' '.join(wanted.topics)}; Ctrl-C ends", err=True)
        _follow(consumer, wanted, ended)
    return 0


def _follow(consumer: "KafkaConsumer", wanted: Wanted, ended: Ended) -> None:
    written = 0
    last = time.monotonic()
    given = _Given()
    if wanted.group is not None:
        consumer.subscribe(topics=list(wanted.topics), listener=given)
    while not ended.is_set():
        found = consumer.poll(timeout_ms=int(POLL_SECONDS * 1000), max_records=POLL_MOST)
        if found or not (wanted.group is None or given.joined):
            last = time.monotonic()
        elif wanted.idle is not None and time.monotonic() - last >= wanted.idle:
            return
        places = given.begins(consumer, found)
        for record in in_order(found.values()):
            text = shown(record.value, wanted)
            if text is not None:
                click.echo(text)
                written += 1
            places[(record.topic, record.partition)] = record.offset + 1
            if written == wanted.most:
                break
        sys.stdout.flush()
        if wanted.group is not None and places:
            _keep(consumer, places)
        if written == wanted.most:
            return


class _Given(ConsumerRebalanceListener):  # type: ignore[misc]
    """What a watcher of a group is given to follow."""

    def __init__(self) -> None:
        self.joined = False
        self._new: set[Any] = set()

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Forgets partitions that go to another watcher."""
        self._new.difference_update(revoked)

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Notes new partitions."""
        self.joined = True
        self._new.update(assigned)

    def begins(self, consumer: "KafkaConsumer", found: Mapping[Any, Any]) -> dict[tuple[str, int], int]:
        """Where new partitions begin that gave nothing yet and have no place kept at the broker: to be kept there.

        The next watcher of the group would begin at their ends else, and miss what came between.
        """
        new, self._new = self._new - set(found), set()
        return {(at.topic, at.partition): consumer.position(at) for at in new if consumer.committed(at) is None}


def in_order(partitions: Any) -> Iterator[Any]:
    """The records of several partitions by the order of publication, those of one partition as they stand in it."""
    return heapq.merge(*partitions, key=lambda record: str(_read(record.value).get("sequence") or ""))


def shown(value: bytes | None, wanted: Wanted) -> bytes | str | None:
    """What is written of a message; None where it is not about the accounts that are wanted, or has no value."""
    if not value:
        return None
    event = _read(value)
    if wanted.account is not None and not any(matches(wanted.account, account) for account in accounts_of(event)):
        return None
    return value.replace(b"\r", b" ").replace(b"\n", b" ") if wanted.form == "jsonl" else line(event)


def accounts_of(event: Mapping[str, Any]) -> set[str]:
    """The paths of the accounts that an event is about: debited, moved, short or alerted."""
    data = _mapping(event.get("data"))
    found = [data.get("account")]
    for name in ("debits", "entries"):
        found += [_mapping(one).get("account") for one in _list(data.get(name))]
    found += [_mapping(_mapping(one).get("facts")).get("account") for one in _list(data.get("reasons"))]
    return {one for one in found if isinstance(one, str)}


def line(event: Mapping[str, Any]) -> str:
    """One event on one line: when, what came out, the shipment, under what, how many TPP, why.

    >>> line({"type": "tpp.event.recorded.v1", "time": "2025-06-02T09:30:00Z", "subject": "CON-1", "data": {}})
    '2025-06-02T09:30:00Z  recorded  CON-1'
    """
    kind = str(event.get("type", ""))
    data = _mapping(event.get("data"))
    about = str(data.get("shipment_id") or event.get("subject") or "")
    if kind == QUOTA_ALERT:
        word, parts = "alert", [str(data.get("account")), *_alert(data)]
    elif kind == OBLIGATION_DUE:
        word = str(data.get("state", "due"))
        parts = [about, str(data.get("kind")), f"by {data.get('due')}", str(data.get("citation", ""))]
    elif kind == EVENT_REJECTED:
        word, parts = "rejected", [str(event.get("subject")), "; ".join(map(_error, _list(data.get("errors"))))]
    elif kind == EVENT_RECORDED:
        word, parts = "recorded", [about, str(data.get("state") or ""), *map(_entry, _list(data.get("entries")))]
    elif "outcome" in data:
        word, parts = str(data["outcome"]), [about, *_decision(data)]
    else:
        word, parts = kind.removeprefix("tpp.").removesuffix(".v1") or "unreadable", [about]
    when, what, *rest = map(_plain, [str(event.get("time") or "-"), f"{word:<8}", *parts])
    coloured = click.style(what, fg=_COLOURS[word]) if word in _COLOURS else what
    return "  ".join(filter(None, [when, coloured, *rest])).rstrip()


def _decision(data: Mapping[str, Any]) -> list[str]:
    under = _mapping(data.get("authorization"))
    kind = " ".join(str(under[name]) for name in ("kind", "reference") if under.get(name))
    tpp = data.get("tpp")
    why = "; ".join(f"{one.get('code')}: {one.get('message')}" for one in map(_mapping, _list(data.get("reasons"))))
    return [kind, f"{_amount(tpp)} TPP" if tpp is not None else "", why]


def _alert(data: Mapping[str, Any]) -> list[str]:
    reached = f" {data['threshold']}" if data.get("threshold") is not None else ""
    limit = f" of {_amount(data['limit'])}" if data.get("limit") is not None else ""
    more = f"exhausted by {data['projected_exhaustion']}" if data.get("projected_exhaustion") else ""
    waiting = f"{data['holds_waiting']} holds wait" if data.get("holds_waiting") else ""
    return [f"{data.get('kind')}{reached}", f"{_amount(data.get('balance'))}{limit} TPP", more, waiting]


def _entry(entry: Any) -> str:
    told = _mapping(entry)
    return f"{told.get('account')} {told.get('state')} {_amount(told.get('amount'))}"


def _error(error: Any) -> str:
    told = _mapping(error)
    return " ".join(str(told[name]) for name in ("pointer", "code", "message") if told.get(name))


def _amount(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(text: str) -> str:
    """The text without what could end the line or drive a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _read(value: bytes | None) -> Mapping[str, Any]:
    try:
        return _mapping(orjson.loads(value or b""))
    except orjson.JSONDecodeError:
        return {}


def _keep(consumer: "KafkaConsumer", places: Mapping[tuple[str, int], int]) -> None:
    """Commits the places; one that moved to another member meanwhile is that member's to commit."""
    from kafka.errors import CommitFailedError, RebalanceInProgressError
    from kafka.structs import OffsetAndMetadata, TopicPartition

    mine = consumer.assignment()
    offsets = {TopicPartition(*at): OffsetAndMetadata(place, "", -1) for at, place in places.items()}
    try:
        consumer.commit({at: place for at, place in offsets.items() if at in mine})
    except (CommitFailedError, RebalanceInProgressError):
        click.echo("the group was shared out anew: some events will come again", err=True)


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
