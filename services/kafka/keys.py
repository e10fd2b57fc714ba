"""Keys that stand in several partitions of a topic, because its publishers choose the partition in different ways."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from services.kafka.offsets import Place

KEY_BYTES = 128
"""A longer key is kept as its beginning and its SHA-256."""


@dataclass(frozen=True, slots=True)
class SplitKey:
    """A key, as text, and the partitions in which it stands."""

    topic: str
    key: str
    partitions: tuple[int, ...]


class Keys:
    """The keys of messages with their partitions and shipments, in a temporary file, so that millions fit."""

    def __init__(self) -> None:
        self._kept = sqlite3.connect("", isolation_level=None)  # SQLite deletes a file without a name when it closes it
        self._kept.execute("PRAGMA journal_mode = OFF")
        self._kept.execute(
            "CREATE TABLE kept (topic TEXT, key BLOB, partition INTEGER, shipment TEXT, "
            "PRIMARY KEY (topic, key, partition, shipment)) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def add(self, place: Place, found: Iterable[tuple[bytes, str]]) -> None:
        """Adds keys of a partition, each with the shipment that its message names, empty if it names none."""
        rows = [(place[0], _short(key), place[1], shipment) for key, shipment in found]
        self._kept.execute("BEGIN")
        self._kept.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?, ?, ?)", rows)
        self._kept.execute("COMMIT")

    def split(self) -> Iterator[SplitKey]:
        """The keys that stand in more than one partition of their topic."""
        query = (
            "SELECT topic, key, group_concat(DISTINCT partition) FROM kept GROUP BY topic, key "
            "HAVING min(partition) < max(partition)"
        )
        for topic, key, partitions in self._kept.execute(query):
            numbers = tuple(sorted(map(int, partitions.split(","))))
            yield SplitKey(topic, key.decode("utf-8", "backslashreplace"), numbers)

    def shipments(self) -> Iterator[str]:
        """The shipments that messages with such keys name, each once."""
        query = (
            "SELECT DISTINCT shipment FROM kept JOIN (SELECT topic, key FROM kept GROUP BY topic, key "
            "HAVING min(partition) < max(partition)) USING (topic, key) WHERE shipment <> '' ORDER BY shipment"
        )
        yield from (shipment for (shipment,) in self._kept.execute(query))


def _short(key: bytes) -> bytes:
    return key if len(key) <= KEY_BYTES else key[:64] + b" " + sha256(key).hexdigest().encode()
