"""What the parts of the stream log."""

import logging

from services.visible import visible


class _Visible(logging.Formatter):
    """A format in which nothing that is logged drives a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as it is written."""
        return visible(super().format(record), keep="\n\t")


_LIBRARIES = ("faust", "mode", "aiokafka", "alembic", "services")


def log_to_stderr() -> None:
    """Writes what parts log to standard error, and of the libraries only warnings and errors.

    kafka-python is silent: what it fails at is raised, and said once by who called it.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Visible("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    silence_kafka_python()


def silence_kafka_python() -> None:
    """Keeps kafka-python from logging what it raises too."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
