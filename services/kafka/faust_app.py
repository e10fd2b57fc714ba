"""The Faust application: raw messages, committed ones only, in fetches that the broker gathers.

What is not public of Faust is used here only; `tests/broker/test_clients.py` says what a new version breaks.
"""

import asyncio
import io
import logging
import sys
import tempfile
import types
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.kafka.access import faust_broker, faust_credentials
from services.kafka.aiokafka_client import accept_any_header_name, fetch_committed
from services.kafka.offsets import Place
from services.kafka.queues import BoundedInBytes

if TYPE_CHECKING:
    from services.settings import Settings

log = logging.getLogger("tpp.worker")

BUFFER, BUFFER_BYTES = 4096, 16 << 20
"""A partition is paused where the events of its topic that wait for the agent are so many, or of so many bytes."""

SESSION_SECONDS = 6.0
"""A member that was killed holds its partitions for so long; the broker takes no less."""


def _assignor(places: Sequence[Place]) -> type:
    """Faust's assignor, which shares out these partitions too where a broker that just started does not tell of them.

    Faust would leave the whole group without any, until the next look at the broker, minutes later.
    """
    from faust.assignor.partition_assignor import PartitionAssignor

    class _Assignor(PartitionAssignor):
        def assign(self, cluster: Any, member_metadata: Any) -> Any:
            return super().assign(_Told(cluster, places), member_metadata)

    return _Assignor


class _Told:
    """What a broker says of its topics, and where it says nothing what it said before."""

    def __init__(self, cluster: Any, places: Sequence[Place]) -> None:
        self._cluster = cluster
        self._places = places

    def partitions_for_topic(self, topic: str) -> set[int]:
        """The numbers of a topic's partitions."""
        return self._cluster.partitions_for_topic(topic) or {number for name, number in self._places if name == topic}


def application(settings: "Settings", places: Sequence[Place] = ()) -> Any:
    """The Faust application: raw bytes, no acknowledgement of its own, topics and folders never made.

    `places`: partitions that are known to be there. Messages of transactions that were not committed are left out.
    """
    import faust
    from mode.utils.queues import ThrowableQueue

    class _Queue(BoundedInBytes, ThrowableQueue[Any]):
        most_bytes = BUFFER_BYTES

        def clear(self) -> None:
            """Forgets all events."""
            super().clear()
            self._bytes = 0

    class _App(faust.App):
        def _create_directories(self) -> None:
            """Makes none: there are no tables to keep in them."""

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
    app.transport = _transport(app)
    return app


async def _begun(coroutine: Any, future: Any) -> Any:
    """The result of a coroutine that was begun; `future` is what it waits for."""

    @types.coroutine
    def goes_on() -> Any:
        try:
            yield future
        except BaseException as error:
            coroutine.throw(error)
            raise
        return (yield from coroutine)

    return await goes_on()


def _thread(driver: Any) -> type:
    """A consumer's thread: reads committed messages, in fetches that were gathered, and always says that it ends."""
    from aiokafka.errors import KafkaError

    class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
        def _create_worker_consumer(self, transport: Any) -> Any:
            consumer = super()._create_worker_consumer(transport)
            fetch_committed(consumer)
            return consumer

        async def on_thread_stop(self) -> None:
            with suppress(asyncio.CancelledError):  # of a fetch that aiokafka ends and waits for, not of this thread
                await super().on_thread_stop()

        def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
            if not isinstance(sys.exc_info()[1], KafkaError):
                super().on_crash(msg, *fmt, **kwargs)
            else:
                log.critical("the broker failed: %s", sys.exc_info()[1])

        def _stopped_set(self) -> None:
            with suppress(RuntimeError):  # a thread that a failure ended has closed its loop, and is not to be told
                super()._stopped_set()

    return _Thread


def _transport(app: Any) -> Any:
    """Faust's transport, which leaves out what a publisher has taken back, and takes no header name for a failure.

    It makes no tasks for a message that can be taken at once.
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
                first = _begun(first, future)
            return await super().wait_first(first, *others, timeout=timeout)

        def _new_consumer_thread(self) -> Any:
            return thread(self, loop=self.loop, beacon=self.beacon)

    class _Transport(driver.Transport):
        pass

    _Transport.Consumer = _Consumer
    return _Transport(app.conf.broker_consumer, app)


def add_agent(app: Any, topic: str, read: Callable[[Any], Awaitable[None]]) -> None:
    """Has `read` consume a topic's stream of raw messages; where it raises, the application ends."""
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
    """The topic partitions that an application has now; none before it has started."""
    from faust.exceptions import ConsumerNotStarted

    try:
        return frozenset(app.consumer.assignment())
    except ConsumerNotStarted:
        return frozenset()


async def commit(app: Any, offsets: Mapping[Any, int]) -> None:
    """Commits, for topic partitions, the offsets at which to go on."""
    await app.consumer._commit(offsets)  # noqa: SLF001


def committed_offset(app: Any, partition: Any) -> int | None:
    """The offset at which the group goes on in a topic partition; None where it has never committed one."""
    found: int | None = app.consumer._committed_offset.get(partition)  # noqa: SLF001
    return found
