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


_LIBRARIES = ("faust", "mode", "aiokafka", "alembic", "services", "opentelemetry")


def is_json() -> bool:
    """Whether TPP_LOG_FORMAT asks for JSON; a setting that is invalid is reported by who reads the settings."""
    try:
        return Settings().log_format == "json"
    except (ValidationError, UnicodeDecodeError, OSError):
        return False


def log_to_stderr() -> None:
    """Logs to standard error; of libraries, only warnings and errors.

    kafka-python is silent: its failures are raised, and the caller reports them once.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if is_json() else _Visible("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    silence_kafka_python()


def silence_kafka_python() -> None:
    """Stops kafka-python from logging what it also raises."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
