"""The broker of these tests, one for each test process, and streams over it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brokers import Broker, broker, java_there
from databases import Databases, Server
from stream_run import Stream

__all__ = ["broker", "java_there"]


@pytest.fixture
def streams(broker: Broker, postgres: Server, tmp_path: Path) -> Iterator[Callable[..., Stream]]:
    """Makes streams over topics that are new and a PostgreSQL ledger that is empty."""
    databases = Databases("postgresql", tmp_path, postgres)
    made: list[Stream] = []

    def new(partitions: int = 1) -> Stream:
        made.append(Stream(broker.fresh(partitions), databases.ledger(), tmp_path))
        return made[-1]

    yield new
    for stream in made:
        stream.kill_all()
        databases.drop(stream.url)
