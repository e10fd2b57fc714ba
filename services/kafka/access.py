"""The Kafka broker: how clients reach it, and its topics; `LocalBroker` is one of this machine's own."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from schemas.event_types import TOPICS
from services.kafka.local_broker import BrokerError, LocalBroker, answers

if TYPE_CHECKING:
    from services.settings import Settings

__all__ = ["BrokerError", "LocalBroker", "answers"]

MESSAGE_MOST = (
    8 << 20
)  # bytes; an input over 1 MiB must arrive to be rejected, and an answer may be longer than its event
PARTITIONS = 4
KNOCK_SECONDS, CLOSE_SECONDS = 10.0, 2.0
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
    """`host:port[,host:port]` of TPP_BROKER; BrokerError where it is not set or something else."""
    if not settings.broker:
        raise BrokerError("no broker: set TPP_BROKER to host:port, or start the whole system with `tpp up`")
    for one in settings.broker.split(","):
        host, _, port = one.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise BrokerError(f"TPP_BROKER: {one.strip()!r} is no host:port")
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
    """Raises BrokerError where a broker that is there refuses TLS or the password, and says which; else does nothing.

    kafka-python itself tries again and again then, and in the end says only that it took too long. `options` are those
    of `client_options`.
    """
    if not options:
        return
    if None in (options.get("sasl_plain_username", ""), options.get("sasl_plain_password", "")):
        raise BrokerError(
            f"{options['security_protocol']} needs a user: set TPP_KAFKA_SASL_USERNAME and TPP_KAFKA_SASL_PASSWORD"
        )
    for one in address.split(","):
        try:
            asyncio.run(_knock(one.strip(), options))
        except (OSError, ValueError):
            continue
        return


async def _knock(where: str, options: Mapping[str, Any]) -> None:
    """Connects as a client would, and no more; OSError where nobody answers."""
    from aiokafka import errors
    from aiokafka.conn import create_conn

    told = {name: value for name, value in options.items() if name != "ssl_cafile"}
    host, _, port = where.rpartition(":")
    try:
        context = _context(options.get("ssl_cafile")) if options["security_protocol"].endswith("SSL") else None
        connection = await asyncio.wait_for(
            create_conn(host.strip("[]"), int(port), ssl_context=context, **told), KNOCK_SECONDS
        )
    except ssl.SSLCertVerificationError as error:
        raise BrokerError(
            f"the certificate of the broker at {where} is not trusted ({error.verify_message}): "
            "TPP_KAFKA_CA_FILE must name the authority that signed it"
        ) from error
    except ssl.SSLError as error:
        raise BrokerError(
            f"the broker at {where} does not answer in TLS ({error.reason}): see TPP_KAFKA_SECURITY_PROTOCOL"
        ) from error
    except (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError) as error:
        raise BrokerError(
            f"the broker at {where} takes no passwords by {told['sasl_mechanism']}: see TPP_KAFKA_SASL_MECHANISM"
        ) from error
    except (errors.SaslAuthenticationFailed, errors.AuthenticationFailedError) as error:
        raise BrokerError(
            f"the broker at {where} refuses the user {told['sasl_plain_username']!r} or the password: "
            "see TPP_KAFKA_SASL_USERNAME and TPP_KAFKA_SASL_PASSWORD"
        ) from error
    except errors.KafkaError as error:
        raise ConnectionError(str(error)) from error
    else:
        await asyncio.wait({connection.close()}, timeout=CLOSE_SECONDS)
    finally:
        await asyncio.sleep(0.05)  # what was refused closes behind the scenes


def _context(authority: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise BrokerError(f"TPP_KAFKA_CA_FILE: {authority} cannot be read as certificates: {error}") from error


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
    check_access(address, options or {})
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
