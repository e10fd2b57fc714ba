"""The Faust application: raw messages, committed ones only, in fetches that the broker gathers.

Private parts of Faust are used only here; `tests/broker/test_clients.py` shows what a new version breaks.
"""

import asyncio
import io
import logging
import sys
import tempfile
import types
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from services.kafka.access import faust_broker, faust_credentials
from services.kafka.aiokafka_client import accept_any_header_name, fetch_committed
from services.kafka.offsets import Place
from services.kafka.queues import BoundedInBytes

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

BUFFER, BUFFER_BYTES = 4096, 16 << 20
"""The waiting events of a topic, and their bytes, at which its partitions are paused."""

SESSION_SECONDS = 6.0
"""A killed member keeps its partitions this long; the broker accepts no less."""


def _assignor(places: Sequence[Place]) -> type:
    """Faust's assignor, which assigns these partitions even if a broker that has just started does not list them.

    Faust would leave the whole group without partitions until the next metadata refresh, minutes later.
    """
    from faust.assignor.partition_assignor import PartitionAssignor

    class _Assignor(PartitionAssignor):
        def assign(self, cluster: Any, member_metadata: Any) -> Any:
            return super().assign(_Cluster(cluster, places), member_metadata)

    return _Assignor


class _Cluster:
    """The partitions that the broker lists, and the known ones of topics that it does not list yet."""

    def __init__(self, cluster: Any, places: Sequence[Place]) -> None:
        self._cluster = cluster
        self._places = places

    def partitions_for_topic(self, topic: str) -> set[int]:
        """The numbers of a topic's partitions."""
        return self._cluster.partitions_for_topic(topic) or {number for name, number in self._places if name == topic}


class Noted(int):
    """An offset, and a note that is committed with it."""

    note: str

    def __new__(cls, offset: int, note: str) -> Self:
        """The offset with its note."""
        noted = super().__new__(cls, offset)
        noted.note = note
        return noted


Resume = Callable[[Collection[Place]], Awaitable[Mapping[Place, Noted]]]
"""Says of partitions that were just assigned where to go on, if not at their committed offsets; it is committed."""


async def _at_committed(_: Collection[Place]) -> Mapping[Place, Noted]:
    return {}


def application(settings: "Settings", places: Sequence[Place] = (), resume: Resume = _at_committed) -> Any:
    """The Faust application: raw bytes, no acknowledgement of its own; it never creates topics or folders.

    `places`: partitions that are known to exist. `resume` is asked at each assignment. Messages of uncommitted
    transactions are skipped.
    """
    import faust
    from mode.utils.queues import ThrowableQueue

    class _Queue(BoundedInBytes, ThrowableQueue[Any]):
        most_bytes = BUFFER_BYTES

        def clear(self) -> None:
            """Removes all events."""
            super().clear()
            self._bytes = 0

    class _App(faust.App):
        def _create_directories(self) -> None:
            """Creates none: there are no tables to keep in them."""

        def FlowControlQueue(  # noqa: N802
            self, maxsize: int | None = None, *, clear_on_resume: bool = False
        ) -> ThrowableQueue[Any]:
            return _Queue(maxsize or BUFFER, flow_control=self.flow_control, clear_on_resume=clear_on_resume)

    app = _App(
        settings.group,
        broker=faust_broker(settings),
        broker_credentials=faust_credentials(settings),
        consumer_auto_offset_reset="earliest",
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / "tpp-faust",
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFER,
        stream_recovery_delay=0.0,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=1.0,
        worker_redirect_stdouts=False,
        PartitionAssignor=_assignor(places),
    )
    app.transport = _transport(app, resume)
    return app


async def _started(coroutine: Any, future: Any) -> Any:
    """The result of a started coroutine; `future` is what it waits for."""

    @types.coroutine
    def resume() -> Any:
        try:
            yield future
        except BaseException as error:
            coroutine.throw(error)
            raise
        return (yield from coroutine)

    return await resume()


def commit_notes(consumer: Any) -> None:
    """Lets a consumer of aiokafka commit the notes of offsets with them."""
    from aiokafka.structs import OffsetAndMetadata

    commit = consumer.commit

    async def commit_with_notes(offsets: Mapping[Any, Any]) -> None:
        await commit({tp: OffsetAndMetadata(at.offset, getattr(at.offset, "note", "")) for tp, at in offsets.items()})

    consumer.commit = commit_with_notes


def _thread(driver: Any) -> type:
    """A consumer's thread: reads committed messages, in gathered fetches, and always signals its end.

    It commits the notes of offsets with them.
    """
    from aiokafka.errors import KafkaError

    class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
        def _create_worker_consumer(self, transport: Any) -> Any:
            consumer = super()._create_worker_consumer(transport)
            fetch_committed(consumer)
            commit_notes(consumer)
            return consumer

        async def on_thread_stop(self) -> None:
            with suppress(asyncio.CancelledError):  # aiokafka's fetch is cancelled, not this thread
                await super().on_thread_stop()

        def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
            if not isinstance(sys.exc_info()[1], KafkaError):
                super().on_crash(msg, *fmt, **kwargs)
            else:
                log.critical("the broker failed: %s", sys.exc_info()[1])

        def _stopped_set(self) -> None:
            with suppress(RuntimeError):  # a thread that has failed has closed its loop
                super()._stopped_set()

    return _Thread


def _resuming(consumer: type, resume: Resume) -> type:
    """A consumer that goes on where `resume` says, in the partitions that are assigned to it."""
    from faust.types import TP

    class _Resuming(consumer):  # type: ignore[misc]
        _begin: Mapping[Place, Noted] = MappingProxyType({})
        placed = 0

        async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
            try:
                self._begin = await resume(assigned)
            except Exception as error:  # noqa: BLE001  whatever it is, the process ends with it
                await self.crash(error)
                return
            await super().on_partitions_assigned(assigned, generation_id)

        async def perform_seek(self) -> None:
            begin = {TP(*place): offset for place, offset in self._begin.items()}
            self._begin = {}
            if begin:
                await self._commit(begin)
            await super().perform_seek()
            if begin:
                await self.seek_wait(begin)  # aiokafka does not seek to a committed 0
            self.placed = self.app.consumer_generation_id

    return _Resuming


def _transport(app: Any, resume: Resume) -> Any:
    """Faust's transport, which skips aborted messages and accepts header names that are not UTF-8.

    It creates no task for a message that is available at once, and reads on where `resume` says.
    """
    from faust.transport.drivers import aiokafka as driver
    from mode.services import WaitResults

    accept_any_header_name()
    thread = _thread(driver)

    class _Consumer(driver.Consumer):
        async def wait_first(self, *waited: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109
            first, *others = waited
            if asyncio.iscoroutine(first):
                try:
                    future = first.send(None)
                except BaseException as end:
                    for one in filter(asyncio.iscoroutine, others):
                        one.close()
                    if isinstance(end, StopIteration):
                        return WaitResults([first], [end.value], stopped=False)
                    raise
                first = _started(first, future)
            return await super().wait_first(first, *others, timeout=timeout)

        def _new_consumer_thread(self) -> Any:
            return thread(self, loop=self.loop, beacon=self.beacon)

    class _Transport(driver.Transport):
        pass

    _Transport.Consumer = _resuming(_Consumer, resume)
    return _Transport(app.conf.broker_consumer, app)


def add_agent(app: Any, topic: str, read: Callable[[Any], Awaitable[None]]) -> None:
    """Lets `read` consume a topic's stream of raw messages; if it raises, the application ends."""
    from mode.supervisors import CrashingSupervisor

    raw = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False)

    async def _agent(stream: Any) -> None:
        await read(stream)

    app.agent(raw, name=topic, supervisor_strategy=CrashingSupervisor)(_agent)


def run_until_signal(app: Any) -> int:
    """Runs an application until SIGTERM or SIGINT; the exit code: 0, or 1 after a failure."""
    import faust

    worker = faust.Worker(app, override_logging=False, quiet=True, redirect_stdouts=False, stdout=io.StringIO())
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1


def assigned_to(app: Any) -> AbstractSet[Any]:
    """The topic partitions assigned to an application; none before its start."""
    from faust.exceptions import ConsumerNotStarted

    try:
        return frozenset(app.consumer.assignment())
    except ConsumerNotStarted:
        return frozenset()


def is_placed(app: Any) -> bool:
    """Whether an application goes on in the partitions that its group has assigned to it, or was assigned none."""
    generation: int = app.consumer_generation_id
    return generation > 0 and (not assigned_to(app) or app.consumer.placed == generation)


async def commit(app: Any, offsets: Mapping[Any, Noted]) -> None:
    """Commits the offsets at which to resume, by topic partition, with their notes."""
    await app.consumer._commit(offsets)  # noqa: SLF001


def committed_offset(app: Any, partition: Any) -> int | None:
    """The offset at which the group resumes in a topic partition; None if it never committed one."""
    found: int | None = app.consumer._committed_offset.get(partition)  # noqa: SLF001
    return found
