"""Uses of private parts of aiokafka; `tests/broker/test_clients.py` shows what a new version breaks."""

import asyncio
import ssl
import struct
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from services.failure import BrokerError
from services.kafka.headers import PatientBatch

KNOCK_SECONDS, CLOSE_SECONDS = 10.0, 2.0

GATHER_MS, GATHER_BYTES = 15, 1 << 20
"""How long the broker gathers messages before it answers a fetch, unless it has this many bytes."""

_HEAD = struct.Struct(">qi")
"""A batch's first offset, and how many bytes follow (Kafka protocol, record batch, version 2)."""


async def knock(where: str, options: Mapping[str, Any], context: ssl.SSLContext | None) -> None:
    """Connects to `host:port` as a client would, and disconnects.

    `options` are those of `client_options`; `context` is None without TLS. Raises BrokerError if the broker refuses TLS
    or the password, OSError if nothing answers.
    """
    from aiokafka import errors
    from aiokafka.conn import create_conn

    given = {name: value for name, value in options.items() if name != "ssl_cafile"}
    host, _, port = where.rpartition(":")
    try:
        connection = await asyncio.wait_for(
            create_conn(host.strip("[]"), int(port), ssl_context=context, **given), KNOCK_SECONDS
        )
    except ssl.SSLCertVerificationError as error:
        raise BrokerError(
            f"the certificate of the broker at {where} is not trusted ({error.verify_message}): "
            "set TPP_KAFKA_CA_FILE to the certificate of the authority that signed it"
        ) from error
    except ssl.SSLError as error:
        raise BrokerError(
            f"the broker at {where} does not answer over TLS ({error.reason}): see TPP_KAFKA_SECURITY_PROTOCOL"
        ) from error
    except (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError) as error:
        raise BrokerError(
            f"the broker at {where} does not accept passwords with {given['sasl_mechanism']}: "
            "see TPP_KAFKA_SASL_MECHANISM"
        ) from error
    except (errors.SaslAuthenticationFailed, errors.AuthenticationFailedError) as error:
        raise BrokerError(
            f"the broker at {where} rejects the user {given['sasl_plain_username']!r} or the password: "
            "see TPP_KAFKA_SASL_USERNAME and TPP_KAFKA_SASL_PASSWORD"
        ) from error
    except errors.KafkaError as error:
        raise ConnectionError(str(error)) from error
    else:
        await asyncio.wait({connection.close()}, timeout=CLOSE_SECONDS)
    finally:
        await asyncio.sleep(0.05)  # a refused connection closes in the background


def fetch_committed(consumer: Any) -> None:
    """Makes a consumer, before its start, fetch only committed messages, in fetches that the broker gathers."""
    consumer._isolation_level = "read_committed"  # noqa: SLF001
    consumer._fetch_max_wait_ms, consumer._fetch_min_bytes = GATHER_MS, GATHER_BYTES  # noqa: SLF001


def accept_any_header_name() -> None:
    """Lets aiokafka, in this process, read messages whose header names are not UTF-8."""
    from aiokafka.consumer import fetcher

    fetcher.MemoryRecords = _Records


class _Records:
    """The batches of a fetch, read by aiokafka's C extension as far as it can."""

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
    """A batch, read by aiokafka's C extension up to a name that is not UTF-8, and by Python from there on."""

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

    batch: Any = type("_Batch", (PatientBatch, default_records._DefaultRecordBatchPy), {})(bytes(raw))  # noqa: SLF001
    return iter(batch)
