"""Messages whose header names are no UTF-8: the clients refuse them, and would stand before them for ever."""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any, SupportsIndex

_HEAD = struct.Struct(">qi")
"""Of a batch: its first offset, and how many bytes follow (Kafka protocol, record batch, version 2)."""


class _Names(bytearray):
    """Bytes of records, of which each that is no UTF-8 is read as a backslash with its number."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        part = super().__getitem__(at)
        return _Names(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        """The text of a name."""
        return super().decode(encoding, errors)


def accepted_by_kafka_python() -> None:
    """Lets kafka-python, in this process, read messages whose header names are no UTF-8."""
    import kafka.record.memory_records as plain

    if not issubclass(plain.DefaultRecordBatch, _Patient):
        plain.DefaultRecordBatch = type("DefaultRecordBatch", (_Patient, plain.DefaultRecordBatch), {})


def accepted_by_aiokafka() -> None:
    """Lets aiokafka, in this process, read messages whose header names are no UTF-8."""
    from aiokafka.consumer import fetcher

    fetcher.MemoryRecords = _Records


class _Patient:
    """A batch of records, read by Python, that goes on where a name is no UTF-8."""

    _buffer: bytearray

    def __next__(self) -> Any:
        try:
            return super().__next__()  # type: ignore[misc]
        except Exception as error:
            if isinstance(self._buffer, _Names) or not isinstance(error.__cause__ or error.__context__, UnicodeError):
                raise
        self._buffer = _Names(self._buffer)
        return super().__next__()  # type: ignore[misc]


class _Records:
    """The batches of a fetch, of which aiokafka's extension reads those that it can."""

    def __init__(self, fetched: bytes) -> None:
        from aiokafka.record.memory_records import MemoryRecords

        self._fetched = memoryview(fetched)
        self._place = 0
        self._fast = MemoryRecords(fetched)
        self.has_next, self.size_in_bytes = self._fast.has_next, self._fast.size_in_bytes

    def next_batch(self) -> Any:
        """The next batch; None after the last."""
        batch = self._fast.next_batch()
        if batch is None:
            return None
        begin, (_, size) = self._place, _HEAD.unpack_from(self._fetched, self._place)
        self._place += _HEAD.size + size
        return _Batch(batch, self._fetched[begin : self._place])


class _Batch:
    """A batch as aiokafka reads it; from a name that is no UTF-8 on, read by Python."""

    def __init__(self, fast: Any, raw: memoryview) -> None:
        self._fast = fast
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def __next__(self) -> Any:
        return next(self._fast)

    def __iter__(self) -> Iterator[Any]:
        given = 0
        try:
            for record in self._fast:
                yield record
                given += 1
        except UnicodeError:
            yield from islice(_read_by_python(self._raw), given, None)


def _read_by_python(raw: memoryview) -> Iterator[Any]:
    from aiokafka.record import default_records

    batch: Any = type("_Batch", (_Patient, default_records._DefaultRecordBatchPy), {})(bytes(raw))  # noqa: SLF001
    return iter(batch)
