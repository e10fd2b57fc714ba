"""A reader of `/v1/stream`, which a test may cut off wherever it likes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ledger.database.store import Store
from ledger.queries.records import outbox


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as the stream sends it."""

    id: str
    event: str
    data: str


def read(client: httpx.Client, headers: Mapping[str, str] | None = None, **query: Any) -> Iterator[Sent]:
    """The events of a stream as they come, until it ends or the reader goes."""
    with client.stream("GET", "/v1/stream", params=query, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream"
        held = b""
        for part in answer.iter_bytes():
            held += part
            *whole, held = held.split(b"\n\n")
            for frame in whole:
                if frame != b":":
                    fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
                    assert list(fields) == [b"id", b"event", b"data"], frame
                    yield Sent(*(value.decode() for value in fields.values()))


def published(ledger: str) -> list[str]:
    """All that a ledger has given out, in order."""
    store = Store(ledger)
    try:
        with store.read() as connection:
            return [text for one in outbox(connection, 0, 1_000_000) for text in one.answers]
    finally:
        store.close()
