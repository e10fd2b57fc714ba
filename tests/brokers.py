"""A real Kafka for the tests: the one of TPP_TEST_BROKER, else in a container, else of this machine's Java."""

import os
import random
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from containers import docker_answers, missing
from waiting import PATIENCE, wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer
    from kafka.errors import KafkaError, UnknownTopicOrPartitionError
    from kafka.structs import OffsetAndMetadata, TopicPartition

from schemas.event_types import TOPICS
from services.cli.commands import main
from services.failure import BrokerError
from services.kafka import local_broker
from services.kafka.access import answers
from services.kafka.local_broker import KAFKA, LocalBroker, free_port, jars, java
from services.kafka.topics import create_topics

local_broker.START_SECONDS = PATIENCE


@dataclass(frozen=True)
class Broker:
    """A broker that answers. `local` is its process where the tests started it themselves and may kill it."""

    address: str
    local: LocalBroker | None = None

    def fresh(self, partitions: int = 4) -> str:
        """The broker's address, the topics of the contract there and empty."""
        empty_topics(self.address, partitions)
        return self.address


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The Kafka broker of this test process, without topics; `broker.fresh()` makes them anew."""
    for found in (_named_broker, _container, _own_broker):
        with found() as one:
            if one is not None:
                yield one
                return
    missing("no Kafka: set TPP_TEST_BROKER to host:port, or install Docker, or Java 17 and Maven")


@pytest.fixture
def java_there() -> None:
    """Of a test that starts a broker of its own: Java and Kafka are there."""
    try:
        java(), jars()
    except BrokerError as error:
        missing(str(error))


def empty_topics(address: str, partitions: int = 4) -> None:
    """Throws the topics of the contract away and makes them again; the places of consumer groups go with them."""
    admin = KafkaAdminClient(bootstrap_servers=address)
    try:
        for name in set(admin.list_topics()) & set(TOPICS):
            try:
                admin.delete_topics([name])
            except UnknownTopicOrPartitionError:
                continue
        wait_until(lambda: not set(admin.list_topics()) & set(TOPICS), lambda: "the broker keeps its topics")
    finally:
        admin.close()
    end = time.monotonic() + PATIENCE
    made: set[str] = set()
    while made != set(TOPICS):
        try:
            made |= set(create_topics(address, partitions))
        except (BrokerError, KafkaError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def tpp(broker: str | None, *arguments: str, code: int = 0, **environment: str | None) -> Any:
    """Runs a command in this process and holds its exit code against what is expected."""
    done = CliRunner().invoke(main, arguments, env={"TPP_BROKER": broker, **environment})
    assert done.exit_code == code, (done.output, done.exception)
    return done


def commit(address: str, group: str, place: tuple[str, int], offset: int, note: str = "") -> None:
    """Commits the offset of a partition for a group that has no member."""
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    at = TopicPartition(*place)
    consumer.assign([at])
    consumer.commit({at: OffsetAndMetadata(offset, note, -1)})
    consumer.close()


def messages(address: str, *topics: str) -> list[Any]:
    """Everything in the topics, read with a plain client, by topic and partition."""
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    parts = [TopicPartition(topic, at) for topic in topics for at in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(parts)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(parts)
    found: list[Any] = []
    until = time.monotonic() + PATIENCE
    while any(consumer.position(at) < end for at, end in ends.items()):
        assert time.monotonic() < until
        found += [one for some in consumer.poll(timeout_ms=200).values() for one in some]
    consumer.close()
    return sorted(found, key=lambda one: (one.topic, one.partition, one.offset))


@contextmanager
def _named_broker() -> Iterator[Broker | None]:
    address = os.environ.get("TPP_TEST_BROKER")
    yield Broker(address) if address else None


@contextmanager
def _container() -> Iterator[Broker | None]:
    if not docker_answers():
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.core.container import DockerContainer

        port = free_port()
        container = DockerContainer(f"apache/kafka:{KAFKA}").with_bind_ports(9092, port)
        for name, value in _in_container(port).items():
            container = container.with_env(name, value)
        with container:
            address = f"{container.get_container_host_ip()}:{port}"
            wait_until(lambda: answers(address), lambda: f"Kafka in a container does not answer on {address}", 0.2)
            yield Broker(address)


def _in_container(port: int) -> dict[str, str]:
    host = os.environ.get("TESTCONTAINERS_HOST_OVERRIDE", "localhost")
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{host}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    }


def quiet_port() -> int:
    """A free port that no client is given: one that a client took while the broker is down would keep it from coming back."""
    ports = list(range(15_000, 30_000))
    random.shuffle(ports)
    return next(filter(None, map(free_port, ports)))


class QuickBroker(LocalBroker):
    """A local broker that is there again sooner after a kill, and takes members whose session is short."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, port=quiet_port())

    def _configure(self) -> None:
        super()._configure()
        told = {"broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 200}
        told |= {"group.min.session.timeout.ms": 1000}
        with self._properties.open("a") as properties:
            properties.writelines(f"{name}={value}\n" for name, value in told.items())


@contextmanager
def _own_broker() -> Iterator[Broker | None]:
    try:
        java(), jars()
    except BrokerError as error:
        print(error)
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="tpp-kafka-"))
    own = started(lambda: QuickBroker(folder))
    try:
        yield Broker(own.address, own)
    finally:
        own.stop()
        shutil.rmtree(folder, ignore_errors=True)


def started(make: Callable[[], LocalBroker]) -> LocalBroker:
    """A broker that was started; one that finds a port taken, which was free before, is tried once more on others."""
    try:
        return make().start()
    except BrokerError as error:
        print(f"the broker is started once more: {error}")
        return make().start()
