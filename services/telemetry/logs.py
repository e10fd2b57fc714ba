"""What the parts of the stream log."""

import logging

_LIBRARIES = ("faust", "mode", "aiokafka", "alembic", "services")


def log_to_stderr() -> None:
    """Writes what parts log to standard error, and of the libraries only warnings and errors.

    kafka-python is silent: what it fails at is raised, and said once by who called it.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    silence_kafka_python()


def silence_kafka_python() -> None:
    """Keeps kafka-python from logging what it raises too."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
