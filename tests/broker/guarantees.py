"""What must hold after whatever happened: each event one answer, the same balances, everything out as it is stored."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
from stream_run import Sending, Stream, screened, shipments

from services.stream.intake import intake

Load = list[tuple[str, bytes]]
"""Keys and events, in the order in which they are published."""


def a_load(count: int) -> Load:
    """Requests of so many shipments, cancellations of every fifth, and a tenth of all events a second time."""
    return list(_load(shipments(count)))


def an_endless_load() -> Iterator[tuple[str, bytes]]:
    """The same of ever more shipments."""
    return _load(shipments(None))


def _load(requests: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """The order within a shipment is kept."""
    chance = random.Random(11)
    for n, line in enumerate(requests):
        event = orjson.loads(line)
        name = event["subject"]
        last = name, line
        yield last
        if n % 5 == 0:
            data = {"shipment_id": name, "reason": "The order was withdrawn."}
            cancelled = event | {"id": f"cancel-{n}", "type": "tpp.shipment.cancelled.v1", "data": data}
            last = name, orjson.dumps(cancelled)
            yield last
        if chance.random() < 0.1:
            yield last


def shares(load: Load, count: int) -> list[list[Sending]]:
    """The load in so many parts, as messages."""
    step = -(-len(load) // count)
    return [[Sending(line, key) for key, line in load[at : at + step]] for at in range(0, len(load), step)]


def all_hold(stream: Stream, load: Load, folder: Path) -> None:
    """Holds what the stream left behind against the load, and against a run that nothing disturbed."""
    texts, balances = screened([line for _, line in load], f"sqlite:///{folder / 'undisturbed.db'}")
    assert stream.balances() == balances
    _one_answer_each(stream, load, set(texts))
    _published_as_stored(stream)
    found = intake(stream.settings, stream.url)
    assert found["missing"] == found["doubled"] == []
    assert found["topics"]["tpp.shipments"]["answered"] >= len(load)


def _one_answer_each(stream: Stream, load: Load, undisturbed: set[str]) -> None:
    answers = [orjson.loads(text) for text in stream.answers()]
    causes = [tuple(one["data"]["causation"].values()) for one in answers if "causation" in one["data"]]
    events = {(event["source"], event["id"]) for event in (orjson.loads(line) for _, line in load)}
    assert sorted(causes) == sorted(events)
    ids = {one["id"] for one in answers}
    assert len(ids) == len(answers)
    assert ids == {orjson.loads(text)["id"] for text in undisturbed}


def _published_as_stored(stream: Stream) -> None:
    stored = {orjson.loads(text)["id"]: text.encode() for text in stream.answers()}
    sent = [message for messages in stream.out().values() for message in messages]
    for message in sent:
        assert message.value == stored[orjson.loads(message.value)["id"]]
    assert {message.value for message in sent} == set(stored.values())
