"""What the parts log: lines of text or, with TPP_LOG_FORMAT=json, a JSON object a line."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from services.settings import Settings
from services.visible import visible


class _Visible(logging.Formatter):
    """A format whose output cannot control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as it is printed."""
        return visible(super().format(record), keep="\n\t")


class _Json(logging.Formatter):
    """A JSON object for each record, with what it says of an event: the members of its attribute `tpp`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        found: dict[str, Any] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        about = getattr(record, "tpp", None)
        if isinstance(about, dict):
            found |= about
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str)


_MOST_KEPT = 1_000


class Seldom(logging.Filter):
    """Passes a message of the Kafka client once in so many seconds: while the broker is away it repeats itself.

    Messages that differ in their figures alone are one; all that comes from our own parts passes.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._passed: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is printed."""
        if not record.name.startswith("aiokafka"):
            return True
        key = record.name, record.msg
        if record.created - self._passed.get(key, -self._seconds) < self._seconds:
            return False
        if len(self._passed) >= _MOST_KEPT:
            self._passed.clear()
        self._passed[key] = record.created
        return True


_LIBRARIES = ("faust", "mode", "aiokafka", "alembic", "services", "opentelemetry")


def is_json() -> bool:
    """Whether TPP_LOG_FORMAT asks for JSON; a setting that is invalid is reported by who reads the settings."""
    try:
        return Settings().log_format == "json"
    except (ValidationError, UnicodeDecodeError, OSError):
        return False


def log_to_stderr() -> None:
    """Logs to standard error; of libraries, only warnings and errors, of the Kafka client each seldom.

    kafka-python is silent: its failures are raised, and the caller reports them once.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if is_json() else _Visible("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Seldom())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    silence_kafka_python()


def silence_kafka_python() -> None:
    """Stops kafka-python from logging what it also raises."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
