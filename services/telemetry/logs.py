"""What the parts of the stream log."""

import logging

_LIBRARIES = ("faust", "mode", "aiokafka", "alembic", "services")


def log_to_stderr() -> None:
    """Logs to standard error; of libraries, only warnings and errors.

    kafka-python is silent: its failures are raised, and the caller reports them once.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    silence_kafka_python()


def silence_kafka_python() -> None:
    """Stops kafka-python from logging what it also raises."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
