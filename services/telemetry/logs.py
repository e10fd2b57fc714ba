"""What the parts of the stream log."""

import logging

from services.visible import visible


class _Visible(logging.Formatter):
    """A format whose output cannot control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as it is printed."""
        return visible(super().format(record), keep="\n\t")


_LIBRARIES = ("faust", "mode", "aiokafka", "alembic", "services")


def log_to_stderr() -> None:
    """Logs to standard error; of libraries, only warnings and errors.

    kafka-python is silent: its failures are raised, and the caller reports them once.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Visible("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    silence_kafka_python()


def silence_kafka_python() -> None:
    """Stops kafka-python from logging what it also raises."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
