"""The Kafka broker: how clients reach it, and its topics; `LocalBroker` is one of this machine's own."""

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.local_broker import BrokerError, LocalBroker, answers

if TYPE_CHECKING:
    from services.settings import Settings

__all__ = ["BrokerError", "LocalBroker", "answers"]

SHIPMENTS, FACTS = "tpp.shipments", "tpp.facts"
DECISIONS, ALERTS, SNAPSHOTS, REJECTED = "tpp.decisions", "tpp.alerts", "tpp.snapshots", "tpp.rejected"
INPUTS = (SHIPMENTS, FACTS)
TOPICS = (*INPUTS, DECISIONS, ALERTS, SNAPSHOTS, REJECTED)
MESSAGE_MOST = (
    8 << 20
)  # bytes; an input over 1 MiB must arrive to be rejected, and an answer may be longer than its event
PARTITIONS = 4
BROKERS_OWN = -1  # replication that the broker chooses
STRUCTURED = ("content-type", b"application/cloudevents+json")


def client_options(settings: "Settings") -> dict[str, Any]:
    """The security options of a kafka-python client, from TPP_KAFKA_*; empty for plain text."""
    if settings.kafka_security_protocol == "PLAINTEXT":
        return {}
    options: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_ca_file is not None:
        options["ssl_cafile"] = settings.kafka_ca_file
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism or "PLAIN",
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": _password(settings),
        }
    return options


def address(settings: "Settings") -> str:
    """`host:port[,host:port]` of TPP_BROKER; BrokerError where it is not set."""
    if not settings.broker:
        raise BrokerError("no broker: set TPP_BROKER to host:port, or start the whole system with `tpp up`")
    return settings.broker


def faust_broker(settings: "Settings") -> str:
    """The broker as Faust names it: `kafka://host:port;kafka://host:port`."""
    return ";".join(f"kafka://{one.strip()}" for one in address(settings).split(","))


def faust_credentials(settings: "Settings") -> Any:
    """Faust's credentials from TPP_KAFKA_*; None for plain text."""
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    import faust

    secured = ssl.create_default_context(cafile=settings.kafka_ca_file) if protocol.endswith("SSL") else None
    if secured is not None and protocol == "SSL":
        return faust.SSLCredentials(context=secured)
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=_password(settings),
        ssl_context=secured,
        mechanism=settings.kafka_sasl_mechanism or "PLAIN",
    )


def _password(settings: "Settings") -> str | None:
    secret = settings.kafka_sasl_password
    return None if secret is None else secret.get_secret_value()


def create_topics(
    address: str, partitions: int = PARTITIONS, replication: int = 1, options: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Makes the topics of the contract's section 5 that are not there, and returns their names.

    Those that are there are left as they are. `options` are those of `client_options`. BrokerError where the broker
    does not answer or refuses.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError, TopicAlreadyExistsError

    how = {
        "num_partitions": partitions,
        "replication_factor": replication,
        "configs": {"max.message.bytes": str(MESSAGE_MOST)},
    }
    made = []
    try:
        admin = KafkaAdminClient(bootstrap_servers=address.split(","), client_id="tpp-topics", **(options or {}))
        try:
            there = set(admin.list_topics())
            for name in TOPICS:
                if name in there:
                    continue
                try:
                    admin.create_topics({name: how}, wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    continue
                made.append(name)
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(f"the topics could not be made on {address}: {error}") from error
    return tuple(made)
