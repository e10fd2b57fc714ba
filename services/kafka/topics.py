"""Topics on the broker: creating missing ones, and asking about those that exist."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from schemas.event_types import INPUTS, TOPICS
from services.failure import BrokerError, did_you_mean
from services.kafka.access import address, check_access, client_options

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from services.settings import Settings

MESSAGE_MOST = 8 << 20
"""Bytes. An input over 1 MiB must arrive to be rejected, and an answer may be longer than its event."""

PARTITIONS = 4
BROKERS_OWN = -1
"""The replication that the broker chooses."""


def create_topics(
    address: str, partitions: int = PARTITIONS, replication: int = 1, options: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Creates missing topics and returns their names; existing ones are left unchanged.

    `options` are those of `client_options`. Raises BrokerError if the broker does not answer or refuses.
    """
    check_access(address, options or {})
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError, TopicAlreadyExistsError

    how = {"num_partitions": partitions, "replication_factor": replication}
    made = []
    try:
        admin = KafkaAdminClient(bootstrap_servers=address.split(","), client_id="tpp-topics", **(options or {}))
        try:
            existing = set(admin.list_topics())
            for name in TOPICS:
                if name in existing:
                    continue
                try:
                    admin.create_topics({name: how | {"configs": _configs(name)}}, wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    continue
                made.append(name)
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(f"cannot create the topics on {address}: {error}") from error
    return tuple(made)


def _configs(topic: str) -> dict[str, str]:
    """The broker's settings of a topic. Inputs are stored uncompressed, so that no batch unpacks to more."""
    limit = {"max.message.bytes": str(MESSAGE_MOST)}
    return limit | {"compression.type": "uncompressed"} if topic in INPUTS else limit


@contextmanager
def administration(settings: "Settings") -> Iterator["KafkaAdminClient"]:
    """An administration client of the broker; raises BrokerError if it does not answer or refuses."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    where = address(settings)
    check_access(where, client_options(settings))
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=where.split(","), bootstrap_timeout_ms=10_000, **client_options(settings)
        )
    except (KafkaError, OSError) as error:
        raise BrokerError(f"the broker at {where} does not answer: {error}") from error
    try:
        yield admin
    except KafkaError as error:
        raise BrokerError(f"the broker at {where} refused: {error}") from error
    finally:
        admin.close()


def check_topics(settings: "Settings", topics: Sequence[str]) -> None:
    """Raises BrokerError, which names them, if topics do not exist; and those that may have been meant."""
    with administration(settings) as admin:
        existing = set(admin.list_topics())
    missing = sorted(set(topics) - existing)
    if not missing:
        return
    meant = "".join(did_you_mean(name, existing) for name in missing if name not in TOPICS)
    create = "; create topics with `tpp topics create`"
    raise BrokerError(f"missing on {settings.broker}: {', '.join(missing)}{meant or create}")
