"""Where a worker goes on in its partitions: at the committed offsets, unless the ledger or the broker lost messages."""

import logging
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from ledger.database.store import Store
from ledger.queries.records import TakenEvent, is_position_known
from services.engine.answers import to_text
from services.engine.engine import Engine
from services.engine.message import Message
from services.kafka.messages import record
from services.kafka.offsets import Committed, Offsets, Place
from services.stream.intake import answered

log = logging.getLogger("tpp.worker")

FIRST, MOST = 8, 64
"""How many messages before the committed offset are looked at first, and at most at once."""

SETTLE_SECONDS = 2.0
"""A broker that has just become the leader of a partition may report an end that is too low for a moment."""

_NOTE = re.compile(r"((?:[0-9a-f]{32})?) ([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class Note:
    """What is committed with an offset: a digest of the message before it, and the offset up to which it catches up.

    The digest is empty if no message is known, `until` is 0 if nothing has to be caught up.
    """

    digest: str = ""
    until: int = 0

    def __str__(self) -> str:
        return f"{self.digest} {self.until}"

    @staticmethod
    def read(text: str) -> "Note":
        """The note of a committed offset; an empty one if a program other than the worker committed it."""
        found = _NOTE.fullmatch(text)
        return Note(found[1], int(found[2])) if found else Note()


@dataclass(frozen=True, slots=True)
class Start:
    """Where to go on in a partition: `offset`, with the note that stands beside it; `moved` if it was not committed."""

    offset: int
    note: Note
    moved: bool


class _BrokerLost(Exception):
    """The messages before the committed offset are not those that were decided; the argument says which."""


def digest(message: Message) -> str:
    """What tells a message from others at its position: 32 hexadecimal digits of its SHA-256."""
    return sha256(message.raw).hexdigest()[:32]


def starts(store: Store, offsets: Offsets, places: Collection[Place]) -> dict[Place, Start]:
    """Where to go on in each partition in which the group has committed an offset.

    After a fail-over or a restore, the ledger may end before messages that were decided and whose offsets are
    committed; then it goes on from the first of them. The broker, too, may have lost its end, and may have grown again
    since (an unclean leader, a restored disk): the message before the committed offset is then not the one that was
    decided, or is not there. Then it goes on from the lowest offset, since what came meanwhile stands anywhere; an
    event that arrives twice counts once. Messages that retention has deleted are no loss.

    Raises KafkaError or BrokerError if the broker does not answer, DatabaseError if the ledger does not.
    """
    committed = offsets.committed_notes(places)
    lowest, ends = offsets.beginnings(committed), offsets.ends(committed)
    if any(one.offset > ends[place] for place, one in committed.items()):
        time.sleep(SETTLE_SECONDS)
        ends = offsets.ends(committed)
    return {place: _start(store, offsets, place, one, lowest[place], ends[place]) for place, one in committed.items()}


def _start(store: Store, offsets: Offsets, place: Place, committed: Committed, lowest: int, end: int) -> Start:
    name, note = f"{place[0]}/{place[1]}", Note.read(committed.note)
    try:
        first = _first_lost(store, offsets, place, lowest, end, committed.offset, note)
    except _BrokerLost as lost:
        log.critical("%s: %s; deciding again from offset %d, the lowest, on", name, lost, lowest)
        return Start(lowest, Note(until=end), moved=True)
    if first is not None:
        log.error("%s: the ledger has lost answers; deciding anew from offset %d on", name, first)
        return Start(first, Note(until=end), moved=True)
    return Start(committed.offset, note, moved=False)


def _first_lost(
    store: Store, offsets: Offsets, place: Place, lowest: int, end: int, committed: int, note: Note
) -> int | None:
    """The first offset whose message has no answer, of those after the last one whose answer names its position.

    Messages of a partition are decided in order. An event that came twice has the position of its first delivery, which
    says nothing about those around the second. Raises _BrokerLost if the partition ends, at offset `end`, before the
    committed offset, and as `_check_last` does.
    """
    if committed > end:
        raise _BrokerLost(f"the broker lost offsets {end} to {committed - 1}")
    first, at, many, is_last = None, committed, FIRST, True
    while at > lowest:
        start = max(lowest, at - many)
        messages: list[Any] = [record(one) for one in offsets.messages(place, start, at)]
        for read, answer in reversed(answered(store, Engine.read(messages))):
            position = read.message.position
            is_own = answer is not None and orjson.loads(answer.position) == position
            if is_last:
                is_known = note.digest and position["offset"] == committed - 1
                _check_last(store, read.message, note.digest if is_known else None, answer, is_own=is_own)
                is_last = False
            if is_own:
                return first
            if answer is None:
                first = position["offset"]
        at, many = start, min(2 * many, MOST)
    return first


def _check_last(store: Store, message: Message, known: str | None, answer: TakenEvent | None, *, is_own: bool) -> None:
    """Raises _BrokerLost if another message than the decided one stands before the committed offset.

    `known` is the digest of the decided message. Where there is none, the ledger tells, from its records of the
    position; a message without an answer, too, is then not the one that was decided.
    """
    offset = message.position["offset"]
    if known is not None:
        if digest(message) != known:
            raise _BrokerLost(f"the broker lost offsets: at {offset} there is another message than was decided")
    elif answer is None:
        raise _BrokerLost(f"the broker lost offsets, or the ledger their answers: the message at {offset} has none")
    elif not is_own:
        with store.read() as connection:
            if is_position_known(connection, to_text(message.position)):
                raise _BrokerLost(f"the broker lost offsets: at {offset} there is another message than was decided")
