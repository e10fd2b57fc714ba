"""How clients connect to the Kafka broker: address, security options, and why a connection is refused."""

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from services.failure import BrokerError
from services.kafka.aiokafka_client import knock

if TYPE_CHECKING:
    from services.settings import Settings


_HOST = re.compile(r"[\w.-]*")
_ADDRESS = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]+")


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
    """`host:port[,host:port]` of TPP_BROKER; raises BrokerError if it is unset or malformed.

    A malformed address is repeated only if no password can be in it.
    """
    if not settings.broker:
        raise BrokerError("no broker: set TPP_BROKER to host:port, or start the whole system with `tpp up`")
    for number, one in enumerate(settings.broker.split(","), 1):
        if not _ADDRESS.fullmatch(one.strip()):
            given = repr(one.strip()) if _HOST.fullmatch(one.strip()) else f"address {number}"
            raise BrokerError(f"TPP_BROKER: {given} is not host:port")
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

    secured = _context(settings.kafka_ca_file) if protocol.endswith("SSL") else None
    if secured is not None and protocol == "SSL":
        return faust.SSLCredentials(context=secured)
    return faust.SASLCredentials(
        username=settings.kafka_sasl_username,
        password=_password(settings),
        ssl_context=secured,
        mechanism=settings.kafka_sasl_mechanism or "PLAIN",
    )


def check_access(address: str, options: Mapping[str, Any]) -> None:
    """Raises BrokerError if a reachable broker refuses TLS or the password, and says which; otherwise does nothing.

    In that case kafka-python itself retries and finally reports only a timeout. `options` are those of
    `client_options`.
    """
    if not options:
        return
    if None in (options.get("sasl_plain_username", ""), options.get("sasl_plain_password", "")):
        raise BrokerError(
            f"{options['security_protocol']} needs a user; set TPP_KAFKA_SASL_USERNAME and TPP_KAFKA_SASL_PASSWORD"
        )
    for one in address.split(","):
        try:
            context = _context(options.get("ssl_cafile")) if options["security_protocol"].endswith("SSL") else None
            asyncio.run(knock(one.strip(), options, context))
        except (OSError, ValueError):
            continue
        return


def _context(authority: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise BrokerError(f"TPP_KAFKA_CA_FILE: {authority} does not contain certificates: {error}") from error


def _password(settings: "Settings") -> str | None:
    secret = settings.kafka_sasl_password
    return None if secret is None else secret.get_secret_value()


def answers(address: str, options: Mapping[str, Any] | None = None, seconds: float = 5.0) -> bool:
    """Whether a broker answers and knows its controller; waits at most this many seconds."""
    if not any(_listens(one.strip(), seconds) for one in address.split(",")):
        return False
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(
            bootstrap_servers=address.split(","), bootstrap_timeout_ms=int(seconds * 1000), **(options or {})
        )
    except (KafkaError, OSError):
        return False
    try:
        return bool(admin.describe_cluster().get("brokers"))
    except (KafkaError, OSError):
        return False
    finally:
        admin.close()


def _listens(where: str, seconds: float) -> bool:
    host, _, port = where.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=seconds):
            return True
    except (OSError, ValueError):
        return False
