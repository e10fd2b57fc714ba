"""The Kafka client's log while the broker is away: each message once in a minute, and every one of our own."""

import logging

from services.telemetry.logs import Seldom


def _record(name: str, message: str, created: float, *figures: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, figures, None)
    record.created = created
    return record


def test_a_message_of_the_client_passes_once_a_minute_whatever_its_figures() -> None:
    seldom, lost = Seldom(60), "Unable connect to node with id %s: %s"
    passed = [
        seldom.filter(_record("aiokafka", lost, now, 1, now)) for now in (1_000.0, 1_000.1, 1_059.9, 1_060.0, 1_061.0)
    ]
    assert passed == [True, False, False, True, False]
    assert seldom.filter(_record("aiokafka", "another", 1_000.2))
    assert seldom.filter(_record("aiokafka.consumer", lost, 1_000.2, 1, 2))


def test_what_our_own_parts_say_passes_always() -> None:
    seldom = Seldom(60)
    assert all(seldom.filter(_record("tpp.relay", "trying again", 1_000.0)) for _ in range(3))
