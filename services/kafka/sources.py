"""Which events a topic may have: `TPP_SOURCES`, a file that names the sources and types which each topic takes.

Kafka's own access control says who writes to a topic; this says for whom, and what.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from schemas.accounts import matches
from schemas.codes import RejectionCode
from schemas.event_types import INCOMING, INPUTS, OWN_SOURCES
from schemas.wire.errors import shown
from schemas.wire.read import Error, Event
from services.engine.message import ReadMessage, rejected
from services.failure import Failure

_MEMBERS = ("topic", "sources", "types")


@dataclass(frozen=True, slots=True)
class Rule:
    """What one topic takes: events of a source that fits one of `sources`, of a type that fits one of `types`.

    In a pattern `*` stands for any text. A type is written as `shipment.requested` or `tpp.shipment.requested.v1`.
    """

    topic: str
    sources: tuple[str, ...]
    types: tuple[str, ...]

    def has_source(self, source: str) -> bool:
        """Whether a source fits."""
        return any(matches(pattern, source) for pattern in self.sources)

    def has_type(self, name: str) -> bool:
        """Whether a type fits."""
        return any(_fits_type(pattern, name) for pattern in self.types)


@dataclass(frozen=True, slots=True)
class TopicSources:
    """The rules of all topics; several of one topic add up."""

    rules: tuple[Rule, ...]

    def look(self, batch: Sequence[ReadMessage]) -> list[ReadMessage]:
        """The messages, those barred that their topic does not take. What cannot be read is rejected for that."""
        return [self._looked(read) for read in batch]

    def _looked(self, read: ReadMessage) -> ReadMessage:
        event, topic = read.event, read.message.position.get("topic")
        if not isinstance(event, Event):
            return read
        of_source = [rule for rule in self.rules if rule.topic == topic and rule.has_source(event.source)]
        if any(rule.has_type(event.type) for rule in of_source):
            return read
        place, value = ("type", event.type) if of_source else ("source", event.source)
        sentence = f"must be a {place} that TPP_SOURCES allows on {topic}, not {shown(value)}"
        error = Error(f"/{place}", RejectionCode.SOURCE_NOT_ALLOWED, sentence)
        return replace(read, barred=rejected(event, (error,)))


def topic_sources(file: str | None) -> TopicSources | None:
    """The rules of the file that `TPP_SOURCES` names; None without one. Raises Failure if it is not such a file."""
    if file is None:
        return None
    try:
        found = tomllib.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise _failure(file, f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _failure(file, f"is not TOML: {error}") from error
    rows = found.pop("allow", None)
    if found or not isinstance(rows, list) or not rows:
        unknown = f", not {', '.join(found)}" if found else ""
        raise _failure(file, f"must have [[allow]] tables{unknown}")
    rules = tuple(_rule(file, number, row) for number, row in enumerate(rows, 1))
    if missing := [topic for topic in INPUTS if topic not in {rule.topic for rule in rules}]:
        raise _failure(file, f'has nothing for {missing[0]}; write sources = ["*"] if it may have any source')
    return TopicSources(rules)


def _rule(file: str, number: int, row: Any) -> Rule:
    where = f"[[allow]] {number}"
    if not isinstance(row, dict):
        raise _failure(file, f"{where} must be a table")
    if unknown := [name for name in row if name not in _MEMBERS]:
        raise _failure(file, f"{where}: {unknown[0]!r} is not one of {', '.join(_MEMBERS)}")
    topic = row.get("topic")
    if topic not in INPUTS:
        raise _failure(file, f"{where}: topic must be {' or '.join(INPUTS)}, not {topic!r}")
    sources = _texts(file, where, "sources", row.get("sources"))
    types = _texts(file, where, "types", row.get("types", "*"))
    if own := [pattern for pattern in sources if pattern.startswith(OWN_SOURCES)]:
        raise _failure(file, f"{where}: {own[0]!r} fits no event: {OWN_SOURCES}… is the program's own")
    if unknown := [pattern for pattern in types if not any(_fits_type(pattern, name) for name in INCOMING)]:
        raise _failure(file, f"{where}: {unknown[0]!r} fits no type of event that comes in")
    return Rule(topic, sources, types)


def _texts(file: str, where: str, name: str, value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise _failure(file, f"{where}: {name} must be a list of patterns")
    return tuple(texts)


def _fits_type(pattern: str, name: str) -> bool:
    return matches(pattern, name) or matches(pattern, name.removeprefix("tpp.").removesuffix(".v1"))


def _failure(file: str, why: str) -> Failure:
    return Failure(f"TPP_SOURCES {file} {why}")
