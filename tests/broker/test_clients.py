"""What is not public of the Kafka clients and used here is there, and as it is used; no broker is needed.

Where one of these fails after a version has moved, the file of that client in `services/kafka/` is to be read again.
"""

import asyncio
import inspect
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import create_conn
from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records
from faust import App
from faust.assignor.partition_assignor import PartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage
from mode.services import WaitResults

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.record import memory_records as plain

from services.kafka import aiokafka_client, faust_app, kafka_python
from services.kafka.headers import PatientBatch
from services.settings import Settings


def parameters(function: Any) -> list[str]:
    return [str(one).partition(":")[0].partition("=")[0] for one in inspect.signature(function).parameters.values()]


# --- Faust


@pytest.mark.parametrize(
    ("owner", "name", "takes", "waits"),
    [
        (App, "_create_directories", ["self"], False),
        (PartitionAssignor, "assign", ["self", "cluster", "member_metadata"], False),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"], False),
        (driver.AIOKafkaConsumerThread, "on_thread_stop", ["self"], True),
        (driver.AIOKafkaConsumerThread, "on_crash", ["self", "msg", "*fmt", "**kwargs"], False),
        (driver.AIOKafkaConsumerThread, "_stopped_set", ["self"], False),
        (driver.Consumer, "_new_consumer_thread", ["self"], False),
        (driver.Consumer, "wait_first", ["self", "*coros", "timeout"], True),
        (driver.Consumer, "_commit", ["self", "offsets"], True),
        (driver.Consumer, "on_partitions_assigned", ["self", "assigned", "generation_id"], True),
        (driver.Consumer, "perform_seek", ["self"], True),
        (driver.Consumer, "seek_wait", ["self", "partitions"], True),
        (driver.Consumer, "assignment", ["self"], False),
    ],
)
def test_what_is_overridden_or_called_of_faust_is_there(owner: Any, name: str, takes: list[str], waits: bool) -> None:
    method = getattr(owner, name)
    assert parameters(method) == takes
    assert inspect.iscoroutinefunction(method) == waits


def test_the_members_that_are_read_of_faust_are_there() -> None:
    app = faust_app.application(Settings(broker="127.0.0.1:1"))
    app.consumer._thread.thread_loop.close()
    assert app.consumer._committed_offset == {}
    assert faust_app.committed_offset(app, ("tpp.facts", 0)) is None
    assert isinstance(app.consumer_generation_id, int)
    assert faust_app.assigned_to(app) == frozenset(), "it has not started"
    assert "generation_id" in ConsumerMessage.__slots__
    assert WaitResults._fields == ("done", "results", "stopped")
    assert issubclass(driver.Transport.Consumer, driver.Consumer)
    assert type(app.transport).Consumer is type(app.consumer)


def test_what_is_committed_goes_to_the_consumer_of_the_application() -> None:
    async def _commit(offsets: dict[str, int]) -> None:
        given.append(offsets)

    given: list[dict[str, int]] = []
    asyncio.run(faust_app.commit(SimpleNamespace(consumer=SimpleNamespace(_commit=_commit)), {"tp": 3}))
    assert given == [{"tp": 3}]


def test_a_note_is_committed_with_its_offset_and_none_without() -> None:
    class Consumer:
        async def commit(self, offsets: Any) -> None:
            given.append(offsets)

        def assignment(self) -> set[TP]:
            return {place, other}

    async def commit() -> None:
        thread = faust_app.application(Settings(broker="127.0.0.1:1")).consumer._thread
        thread.thread_loop.close()
        consumer = Consumer()
        faust_app.commit_notes(consumer)
        thread._consumer = consumer
        await thread._commit({place: faust_app.Noted(3, "noted"), other: 4})

    place, other = TP("tpp.facts", 0), TP("tpp.facts", 1)
    given: list[Any] = []
    asyncio.run(commit())
    assert given == [{place: (3, "noted"), other: (4, "")}]


# --- aiokafka


def test_a_consumer_of_aiokafka_takes_what_it_fetches_by_from_the_members_that_are_set() -> None:
    async def made() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
        before = vars(consumer).copy()
        aiokafka_client.fetch_committed(consumer)
        changed = {name for name, value in vars(consumer).items() if before.get(name) != value}
        assert changed == {"_isolation_level", "_fetch_max_wait_ms", "_fetch_min_bytes"}
        assert changed <= before.keys()
        assert before["_isolation_level"] == "read_uncommitted"
        await consumer.stop()

    asyncio.run(made())
    start = inspect.getsource(AIOKafkaConsumer.start)
    for name in ("isolation_level", "fetch_max_wait_ms", "fetch_min_bytes"):
        assert f"{name}=self._{name}" in start


def test_what_connects_takes_the_options_of_a_client() -> None:
    assert {"security_protocol", "ssl_context", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password"} <= set(
        parameters(create_conn)
    )


# --- header names that are not UTF-8


def fetched() -> bytes:
    """Two batches as a broker sends them: names that are UTF-8, and behind one of these one that is not."""
    batches = b""
    for first, names in ((0, ("aa",)), (1, ("bb", "cc"))):
        made = default_records._DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1 << 20)
        for at, name in enumerate(names):
            made.append(at, 0, None, b"value", [(name, b"x")])
        batches += first.to_bytes(8, "big") + bytes(made.build())[8:]
    return batches.replace(b"cc", b"\xff\xfe")


def names_in(records: Any) -> list[tuple[int, str]]:
    found = []
    while (batch := records.next_batch()) is not None:
        found += [(record.offset, record.headers[0][0]) for record in batch]
    return found


READ = [(0, "aa"), (1, "bb"), (2, "\\xff\\xfe")]


def test_aiokafka_reads_on_behind_a_name_that_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", memory_records.MemoryRecords)
    with pytest.raises(UnicodeDecodeError):
        names_in(fetcher.MemoryRecords(fetched()))
    aiokafka_client.accept_any_header_name()
    assert "MemoryRecords(" in inspect.getsource(fetcher), "the fetcher takes it from its own module"
    assert names_in(fetcher.MemoryRecords(fetched())) == READ


def test_kafka_python_reads_on_behind_a_name_that_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    own = plain.DefaultRecordBatch
    if issubclass(own, PatientBatch):
        own = own.__mro__[2]
    monkeypatch.setattr(plain, "DefaultRecordBatch", own)
    with pytest.raises(Exception, match="utf-8"):
        names_in(plain.MemoryRecords(fetched()))
    kafka_python.accept_any_header_name()
    assert names_in(plain.MemoryRecords(fetched())) == READ
    kafka_python.accept_any_header_name()
    assert plain.DefaultRecordBatch.__mro__.count(PatientBatch) == 1
