"""The producer of the relay and the clock."""

from typing import TYPE_CHECKING

from services.kafka.access import address, check_access, client_options

if TYPE_CHECKING:
    from kafka import KafkaProducer

    from services.settings import Settings

STRUCTURED = ("content-type", b"application/cloudevents+json")
"""The header of a message whose value is a whole event."""

DELIVERY_SECONDS = 30
LARGEST = 64 << 20
"""The most bytes of a message before it is compressed; the broker's own limit counts it compressed."""


def producer(settings: "Settings", client: str) -> "KafkaProducer":
    """An idempotent producer of structured events that waits for every replica in sync.

    Raises KafkaError where no broker answers, BrokerError where it refuses TLS or the password.
    """
    from kafka import KafkaProducer

    check_access(address(settings), client_options(settings))
    return KafkaProducer(
        bootstrap_servers=address(settings).split(","),
        client_id=client,
        enable_idempotence=True,
        acks="all",
        linger_ms=1,
        compression_type="gzip",
        max_request_size=LARGEST,
        delivery_timeout_ms=DELIVERY_SECONDS * 1000,
        request_timeout_ms=10_000,
        max_block_ms=10_000,
        bootstrap_timeout_ms=5_000,
        reconnect_backoff_max_ms=1_000,
        **client_options(settings),
    )
