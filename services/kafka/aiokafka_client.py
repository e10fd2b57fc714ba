"""What is not public of aiokafka and used here; `tests/broker/test_clients.py` says what a new version breaks."""

import asyncio
import ssl
import struct
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from services.failure import BrokerError
from services.kafka.headers import PatientBatch

KNOCK_SECONDS, CLOSE_SECONDS = 10.0, 2.0

GATHER_MS, GATHER_BYTES = 40, 1 << 20
"""How long the broker gathers messages before it answers a fetch, unless there are so many bytes."""

_HEAD = struct.Struct(">qi")
"""Of a batch: its first offset, and how many bytes follow (Kafka protocol, record batch, version 2)."""


async def knock(where: str, options: Mapping[str, Any], context: ssl.SSLContext | None) -> None:
    """Connects to `host:port` as a client would, and no more.

    `options` are those of `client_options`, `context` is None where they ask for no TLS. Raises BrokerError where the
    broker refuses TLS or the password, OSError where nobody answers.
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
            "TPP_KAFKA_CA_FILE must name the authority that signed it"
        ) from error
    except ssl.SSLError as error:
        raise BrokerError(
            f"the broker at {where} does not answer in TLS ({error.reason}): see TPP_KAFKA_SECURITY_PROTOCOL"
        ) from error
    except (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError) as error:
        raise BrokerError(
            f"the broker at {where} takes no passwords by {given['sasl_mechanism']}: see TPP_KAFKA_SASL_MECHANISM"
        ) from error
    except (errors.SaslAuthenticationFailed, errors.AuthenticationFailedError) as error:
        raise BrokerError(
            f"the broker at {where} refuses the user {given['sasl_plain_username']!r} or the password: "
            "see TPP_KAFKA_SASL_USERNAME and TPP_KAFKA_SASL_PASSWORD"
        ) from error
    except errors.KafkaError as error:
        raise ConnectionError(str(error)) from error
    else:
        await asyncio.wait({connection.close()}, timeout=CLOSE_SECONDS)
    finally:
        await asyncio.sleep(0.05)  # what was refused closes behind the scenes


def fetch_committed(consumer: Any) -> None:
    """Has a consumer that is not started fetch committed messages only, in fetches that the broker gathers."""
    consumer._isolation_level = "read_committed"  # noqa: SLF001
    consumer._fetch_max_wait_ms, consumer._fetch_min_bytes = GATHER_MS, GATHER_BYTES  # noqa: SLF001


def accept_any_header_name() -> None:
    """Lets aiokafka, in this process, read messages whose header names are not UTF-8."""
    from aiokafka.consumer import fetcher

    fetcher.MemoryRecords = _Records


class _Records:
    """The batches of a fetch, of which aiokafka's extension reads those that it can."""

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
    """A batch as aiokafka's extension reads it, and from a name that is not UTF-8 on as Python does."""

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
